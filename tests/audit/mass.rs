//! Very many volumes and snapshots, audited by the real planner. The small one is an ordinary test; the large ones, for the
//! README's figures, need the shipped binaries and some gigabytes for the simulator:
//! `cargo test --workspace --test e2e snapshots_over_thirty_regions -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

use serde_json::json;
use simulator::fleet::{Fleet, SnapshotPlan, tags};
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::world::{Settings, World};

use crate::counting_queue::{CountingQueue, Mood};
use crate::stack::ACCOUNT;

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_volumes_and_their_snapshots_are_audited_page_by_page() {
    audit_regions(3, 1000, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: for the figures"]
async fn a_hundred_thousand_volumes_with_a_hundred_thousand_snapshots_over_thirty_regions() {
    audit_regions(30, 3334, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and two gigabytes: for the figures"]
async fn a_hundred_thousand_volumes_with_a_million_snapshots_over_thirty_regions() {
    audit_regions(30, 3334, 10).await;
}

/// Each volume has so many snapshots, the newest a day old, but for one volume that has none. There is one call for each
/// page of a thousand, and no other but the one that asks whose account it is.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn audit_regions(count: usize, volumes: usize, of_each: usize) {
    let home = std::iter::once("eu-central-1".into());
    let regions: Vec<String> = home.chain((2..=count).map(|number| format!("eu-test-{number}"))).collect();
    let world = World::new(Settings { regions: regions.clone(), ..Settings::default() });
    for action in ["DescribeSnapshots", "DescribeVolumes", "DescribeInstances"] {
        world.set_limit(action, None, Limit { capacity: 1e9, refill: 1e9 });
    }
    let ours = [("snapkeep:policy", "daily"), ("snapkeep:volume", "{volume}"), ("snapkeep:retain", "10")];
    let snapshot = SnapshotPlan { tags: tags(&ours), ..SnapshotPlan::default() };
    for region in &regions {
        let fleet = Fleet::new(ACCOUNT, region, volumes);
        Fleet { snapshots_per_volume: of_each, snapshot: snapshot.clone(), ..fleet }.build(&world);
    }
    let (_, bare) = world.add_instance(ACCOUNT, "eu-central-1", tags(&[("Backup", "true")]), 1);
    let all = count * volumes + 1;
    let simulator = Server::start_local(world).await.unwrap();
    let queue = CountingQueue::start(Mood::Good).await;
    let planner = queue.planner(&simulator.url).await;

    let start = Instant::now();
    let coverage = planner
        .invoke(json!({
            "action": "audit", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "10", "rpo": "26h",
            "regions": "all",
        }))
        .await
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();

    let verdicts: Vec<_> = coverage["regions"].as_array().unwrap().iter().map(|region| &region["verdicts"]).collect();
    let fresh: u64 = verdicts.iter().map(|verdicts| verdicts["fresh"].as_u64().unwrap()).sum();
    assert_eq!((fresh as usize, &verdicts[0]["never"]), (all - 1, &json!(1)), "{coverage}");
    let reports = queue.reports();
    assert_eq!(reports.len(), 1, "one report");
    assert!(reports[0].contains(bare[0].as_str()) && reports[0].contains("\"uncovered\":1"), "{}", reports[0]);
    assert_eq!(queue.taken().1.len(), 1, "its job was enqueued again, and no other");

    let history = simulator.world.history();
    let calls =
        ["DescribeSnapshots", "DescribeVolumes", "DescribeInstances"].map(|action| history.action(action).calls);
    let pages = |items: usize| (count * items.div_ceil(1000)) as u64;
    let peak = planner.memory("VmHWM") / 1024;
    println!(
        "audited {all} volumes with {} snapshots in {count} Regions in {seconds:.1} s: {} DescribeSnapshots for {} pages, \
         {} DescribeVolumes, {} DescribeInstances; peak memory {peak} MB",
        count * volumes * of_each,
        calls[0],
        pages(volumes * of_each),
        calls[1],
        calls[2],
    );
    let describes = history.by_action().into_iter().filter(|(action, _)| action.starts_with("Describe"));
    let all_calls: u64 = describes.map(|(_, count)| count.calls).sum();
    let of_regions = history.action("DescribeRegions").calls;
    assert_eq!(all_calls, calls.iter().sum::<u64>() + of_regions, "nothing else is asked for");
    assert_eq!((calls[0], of_regions), (pages(volumes * of_each), 1));
    // The home Region has one volume and one instance more.
    assert!(calls[1] <= pages(volumes) + 1 && calls[2] <= pages(volumes.div_ceil(2)) + 1, "{calls:?}");
    assert!(peak < 160, "{peak} MB");
}
