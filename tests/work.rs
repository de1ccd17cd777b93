//! `snapkeep work`: the worker without Lambda.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::faults::{Effect, Fault, Latency};
use simulator::fleet::Fleet;
use simulator::world::World;
use tokio::process::{Child, Command};

use crate::lambda::binary;
use crate::stack::{ACCOUNT, Stack};

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

fn policy() -> Value {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": REGIONS, "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

/// `snapkeep work`, and what follows it on the line.
async fn work(stack: &Stack, arguments: &[&str]) -> Child {
    Command::new(binary("snapkeep").await)
        .arg("work")
        .args(arguments)
        .env_clear()
        .envs(stack.environment().iter().cloned())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lambda_the_same_jobs_are_done_until_the_queue_is_empty() {
    let world = World::default();
    let mut volumes = Fleet::new(ACCOUNT, REGIONS[0], 25).build(&world);
    volumes.extend(Fleet::new(ACCOUNT, REGIONS[1], 15).build(&world));
    let stack = Stack::deploy(world, 0, &[("SNAPKEEP_CREATE_RATE", "20")]).await;
    stack.plan(&policy()).await.unwrap();
    let output = work(&stack, &["--until-empty", "--batches", "3"]).await.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("40 messages received, 40 settled or sent on, 0 left to come again"), "{said}");
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.waiting(&stack.queues.jobs).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way_and_hands_the_rest_back_at_once() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGIONS[0], 20).build(&world);
    world.faults().set(Fault::new("CreateSnapshot", Effect::Latency(Latency::Fixed(1.0))));
    let mut stack = Stack::deploy(world, 0, &[("SNAPKEEP_CREATE_RATE", "1")]).await;
    // Whatever is not handed back would not be seen again in this test.
    stack.set_visibility_timeout(600).await;
    stack.plan(&policy()).await.unwrap();
    let process = work(&stack, &["--batches", "1"]).await;
    while stack.snapshots().len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kill = Command::new("kill").args(["-TERM", &process.id().unwrap().to_string()]).status().await.unwrap();
    assert!(kill.success());
    let stopped = tokio::time::timeout(Duration::from_secs(15), process.wait_with_output()).await;
    let output = stopped.expect("it stops within seconds").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let done = stack.snapshots().len();
    assert!(done < 10, "it did not take up the rest of its batch: {done}");
    assert_eq!(stack.waiting(&stack.queues.jobs).await, volumes.len() - done, "what is done is settled");
    assert!(said.contains("10 messages received, 10 settled or sent on"), "{said}");

    stack.add_worker(Duration::from_secs(60)).await;
    stack.settle_within(Duration::from_secs(120)).await;
    stack.assert_one_snapshot_each("daily", &volumes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_is_told_at_the_start() {
    let stack =
        Stack::deploy(World::default(), 0, &[("SNAPKEEP_JOBS_QUEUE_URL", "http://127.0.0.1:1/x/nothing.fifo")]).await;
    let output = work(&stack, &[]).await.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("could not look at the queue nothing.fifo: "), "{said}");
}
