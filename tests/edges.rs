//! What happens at the edges: no time left, a queue that does not take, a role that cannot be assumed.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

use crate::counting_queue::{CountingQueue, Mood};
use crate::stack::{ACCOUNT, Stack};

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

fn policy() -> Value {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": REGIONS, "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_out_of_time_hands_the_rest_back() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGIONS[0], 12).build(&world);
    // All twelve are of the burst, which goes four times as fast: a call a second.
    let (rate, timeout) = (&[("SNAPKEEP_CREATE_RATE", "0.25")], Duration::from_secs(6));
    let stack = Stack::deploy_with_timeout(world, 1, rate, timeout).await;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.world().history().action("CreateSnapshot").calls, 12);
    assert!(stack.world().history().action("DescribeSnapshots").calls >= 3, "it took several invocations");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_the_middle_loses_nothing_and_makes_nothing_twice() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGIONS[0], 16).build(&world);
    let mut stack = Stack::deploy(world, 0, &[("SNAPKEEP_CREATE_RATE", "0.5")]).await;
    stack.set_visibility_timeout(8).await;
    let doomed = stack.add_worker(Duration::from_secs(60)).await;
    stack.plan(&policy()).await.unwrap();
    while stack.snapshots().len() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    doomed.kill().await;
    let done_by_then = stack.snapshots().len();
    assert!(done_by_then < 10, "it was in the middle of its first batch");
    stack.add_worker(Duration::from_secs(60)).await;
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_sqs_did_not_take_are_sent_once_more() {
    let world = World::default();
    REGIONS.iter().for_each(|region| drop(Fleet::new(ACCOUNT, region, 55).build(&world)));
    let simulator = Server::start_local(world).await.unwrap();
    let queue = CountingQueue::start(Mood::Moody).await;
    let summary = queue.planner(&simulator.url).await.invoke(policy()).await.unwrap();
    assert_eq!((summary["jobs"].as_u64(), queue.taken().1.len()), (Some(110), 110));
    assert!(queue.taken().0 > 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_sqs_never_takes_are_told_and_the_other_lanes_go_on() {
    let world = World::default();
    REGIONS.iter().for_each(|region| drop(Fleet::new(ACCOUNT, region, 25).build(&world)));
    let simulator = Server::start_local(world).await.unwrap();
    let queue = CountingQueue::start(Mood::Refuses("123456789012/us-east-1/snapshot")).await;
    let error = queue.planner(&simulator.url).await.invoke(policy()).await.unwrap_err();
    let expected = "account 123456789012, us-east-1: 25 jobs were not enqueued: could not send to the queue jobs.fifo: \
                    InternalError: later";
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("PlanIncomplete"), &json!(expected)));
    assert_eq!(queue.taken().1.len(), 25);
    let reports = queue.reports();
    assert!(reports.len() == 1 && reports[0].contains(expected), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_cannot_be_written_down_is_not_acknowledged() {
    let gone = "http://127.0.0.1:1/123456789012/gone.fifo";
    let stack = Stack::deploy(World::default(), 1, &[("SNAPKEEP_DLQ_URL", gone)]).await;
    stack.send_job("hello", "lane").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stack.waiting(&stack.queues.jobs).await, 1, "it comes again");
    assert_eq!(stack.mails().await, [], "nobody is sent looking for a letter that is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_nobody_could_be_told_of_is_not_acknowledged() {
    let gone = "arn:aws:sns:eu-central-1:123456789012:gone";
    let stack = Stack::deploy(World::default(), 1, &[("SNAPKEEP_TOPIC_ARN", gone)]).await;
    stack.plan(&json!({"action": "backup"})).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stack.waiting(&stack.queues.reports).await, 1, "it comes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_cannot_be_assumed_fails_the_plan_with_sts_s_own_words() {
    let world = World::default();
    let words = "User: arn:aws:sts::123456789012:assumed-role/planner is not authorized to perform: sts:AssumeRole";
    world.faults().set(Fault::on("AssumeRole", 403, "AccessDenied", words));
    let stack = Stack::deploy(world, 1, &[]).await;
    let role = "arn:aws:iam::210987654321:role/snapkeep";
    let mut other = policy();
    other["accounts"] = json!([role]);
    let error = stack.plan(&other).await.unwrap_err();
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains(&format!("could not assume {role}: AccessDenied")), "{message}");
    assert!(message.contains(words), "{message}");
}
