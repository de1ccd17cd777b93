//! What goes wrong, and what the people then see.

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::world::World;

use crate::circuit::job;
use crate::stack::{ACCOUNT, Stack};

const REGION: &str = "eu-central-1";

fn policy() -> Value {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_whose_key_is_revoked_is_dead_lettered_at_once_and_one_alert_goes_out() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 20).build(&world);
    let message = "The KMS key used by the volume has been revoked.";
    let fault = Fault::on("CreateSnapshot", 400, "CustomerKeyHasBeenRevoked", message);
    world.faults().set(fault.for_resource(&volumes[3]));
    let stack = Stack::deploy(world, 2, &[]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;

    stack.assert_one_snapshot_each("daily", volumes.iter().filter(|volume| **volume != volumes[3]));
    assert_eq!(stack.world().history().action("CreateSnapshot").calls, 20, "it was asked for once");
    let dead = stack.drain(&stack.queues.dlq).await;
    assert_eq!(dead.len(), 1);
    let (body, attributes) = &dead[0];
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["volume"], &body["attempt"]), (&json!(volumes[3]), &json!(1)));
    assert_eq!(body["failure"]["code"], "CustomerKeyHasBeenRevoked");
    assert_eq!(body["failure"]["message"], message);
    assert!(body["failure"]["request_id"].is_string() && body["failure"]["first"].is_string());
    assert_eq!(attributes["ErrorCode"], "CustomerKeyHasBeenRevoked");
    assert_eq!(attributes["ErrorMessage"], message);

    let mails = stack.mails().await;
    assert_eq!(mails.len(), 1);
    println!("Subject: {}\n\n{}", mails[0].0, mails[0].1);
    assert_eq!(mails[0].0, "snapkeep daily: 1 volume not backed up");
    assert!(mails[0].1.contains(&format!("CustomerKeyHasBeenRevoked: {message}")) && mails[0].1.contains(&volumes[3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_fails_for_a_while_is_tried_again_outside_its_lane() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 20).build(&world);
    let fault = Fault::on("CreateSnapshot", 400, "ConcurrentTagAccess", "try again");
    world.faults().set(fault.for_resource(&volumes[0]).times(1));
    let stack = Stack::deploy(world, 2, &[]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.world().history().action("CreateSnapshot").calls, 21);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    assert_eq!(stack.mails().await, []);
}

/// `CreateSnapshot` has no client token: what was asked for twice would be made twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_looked_for_and_not_asked_for_again() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 8).build(&world);
    world.faults().set(Fault::losing_answers_of("CreateSnapshot").times(4));
    let stack = Stack::deploy(world, 2, &[]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    let creates = stack.world().history().action("CreateSnapshot");
    assert_eq!((creates.calls, creates.faulted), (8, 4));
    assert_eq!(stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_had_a_snapshot_a_moment_ago_waits_and_uses_up_no_attempt() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 8).build(&world);
    let message = "The maximum per volume CreateSnapshot request rate has been exceeded.";
    let fault = Fault::on("CreateSnapshot", 400, "SnapshotCreationPerVolumeRateExceeded", message);
    world.faults().set(fault.for_resource(&volumes[2]).times(1));
    let stack = Stack::deploy(world, 1, &[("SNAPKEEP_MAX_ATTEMPTS", "1")]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_attempt_ends_in_the_dead_letter_queue() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 3).build(&world);
    let fault = Fault::on("CreateSnapshot", 400, "SomethingNew", "nobody has heard of it");
    world.faults().set(fault.for_resource(&volumes[0]));
    let stack = Stack::deploy(world, 1, &[("SNAPKEEP_MAX_ATTEMPTS", "2")]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    let dead = stack.drain(&stack.queues.dlq).await;
    let body: Value = serde_json::from_str(&dead[0].0).unwrap();
    assert_eq!((dead.len(), &body["attempt"], &body["failure"]["code"]), (1, &json!(2), &json!("SomethingNew")));
    assert!(body["failure"]["first"].as_str() < body["failure"]["last"].as_str());
    let mails = stack.mails().await;
    assert!(mails.len() == 1 && mails[0].1.contains("2 attempts"), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_deleted_after_planning_is_skipped() {
    let stack = Stack::deploy(World::default(), 1, &[]).await;
    let failed = json!({"code": "InvalidVolume.NotFound", "message": "", "first": "2026-11-20T02:00:05Z",
        "last": "2026-11-20T02:00:05Z"});
    stack.send_job(&job(json!({"attempt": 2, "failure": failed})), "lane").await;
    stack.settle().await;
    assert_eq!(stack.world().history().action("CreateSnapshot").calls, 1, "the second time it is gone for good");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    assert_eq!(stack.mails().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_goes_to_the_dead_letter_queue_as_it_came_and_holds_up_nobody() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 1).build(&world);
    let stack = Stack::deploy(world, 1, &[]).await;
    let bodies = [
        ("hello".into(), "`body` is \"hello\""),
        (job(json!({"version": 2})), "`version` is 2; allowed: at most 1; a newer message needs a newer worker"),
        (job(json!({"volume": "vol-*"})), "`volume` is \"vol-*\""),
        (job(json!({"region": "169.254.169.254"})), "`region` is \"169.254.169.254\""),
        (job(json!({"action": "destroy"})), "unknown variant `destroy`, expected `snapshot`"),
    ];
    for (body, _) in &bodies {
        stack.send_job(body, "lane").await;
    }
    stack.send_job(&job(json!({"volume": volumes[0]})), "lane").await;
    stack.settle().await;

    stack.assert_one_snapshot_each("daily", &volumes);
    let dead = stack.drain(&stack.queues.dlq).await;
    assert_eq!(dead.len(), bodies.len());
    for (body, problem) in &bodies {
        let (_, attributes) = dead.iter().find(|(found, _)| found == body).unwrap_or_else(|| panic!("{body} is lost"));
        assert_eq!(attributes["ErrorCode"], "UnreadableMessage");
        assert!(attributes["ErrorMessage"].as_str().unwrap().contains(problem), "{attributes}");
    }
    let mails = stack.mails().await;
    let text: String = mails.iter().map(|(_, text)| text.as_str()).collect();
    assert!(bodies.iter().all(|(_, problem)| text.contains(problem)), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_policy_enqueues_nothing_and_is_told() {
    let world = World::default();
    Fleet::new(ACCOUNT, REGION, 4).build(&world);
    let stack = Stack::deploy(world, 1, &[]).await;
    // The whole table of bad policies stands beside the parser; these show what becomes of them.
    let cases = [
        ("retain", json!("7 days"), "`retain` is \"7 days\"; allowed: `7` (keep the newest 7), `7d`"),
        ("action", json!("destroy"), "`action` is \"destroy\"; allowed: \"snapshot\""),
        ("polcy", json!("x"), "`polcy` is not a known field; allowed: action, policy, select"),
        ("select", json!({}), "`select.tags` is missing"),
        ("regions", json!(["Frankfurt"]), "`regions` is \"Frankfurt\"; allowed: a Region such as eu-central-1"),
        ("accounts", json!(["12345"]), "`accounts[0]` is \"12345\"; allowed: a list of role ARNs"),
        ("time_zone", json!("Zurich"), "`time_zone` is \"Zurich\"; allowed: a name of the IANA time zone database"),
        ("tags", json!({"aws:x": "y"}), "`tags.aws:x` is \"y\"; allowed: at most 35 tags"),
    ];
    let mut told = String::new();
    for (field, value, expected) in &cases {
        let mut bad = policy();
        bad[*field] = value.clone();
        let error = stack.plan(&bad).await.unwrap_err();
        assert_eq!(error["errorType"], "PolicyRefused");
        assert!(error["errorMessage"].as_str().unwrap().contains(expected), "{error}");
    }
    stack.settle().await;
    assert_eq!((stack.snapshots().len(), stack.world().history().by_action().len()), (0, 0), "EC2 was not called");
    stack.mails().await.into_iter().for_each(|(_, text)| told.push_str(&text));
    assert!(cases.iter().all(|(_, _, expected)| told.contains(expected)), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_region_that_fails_does_not_stop_the_others() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 5).build(&world);
    let fault = Fault::on("DescribeInstances", 401, "AuthFailure", "AWS was not able to validate the credentials");
    world.faults().set(fault.in_region("ap-east-1"));
    let stack = Stack::deploy(world, 1, &[]).await;
    let mut two = policy();
    two["regions"] = json!(["ap-east-1", REGION]);
    let error = stack.plan(&two).await.unwrap_err();
    assert_eq!(error["errorType"], "PlanIncomplete");
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep daily: run not planned everywhere");
    assert!(
        mails[0].1.contains("account 123456789012, ap-east-1: could not list instances in ap-east-1: AuthFailure"),
        "{mails:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_lane_loses_nobody() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 30).build(&world);
    world.set_limit("CreateSnapshot", None, simulator::limits::Limit { capacity: 2.0, refill: 2.0 });
    let stack = Stack::deploy(world, 2, &[("SNAPKEEP_MAX_ATTEMPTS", "1")]).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert!(stack.world().history().action("CreateSnapshot").throttled > 0);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0, "a throttled call is no attempt");
}
