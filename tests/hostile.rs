//! Everything at once: what a night with EC2 can be like.

use serde_json::json;
use simulator::fleet::Fleet;
use simulator::scenario::Scenario;
use simulator::world::World;

use crate::stack::{ACCOUNT, Stack};

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

/// A tenth of the creates fails, another tenth is done and its answer lost; Describe is late, slow, short and lags
/// behind; somebody else drinks from the bucket.
const NIGHT: &str = r#"
[settings]
lag = 4
paging = { examined = 1, empty_last_page = true }
seed = 11
[[fault]]
action = "CreateSnapshot"
share = 0.1
error = { status = 500, code = "InternalError" }
[[fault]]
action = "CreateSnapshot"
share = 0.05
cut = "after"
[[fault]]
action = "CreateSnapshot"
share = 0.05
cut = "middle"
[[fault]]
action = "CreateSnapshot"
latency = { median = 0.05, p99 = 1.5 }
[[fault]]
action = "Describe*"
share = 0.1
error = { status = 503, code = "Unavailable" }
[[fault]]
action = "Describe*"
share = 0.1
slow_body = 0.5
[[fault]]
action = "CreateSnapshot"
region = "us-east-1"
neighbour = { calls_per_second = 40, lasting = 5, every = 20 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_night_of_everything_at_once_leaves_every_volume_with_one_snapshot() {
    let world = World::default();
    let volumes: Vec<String> =
        REGIONS.iter().flat_map(|region| Fleet::new(ACCOUNT, region, 100).build(&world)).collect();
    Scenario::read(NIGHT).unwrap().build(&world).unwrap();
    let stack = Stack::deploy(world, 2, &[]).await;
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": REGIONS, "scheduled_time": "2026-11-20T02:00:00Z",
    });
    assert_eq!(stack.plan(&policy).await.unwrap()["jobs"], json!(200));
    stack.settle().await;

    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    let creates = stack.world().history().action("CreateSnapshot");
    println!("200 volumes on a hostile night: {} CreateSnapshot calls, {} throttled", creates.calls, creates.throttled);
    assert!(creates.calls > 220, "a tenth failed, and was tried again");
    assert!(creates.throttled > 0, "the neighbour was there");
}
