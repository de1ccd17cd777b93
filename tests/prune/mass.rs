//! Very many snapshots. The small one is an ordinary test; the large one, for the README's figures, takes six minutes:
//! `cargo test --workspace --test e2e a_hundred_thousand_snapshots -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use simulator::fleet::{Fleet, SnapshotPlan, tags};
use simulator::limits::Limit;
use simulator::world::World;

use super::REGION;
use crate::stack::{ACCOUNT, Stack};

/// Of each volume the newest so many stay.
const KEPT: usize = 7;
const OF_EACH: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_snapshots_of_a_hundred_volumes_are_pruned_to_seven_each() {
    prune_a_region(100, 20.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "several minutes: for the figures"]
async fn a_hundred_thousand_snapshots_of_five_thousand_volumes_are_pruned_to_seven_each() {
    prune_a_region(5000, 50.0).await;
}

/// EC2's limits and the lane's rate, all so many times as fast: 5 deletions and 20 looks a second refill the buckets.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn prune_a_region(volumes: usize, speed: f64) {
    let world = World::default();
    let ours = [("snapkeep:policy", "daily"), ("snapkeep:volume", "{volume}"), ("snapkeep:retain", "7")];
    let snapshot = SnapshotPlan { tags: tags(&ours), ..SnapshotPlan::default() };
    let fleet = Fleet { snapshots_per_volume: OF_EACH, snapshot, ..Fleet::new(ACCOUNT, REGION, volumes) };
    let ids = fleet.build(&world);
    world.set_limit("DeleteSnapshot", None, Limit { capacity: 100.0, refill: 5.0 * speed });
    for action in [
        "DescribeSnapshots",
        "DescribeVolumes",
        "DescribeImages",
        "DescribeLockedSnapshots",
        "DescribeFastSnapshotRestores",
    ] {
        world.set_limit(action, None, Limit { capacity: 100.0, refill: 20.0 * speed });
    }
    let rate = 4.5 * speed;
    let stack = Stack::deploy(world, 2, &[("SNAPKEEP_DELETE_RATE", rate.to_string().as_str())]).await;

    let start = Instant::now();
    let policy = json!({
        "action": "prune", "regions": [REGION], "cap": {"percent": 100}, "scheduled_time": "2026-11-20T03:00:00Z",
    });
    let summary = stack.plan(&policy).await.unwrap();
    let planned = start.elapsed();
    assert_eq!(summary["jobs"], json!(volumes));
    let of_planning = calls(&stack);
    stack.settle_within(Duration::from_secs(1800)).await;
    let pruned = start.elapsed() - planned;

    let expiring = volumes * (OF_EACH - KEPT);
    println!("{} snapshots of {volumes} volumes, {expiring} of them to go:", volumes * OF_EACH);
    println!("planned in {:.1} s with {of_planning}", planned.as_secs_f64());
    println!(
        "deleted in {:.0} s, {:.1} a second, of {rate} that the lane may; all calls: {}",
        pruned.as_secs_f64(),
        expiring as f64 / pruned.as_secs_f64(),
        calls(&stack)
    );
    for (name, _, peak) in stack.functions() {
        println!("{name}: peak memory {peak:.0} MB");
        assert!(peak < 80.0, "{name} took {peak} MB: it goes by the number of snapshots");
    }
    let deletes = stack.world().history().action("DeleteSnapshot");
    println!("{} DeleteSnapshot calls, {} throttled", deletes.calls, deletes.throttled);

    let mut left = BTreeMap::<String, Vec<_>>::new();
    for snapshot in stack.snapshots() {
        left.entry(snapshot.volume.to_string()).or_default().push(stack.world().clock.now() - snapshot.started);
    }
    assert_eq!(left.len(), ids.len());
    assert!(left.values().all(|ages| ages.len() == KEPT && ages.iter().all(|age| age.num_days() <= KEPT as i64)));
    assert_eq!((deletes.calls - deletes.throttled) as usize, expiring, "each was deleted once");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0, "none is throttled into the dead-letter queue");
    assert_eq!(stack.mails().await, []);
}

fn calls(stack: &Stack) -> String {
    let counts = stack.world().history().by_action();
    let counts = counts.into_iter().filter(|(action, _)| **action != *"GetCallerIdentity");
    counts.map(|(action, count)| format!("{} {action}", count.calls)).collect::<Vec<_>>().join(", ")
}
