//! Lanes that must wait, messages that kill their worker, and deadlines.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use simulator::faults::{Effect, Fault, Latency};
use simulator::fleet::Fleet;
use simulator::world::World;

use crate::dlq::now;
use crate::stack::{ACCOUNT, Stack};

const REGION: &str = "eu-central-1";
const OTHER: &str = "us-east-1";

fn policy(regions: &[&str]) -> Value {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": regions, "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

/// A job that the planner could have sent.
pub(crate) fn job(changes: Value) -> String {
    let mut job = json!({
        "version": 1, "action": "snapshot", "job": "2f0c7e1a9b3d4c5e6f70", "policy": "daily",
        "slot": "2026-11-20T02:00:00Z", "account": ACCOUNT, "region": REGION, "volume": "vol-0123456789abcdef0",
        "retain": "7d", "tags": {}, "attempt": 1,
    });
    job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    job.to_string()
}

/// Waits until `is_so`, at the most as long as this.
async fn until(what: &str, longest: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(longest, wait).await;
    waited.unwrap_or_else(|_| panic!("not within {longest:?}: {what}"));
}

/// How often EC2 was asked for a snapshot of `volume`.
fn creates_of(stack: &Stack, volume: &str) -> usize {
    let history = stack.world().history();
    let calls = history.calls_from(0).iter().filter(|call| &*call.action == "CreateSnapshot");
    calls.filter(|call| call.resources.iter().any(|resource| **resource == *volume)).count()
}

const SOON: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_permission_waits_with_one_alert_and_goes_on_by_itself_when_it_is_mended() {
    let world = World::default();
    let here = Fleet::new(ACCOUNT, REGION, 40).build(&world);
    let there = Fleet::new(ACCOUNT, OTHER, 20).build(&world);
    let denied = Fault::on("CreateSnapshot", 403, "UnauthorizedOperation", "You are not authorized.");
    world.faults().set(denied.in_region(REGION));
    let stack = Stack::deploy(world, 2, &[]).await;
    // Held for six seconds first, then for twelve.
    stack.set_visibility_timeout(3).await;
    stack.plan(&policy(&[REGION, OTHER])).await.unwrap();
    until("the other lane goes on", SOON, async || stack.snapshots().len() == there.len()).await;
    until("the lane is tried again", SOON, async || here.iter().any(|volume| creates_of(&stack, volume) >= 2)).await;
    let tried = here.iter().filter(|volume| creates_of(&stack, volume) > 0).count();
    assert!(tried <= 10, "the same batch each time, and none behind it: {tried}");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0, "nobody has failed: they wait");
    assert_eq!(stack.waiting(&stack.queues.jobs).await, here.len());

    stack.world().faults().clear();
    until("every job has its verdict", SOON, async || stack.waiting(&stack.queues.jobs).await == 0).await;
    stack.assert_one_snapshot_each("daily", here.iter().chain(&there));
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    let mails = stack.mails().await;
    assert_eq!(mails.iter().filter(|(_, text)| text.contains("You are not authorized.")).count(), 1, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_nobody_mends_gives_up_with_the_error_that_held_it() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 12).build(&world);
    world.faults().set(Fault::on("CreateSnapshot", 400, "SnapshotLimitExceeded", "Maximum allowed snapshots"));
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.set_visibility_timeout(2).await;
    let deadline = now() + Duration::from_secs(80);
    for (number, volume) in volumes.iter().enumerate() {
        let job = job(json!({"job": format!("j-{number}"), "volume": volume, "give_up_at": deadline}));
        stack.send_job(&job, &format!("{ACCOUNT}/{REGION}/snapshot")).await;
    }
    until("all have given up", SOON, async || stack.waiting(&stack.queues.dlq).await == volumes.len()).await;
    let dead = stack.drain(&stack.queues.dlq).await;
    for (body, attributes) in &dead {
        assert_eq!(attributes["ErrorCode"], "SnapshotLimitExceeded", "not that the lane was too slow: {body}");
    }
    assert_eq!(stack.snapshots().len(), 0);
}

