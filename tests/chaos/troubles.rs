//! SQS fails, and nothing is lost by it.

use std::time::Duration;

use serde_json::json;
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::world::World;

use crate::stack::{ACCOUNT, Stack};

const REGION: &str = "eu-central-1";

/// The SDK gives up after three tries; what could not be written down is not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_sqs_does_not_take_is_written_when_it_takes_it() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 4).build(&world);
    let fault = Fault::on("CreateSnapshot", 400, "TagLimitExceeded", "too many tags");
    world.faults().set(fault.for_resource(&volumes[0]));
    let mut stack = Stack::deploy(world, 0, &[]).await;
    stack.set_visibility_timeout(6).await;
    stack.add_worker(Duration::from_secs(60)).await;
    stack.proxy.fail("SendMessage", "dlq", "ServiceUnavailable", 3);
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    });
    stack.plan(&policy).await.unwrap();
    stack.settle().await;

    assert_eq!(stack.proxy.counts().troubled, 3);
    stack.assert_one_snapshot_each("daily", &volumes[1..]);
    let dead = stack.drain(&stack.queues.dlq).await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].0.contains(&volumes[0]), "{dead:?}");
}
