//! A scheduled run, from the policy to the snapshots.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::fleet::{Fleet, tags};
use simulator::world::World;

use crate::stack::{ACCOUNT, Stack};

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];

fn policy(name: &str, tag: &str) -> Value {
    json!({
        "action": "snapshot", "policy": name, "select": {"tags": {tag: ["true"]}}, "retain": "7d",
        "regions": REGIONS, "time_zone": "Europe/Zurich", "tags": {"Interval": "Daily"},
        "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

/// Five hundred volumes in three Regions, and some that the policy must leave alone.
fn five_hundred(world: &World) -> Vec<String> {
    let mut volumes = Vec::new();
    for (region, count) in REGIONS.into_iter().zip([200, 170, 130]) {
        volumes.extend(Fleet::new(ACCOUNT, region, count).build(world));
        world.add_instance(ACCOUNT, region, tags(&[("Backup", "false")]), 2);
        // Multi-Attach: two instances that the policy selects have this volume, and it is one volume.
        let (second, _) = world.add_instance(ACCOUNT, region, tags(&[("Backup", "true"), ("Name", "server-x")]), 0);
        let shared = volumes.last().unwrap();
        world.attach(region, shared, &second, "/dev/sdf");
        world.add_volume(ACCOUNT, region, tags(&[("Backup", "true")]));
    }
    volumes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_selected_volume_has_exactly_one_snapshot_with_all_its_tags() {
    let world = World::default();
    let volumes = five_hundred(&world);
    let stack = Stack::deploy(world, 3, &[]).await;

    let summary = stack.plan(&policy("daily", "Backup")).await.unwrap();
    assert_eq!(summary["jobs"], 500);
    stack.settle().await;

    stack.assert_one_snapshot_each("daily", &volumes);
    for snapshot in stack.snapshots() {
        let tag = |key: &str| snapshot.tags.get(key).map_or("", AsRef::as_ref);
        assert_eq!(tag("snapkeep:policy"), "daily");
        assert_eq!(tag("snapkeep:job").len(), 20);
        assert_eq!(tag("snapkeep:slot"), "2026-11-20T02:00:00Z");
        assert_eq!(tag("snapkeep:volume"), &*snapshot.volume);
        assert!(tag("snapkeep:instance").starts_with("i-"));
        assert!(["/dev/xvda", "/dev/sdf"].contains(&tag("snapkeep:device")));
        assert_eq!(tag("snapkeep:retain"), "7d");
        assert_eq!(tag("snapkeep:time-zone"), "Europe/Zurich");
        assert_eq!(tag("DeleteOn"), "2026-11-27");
        assert_eq!(tag("Interval"), "Daily");
        assert_eq!(tag("Backup"), "true");
        assert!(tag("Name").starts_with("server-"));
    }
    let creates = stack.world().history().action("CreateSnapshot");
    assert_eq!((creates.calls, creates.throttled), (500, 0), "each volume was asked for once, and none throttled");
    assert_eq!(stack.world().history().action("CreateTags").calls, 0, "tags are written in the create call only");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    assert_eq!(stack.mails().await, []);

    // The same slot once more: EventBridge delivers at least once.
    stack.plan(&policy("daily", "Backup")).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
}

/// Five minutes after the first, SQS no longer knows the duplicate: then it is the worker that finds the snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_again_after_sqs_has_forgotten_it_makes_nothing_twice() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, "eu-central-1", 12).build(&world);
    let stack = Stack::deploy(world, 2, &[]).await;
    let mut plan = policy("daily", "Backup");
    plan["dry_run"] = json!(true);
    let planned = stack.plan(&plan).await.unwrap();
    assert_eq!(planned["summary"]["jobs"], 12);
    assert_eq!(stack.waiting(&stack.queues.jobs).await, 0, "a dry run enqueues nothing");

    // Every job three times, as messages that SQS cannot know to be the same.
    for job in planned["plan"].as_array().unwrap().iter().cycle().take(36) {
        stack.send_job(&job.to_string(), "123456789012/eu-central-1/snapshot").await;
    }
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.world().history().action("CreateSnapshot").calls, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_overlapping_policies_neither_throttle_each_other_nor_mix() {
    let world = World::default();
    let mut both = BTreeMap::<&str, Vec<String>>::new();
    for region in REGIONS {
        let mut fleet = Fleet::new(ACCOUNT, region, 30);
        both.entry("daily").or_default().extend(fleet.build(&world));
        fleet.tags = tags(&[("Backup", "true"), ("Hourly", "true")]);
        let overlap = fleet.build(&world);
        both.entry("daily").or_default().extend(overlap.clone());
        both.entry("hourly").or_default().extend(overlap);
    }
    let stack = Stack::deploy(world, 3, &[]).await;

    let (daily, hourly) = (policy("daily", "Backup"), policy("hourly", "Hourly"));
    let planned = tokio::join!(stack.plan(&daily), async { stack.plan(&hourly).await });
    assert_eq!((&planned.0.unwrap()["jobs"], &planned.1.unwrap()["jobs"]), (&json!(180), &json!(90)));
    stack.settle().await;

    for (policy, volumes) in &both {
        stack.assert_one_snapshot_each(policy, volumes);
    }
    assert_eq!(stack.world().history().action("CreateSnapshot").throttled, 0);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

/// "Under one per cent throttled, no healthy volume dead-lettered", under EC2's own limits: with the wiring that
/// everybody uses, 15 % of a thousand volumes are lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_of_three_hundred_is_hardly_ever_throttled() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, "eu-central-1", 300).build(&world);
    let stack = Stack::deploy(world, 4, &[]).await;
    let mut policy = policy("daily", "Backup");
    policy["regions"] = json!(["eu-central-1"]);
    stack.plan(&policy).await.unwrap();
    stack.settle().await;

    stack.assert_one_snapshot_each("daily", &volumes);
    let creates = stack.world().history().action("CreateSnapshot");
    println!("300 volumes in one lane: {} CreateSnapshot calls, {} throttled", creates.calls, creates.throttled);
    assert!(creates.throttled * 100 < creates.calls, "{creates:?}");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_backed_up_through_its_role() {
    const OTHER: &str = "210987654321";
    let world = World::default();
    let volumes = Fleet::new(OTHER, "eu-central-1", 6).build(&world);
    Fleet::new(ACCOUNT, "eu-central-1", 4).build(&world);
    let stack = Stack::deploy(world, 1, &[]).await;
    let mut policy = policy("daily", "Backup");
    policy["accounts"] = json!([{"role": "arn:aws:iam::210987654321:role/snapkeep", "external_id": "x-1"}]);
    policy["regions"] = json!("all");
    let summary = stack.plan(&policy).await.unwrap();
    assert_eq!(summary["regions"].as_array().unwrap().len(), 17, "every enabled Region was looked at");
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert!(stack.snapshots().iter().all(|snapshot| &*snapshot.owner == OTHER));
    // Planner and worker: once to see that the role can be assumed, once for the clients of all Regions.
    assert_eq!(stack.world().history().action("AssumeRole").calls, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_event_backs_up_with_the_count_in_its_tag() {
    let world = World::default();
    let (_, volumes) = world.add_instance(ACCOUNT, "eu-central-1", tags(&[("SnapshotDaily", "3"), ("Team", "db")]), 2);
    world.add_instance(ACCOUNT, "eu-central-1", tags(&[("SnapshotHourly", "24")]), 2);
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&json!({"SnapshotKeyWord": "SnapshotDaily", "regions": ["eu-central-1"]})).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("SnapshotDaily", &volumes);
    for snapshot in stack.snapshots() {
        let tag = |key: &str| snapshot.tags.get(key).map(AsRef::as_ref);
        assert_eq!((tag("snapkeep:retain"), tag("SnapshotDaily"), tag("Team")), (Some("3"), Some("3"), Some("db")));
        assert_eq!(tag("DeleteOn"), None);
    }
}
