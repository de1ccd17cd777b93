//! Figures that are measured, printed and held to bounds that leave a wide margin. For the shipped binaries:
//!
//! ```sh
//! cargo build --profile ship -p planner -p worker -p notifier
//! SNAPKEEP_BINARIES=$PWD/target/ship cargo test --workspace --test e2e figures -- --nocapture --test-threads 1
//! ```

use std::time::{Duration, Instant};

use serde_json::json;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::{Settings, World};

use crate::counting_queue::{CountingQueue, Mood};
use crate::stack::{ACCOUNT, Stack};

/// A Lambda with 256 MB and 15 minutes must do it with a wide margin.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_hundred_thousand_volumes_in_thirty_regions_fit_into_a_small_lambda() {
    let home = std::iter::once("eu-central-1".into());
    let regions: Vec<String> = home.chain((2..=30).map(|number| format!("eu-test-{number}"))).collect();
    let world = World::new(Settings { regions: regions.clone(), ..Settings::default() });
    let volumes: usize = regions.iter().map(|region| Fleet::new(ACCOUNT, region, 3334).build(&world).len()).sum();
    let simulator = Server::start_local(world).await.unwrap();
    let queue = CountingQueue::start(Mood::Good).await;
    let planner = queue.planner(&simulator.url).await;

    let start = Instant::now();
    let summary = planner
        .invoke(json!({
            "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
            "regions": "all", "scheduled_time": "2026-11-20T02:00:00Z",
        }))
        .await
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();

    let (sends, jobs) = queue.taken();
    assert_eq!(
        (summary["jobs"].as_u64(), jobs.len()),
        (Some(volumes as u64), volumes),
        "every job was sent, each once"
    );
    let (instances, pages) = {
        let counters = simulator.world.history();
        (counters.action("DescribeInstances").calls, counters.action("DescribeVolumes").calls)
    };
    let peak = planner.memory("VmHWM") / 1024;
    println!(
        "planner, {volumes} volumes in 30 Regions: {seconds:.1} s, {instances} DescribeInstances, {pages} \
         DescribeVolumes and {sends} SendMessageBatch calls, peak memory {peak} MB"
    );
    // One call for each thousand items of a Region: 1667 instances and 3334 volumes in each.
    assert_eq!((instances, pages, sends), (30 * 2, 30 * 4, volumes.div_ceil(10)));
    assert!(peak < 160, "{peak} MB");
    assert!(seconds < 300.0, "{seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_starts_in_a_moment_and_is_small() {
    let world = World::default();
    Fleet::new(ACCOUNT, "eu-central-1", 10).build(&world);
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&json!({"SnapshotKeyWord": "Backup", "regions": ["eu-central-1"]})).await.unwrap();
    stack.settle().await;
    for (name, cold_start, peak) in stack.functions() {
        println!("{name}: exec to first poll {:.1} ms, peak memory {:.1} MB", cold_start.as_secs_f64() * 1000.0, peak);
        assert!(cold_start < Duration::from_secs(5), "{name} took {cold_start:?}");
        assert!(peak < 100.0, "{name} took {peak} MB");
    }
}
