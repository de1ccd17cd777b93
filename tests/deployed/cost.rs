//! What a deployed stack uses for each volume, measured: calls, invocations, milliseconds, bytes of logs. `infra/COST.md`
//! makes dollars of it.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::faults::{Effect, Fault, Latency};

use super::cloud::{Cloud, FUNCTIONS};
use super::ec2::Ec2;
use super::{REGION, Stack, said, until};
use crate::stack::ACCOUNT;

const VOLUMES: usize = 300;
/// What CloudWatch Logs adds to each event's bytes:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const BYTES_BESIDES: usize = 26;

/// One run over a lane of 300 volumes at the pace of 4.5 a second, with an EC2 that takes half a second to create and a
/// tenth to describe: such times are a guess, and most of the worker's time is waiting for its turn in any case.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for a minute and a half"]
async fn what_a_volume_costs() {
    let ec2 = Ec2::simulator().await;
    let world = ec2.world().unwrap();
    let slow = |action: &str, seconds| Fault::new(action, Effect::Latency(Latency::Fixed(seconds)));
    world.faults().set(slow("CreateSnapshot", 0.5));
    for action in ["DescribeSnapshots", "DescribeVolumes", "DescribeInstances"] {
        world.faults().set(slow(action, 0.1));
    }
    ec2.volumes(ACCOUNT, VOLUMES).await;
    let cloud = Cloud::start(&ec2.url).await;
    let stack = Stack::deploy(&cloud, &["CreateRate=4.5"]).await;
    log_as_lambda_does(&cloud);

    cloud.plan(&json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    }));
    until("each has its snapshot", async || ec2.of_policy(ACCOUNT, "daily").await.len() == VOLUMES).await;
    until("the queue is empty", async || cloud.waiting(&stack.jobs).await == 0).await;

    let mut calls: BTreeMap<(String, String), u64> = cloud.to_aws.callers();
    calls.extend(cloud.to_ec2.callers());
    for ((caller, action), count) in &calls {
        println!("{caller} {action}: {count}");
    }
    for function in FUNCTIONS {
        println!("{function}: {}", usage(&cloud, function));
    }
    let sent = calls[&("snapkeep-planner".into(), "sqs:SendMessage".into())];
    assert_eq!(sent, (VOLUMES / 10) as u64, "ten jobs a call");
    assert!(!calls.keys().any(|(caller, action)| caller == "snapkeep-worker" && action == "sqs:SendMessage"));
}

/// MiniStack does not tell functions that they are to log JSON, which Lambda does.
fn log_as_lambda_does(cloud: &Cloud) {
    for function in FUNCTIONS {
        let tell = format!(
            "name=snapkeep-{function}
             aws lambda get-function-configuration --function-name $name --query Environment --output json |
               sed 's/\"Variables\": {{/&\"AWS_LAMBDA_LOG_FORMAT\": \"JSON\", \"AWS_LAMBDA_LOG_LEVEL\": \"INFO\",/' > $HOME/$name.json
             aws lambda update-function-configuration --function-name $name --environment file://$HOME/$name.json"
        );
        said(&tell, &cloud.shell(&tell));
    }
}

/// Invocations, billed milliseconds and bytes of logs.
fn usage(cloud: &Cloud, function: &str) -> String {
    let lines = cloud.ask(&["logs", &format!("/snapkeep/snapkeep/{function}")]);
    let lines: Vec<&str> = lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let billed = lines.iter().filter_map(|line| {
        line.strip_prefix("REPORT ")?.split("Billed Duration: ").nth(1)?.split(' ').next()?.parse::<u64>().ok()
    });
    let billed: Vec<u64> = billed.collect();
    let bytes: usize = lines.iter().map(|line| line.len() + BYTES_BESIDES).sum();
    format!(
        "{} invocations, {} ms billed, {} lines of logs, {bytes} bytes",
        billed.len(),
        billed.iter().sum::<u64>(),
        lines.len()
    )
}