/// As many volumes as a batch has, of one revoked key, at the head of a lane: nobody in the batch is served, so that it
/// waits as if the lane were held; those behind it must not wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn ten_refused_volumes_at_the_head_of_a_lane_make_room_for_the_others() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 25).build(&world);
    for volume in &volumes[..10] {
        let revoked = Fault::on("CreateSnapshot", 400, "CustomerKeyHasBeenRevoked", "revoked");
        world.faults().set(revoked.for_resource(volume));
    }
    let stack = Stack::deploy(world, 1, &[]).await;
    // Held for two, four and eight seconds; then they make room.
    stack.set_visibility_timeout(1).await;
    for (number, volume) in volumes.iter().enumerate() {
        let job = job(json!({"job": format!("j-{number}"), "volume": volume}));
        stack.send_job(&job, &format!("{ACCOUNT}/{REGION}/snapshot")).await;
    }
    until("the others are done", SOON, async || stack.snapshots().len() == 15).await;
    stack.assert_one_snapshot_each("daily", &volumes[10..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_volume_that_is_refused_is_dead_lettered_and_holds_up_nobody() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 20).build(&world);
    let denied = Fault::on("CreateSnapshot", 403, "UnauthorizedOperation", "with an explicit deny");
    world.faults().set(denied.for_resource(&volumes[4]));
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&policy(&[REGION])).await.unwrap();
    until("every job has its verdict", SOON, async || stack.waiting(&stack.queues.jobs).await == 0).await;
    let dead = stack.drain(&stack.queues.dlq).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (&dead[0].1["ErrorClass"], &dead[0].1["ErrorCode"]),
        (&json!("configuration"), &json!("UnauthorizedOperation"))
    );
    stack.assert_one_snapshot_each("daily", volumes.iter().filter(|volume| **volume != volumes[4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_assumed_holds_its_lane_until_the_job_gives_up_with_sts_s_own_words() {
    let world = World::default();
    let words = "User: arn:aws:sts::123456789012:assumed-role/worker is not authorized to perform: sts:AssumeRole";
    world.faults().set(Fault::on("AssumeRole", 403, "AccessDenied", words));
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.set_visibility_timeout(2).await;
    let deadline = now() + Duration::from_secs(75);
    let job = job(json!({
        "account": "210987654321", "role": {"arn": "arn:aws:iam::210987654321:role/snapkeep"}, "give_up_at": deadline,
    }));
    stack.send_job(&job, "210987654321/eu-central-1/snapshot").await;
    until("it gives up", SOON, async || stack.waiting(&stack.queues.dlq).await == 1).await;
    assert!(now() >= deadline - Duration::from_secs(61), "not before its last try");
    let (body, attributes) = stack.drain(&stack.queues.dlq).await.remove(0);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(attributes["ErrorCode"], "AccessDenied");
    assert!(body["failure"]["message"].as_str().unwrap().contains(words), "{body}");
    let gave_up: DateTime<Utc> = body["failure"]["gave_up"].as_str().unwrap().parse().unwrap();
    assert_eq!(gave_up, deadline, "and says so");
}

/// The worker is killed whenever EC2 hears of the volume, so that nothing of what it does for it is ever finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_worker_holds_its_lane_up_for_one_visibility_timeout_and_ends_dead_lettered() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 30).build(&world);
    let poison = volumes[5].clone();
    let hears = || Fault::new("CreateSnapshot", Effect::Latency(Latency::Fixed(30.0))).for_resource(&poison);
    world.faults().set(hears());
    world.faults().set(Fault::on("CreateSnapshot", 500, "InternalError", "never finished").for_resource(&poison));
    let mut stack = Stack::deploy(world, 0, &[("SNAPKEEP_CREATE_RATE", "50")]).await;
    stack.set_visibility_timeout(3).await;
    stack.set_max_receive_count(16).await;
    stack.plan(&policy(&[REGION])).await.unwrap();
    let (mut deaths, mut heard) = (0, 0);
    let mut lane_done = None;
    #[expect(clippy::disallowed_methods, reason = "a story measures time")]
    let started = std::time::Instant::now();
    let mut worker = stack.add_worker(Duration::from_secs(60)).await;
    while stack.waiting(&stack.queues.dlq).await == 0 {
        assert!(started.elapsed() < Duration::from_secs(200), "it did not end");
        let calls = creates_of(&stack, &poison);
        if calls > heard {
            heard = calls;
            deaths += 1;
            worker.kill().await;
            worker = stack.add_worker(Duration::from_secs(60)).await;
        }
        // A batch is ten: all that were not in the deadly one's hands are done by then.
        if lane_done.is_none() && stack.snapshots().len() >= volumes.len() - 10 {
            lane_done = Some((deaths, started.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = started.elapsed();
    println!("{deaths} workers died; the lane was through after {lane_done:?}, the poison ended after {ended:?}");
    assert!(deaths >= 3, "it killed whoever took it up: {deaths}");
    let (deaths_by_then, _) = lane_done.expect("the lane is through before the poison ends");
    assert!(deaths_by_then <= 2, "the lane goes on after the first death: {deaths_by_then}");
    stack.assert_one_snapshot_each("daily", volumes.iter().filter(|volume| **volume != poison));
    let dead = stack.drain(&stack.queues.dlq).await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].0.contains(&poison), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_only_waits_gives_up_at_its_deadline_and_says_so() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 2).build(&world);
    let fault = Fault::on("CreateSnapshot", 400, "PendingSnapshotLimitExceeded", "too many pending snapshots");
    world.faults().set(fault.for_resource(&volumes[0]));
    let mut stack = Stack::deploy(world, 0, &[]).await;
    let after = |seconds| now() + Duration::from_secs(seconds);
    stack.send_job(&job(json!({"volume": volumes[0], "give_up_at": after(50)})), "lane/1").await;
    let late = json!({"volume": volumes[1], "job": "late", "give_up_at": after(2)});
    stack.send_job(&job(late), "lane/1").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    stack.add_worker(Duration::from_secs(60)).await;
    until("both have given up", SOON, async || stack.waiting(&stack.queues.dlq).await == 2).await;
    let mut letters: Vec<Value> =
        stack.drain(&stack.queues.dlq).await.iter().map(|(body, _)| serde_json::from_str(body).unwrap()).collect();
    letters.sort_by_key(|letter| letter["job"] == "late");
    assert_eq!(letters[0]["failure"]["code"], "PendingSnapshotLimitExceeded");
    assert_eq!((&letters[0]["attempt"], &letters[0]["failure"]["class"]), (&json!(1), &json!("quota")));
    assert!(!letters[0]["failure"]["attempts"].as_array().unwrap().is_empty());
    assert_eq!(letters[1]["failure"]["code"], "DeadlinePassed", "its turn came too late: {}", letters[1]);
    assert_eq!(creates_of(&stack, &volumes[1]), 0);
}

/// SQS's own redrive, as the console does it: the body, as it stands in the dead-letter queue, back to the jobs queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_sqs_redrives_has_all_its_attempts_again_and_people_hear_that_it_is_resolved() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 1).build(&world);
    world.faults().set(Fault::on("CreateSnapshot", 400, "SomethingNew", "nobody has heard of it").times(2));
    let mut stack = Stack::deploy(world, 1, &[("SNAPKEEP_MAX_ATTEMPTS", "1")]).await;
    stack.stop_notifier();
    stack.plan(&policy(&[REGION])).await.unwrap();
    until("it has failed", SOON, async || stack.waiting(&stack.queues.dlq).await == 1).await;
    let (letter, _) = stack.drain(&stack.queues.dlq).await.remove(0);
    until("and is told", SOON, async || stack.waiting(&stack.queues.reports).await == 1).await;
    stack.drain(&stack.queues.reports).await;
    stack.world().faults().clear();
    stack.send_job(&letter, "whatever SQS makes of it").await;
    until("it is done", SOON, async || stack.waiting(&stack.queues.jobs).await == 0).await;
    stack.assert_one_snapshot_each("daily", &volumes);
    let mut resolved = Vec::new();
    until("people are told", SOON, async || {
        let reports = stack.drain(&stack.queues.reports).await;
        let reports = reports.iter().map(|(body, _)| serde_json::from_str::<Value>(body).unwrap());
        resolved.extend(reports.filter(|report| report["report"] == "resolved"));
        !resolved.is_empty()
    })
    .await;
    assert_eq!((resolved.len(), &resolved[0]["volume"]), (1, &json!(volumes[0])), "{resolved:?}");
}
