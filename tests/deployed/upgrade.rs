//! A deployment under load: to a release whose job message has another version, back, and there again. What is planned
//! before, during and after comes through, each volume once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use simulator::fleet::{Fleet, tags};
use simulator::limits::Limit;
use simulator::world::World;

use super::cloud::{Cloud, packages};
use super::ec2::{Ec2, tag};
use super::{REGION, Stack, next, said, until};
use crate::stack::ACCOUNT;

/// So many volumes in each wave, which one run of a policy takes.
const WAVE: usize = 30;

/// Runs that are planned one after the other, each with volumes of its own: EC2 takes no two snapshots of a volume at once.
struct Load<'a> {
    world: &'a World,
    cloud: &'a Cloud,
    ec2: &'a Ec2,
    waves: Vec<Vec<String>>,
}

impl Load<'_> {
    /// Plans another wave.
    fn plan(&mut self) {
        let number = self.waves.len();
        let fleet = Fleet { tags: tags(&[("Wave", &number.to_string())]), ..Fleet::new(ACCOUNT, REGION, WAVE) };
        let volumes = fleet.build(self.world);
        let answer = self.cloud.plan(&json!({
            "action": "snapshot", "policy": "hourly", "select": {"tags": {"Wave": [number.to_string()]}},
            "retain": "7d", "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
        }));
        assert_eq!(answer["jobs"], WAVE, "{answer}");
        self.waves.push(volumes);
    }

    /// Waits until the last wave is begun.
    async fn is_under_way(&self) {
        let last = self.waves.last().unwrap();
        until("the wave is begun", async || {
            let snapshots = self.ec2.of_policy(ACCOUNT, "hourly").await;
            snapshots.iter().any(|snapshot| last.iter().any(|volume| snapshot.volume_id() == Some(volume)))
        })
        .await;
    }

    /// Deploys while one run after another is planned, so that jobs lie on the queue at any time.
    async fn deploy(&mut self, cloud: &Arc<Cloud>, jobs: &str, packages: &Path) {
        let (deploying, packages) = (Arc::clone(cloud), packages.to_path_buf());
        while cloud.waiting(jobs).await < 2 * WAVE {
            self.plan();
        }
        let deployment = tokio::task::spawn_blocking(move || deploying.try_deploy(&packages, &[]));
        while !deployment.is_finished() {
            match cloud.waiting(jobs).await {
                waiting if waiting < 2 * WAVE => self.plan(),
                _ => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
        said("infra/deploy", &deployment.await.unwrap());
    }
}

/// The message as the first release wrote it: none of the fields that came later.
async fn plan_as_the_first_release(cloud: &Cloud, jobs: &str, volumes: &[String]) {
    for (number, volume) in volumes.iter().enumerate() {
        let body = json!({
            "version": 1, "action": "snapshot", "job": format!("first-{number}"), "policy": "first",
            "slot": "2026-11-20T02:00:00Z", "account": ACCOUNT, "region": REGION, "volume": volume, "retain": "7d",
            "tags": {"Name": "server-1"}, "attempt": 1,
        });
        let request = cloud.sqs.send_message().queue_url(jobs).message_body(body.to_string());
        let request = request.message_group_id(format!("{ACCOUNT}/{REGION}/snapshot"));
        request.message_deduplication_id(format!("first-{number}")).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_another_message_version_is_deployed_and_taken_back_under_load_and_nothing_is_lost() {
    let ec2 = Ec2::simulator().await;
    let world = ec2.world().unwrap();
    world.set_limit("*", None, Limit { capacity: 1000.0, refill: 500.0 });
    let cloud = Arc::new(Cloud::start(&ec2.url).await);
    let stack = Stack::deploy(&cloud, &["CreateRate=5"]).await;
    // MiniStack ends a function that is changed in the middle of its batch, where Lambda lets it finish: what it held comes
    // again in ten seconds instead of six minutes.
    let visibility = cloud.sqs.set_queue_attributes().queue_url(&stack.jobs);
    visibility.attributes(QueueAttributeName::VisibilityTimeout, "10").send().await.unwrap();
    let (today, next) = (packages().await, next::packages().await);

    let yesterdays = Fleet::new(ACCOUNT, REGION, WAVE).build(world);
    plan_as_the_first_release(&cloud, &stack.jobs, &yesterdays).await;
    let mut load = Load { world, cloud: &cloud, ec2: &ec2, waves: Vec::new() };
    load.plan();
    load.is_under_way().await;

    // There: the old planner's messages are read by the new worker.
    load.deploy(&cloud, &stack.jobs, &next).await;
    assert_eq!(cloud.waiting(&stack.dlq).await, 0, "a new reader reads what is older than itself");
    load.plan();

    // Back: what the new planner has left on the queue is refused, and kept.
    load.deploy(&cloud, &stack.jobs, today).await;
    load.plan();
    until("the queue is empty", async || cloud.waiting(&stack.jobs).await == 0).await;
    let refused = cloud.waiting(&stack.dlq).await;
    assert!(refused > 0, "the way back was under load");
    let list = said("snapkeep dlq list", &cloud.shell_with("snapkeep dlq list", &stack.settings()));
    assert!(list.contains("UnreadableMessage") && list.contains("a newer message needs a newer worker"), "{list}");
    let done: usize = ec2.of_policy(ACCOUNT, "hourly").await.len();
    assert_eq!(done + refused, load.waves.len() * WAVE, "each job has one fate");

    // And there again: what was refused is sent round by a tool that cannot read it either.
    load.deploy(&cloud, &stack.jobs, &next).await;
    let redrive = "snapkeep dlq redrive --code UnreadableMessage --yes";
    said(redrive, &cloud.shell_with(redrive, &stack.settings()));
    until("the queue is empty", async || cloud.waiting(&stack.jobs).await == 0).await;
    assert_eq!(cloud.waiting(&stack.dlq).await, 0);

    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut snapshots = ec2.of_policy(ACCOUNT, "hourly").await;
    snapshots.extend(ec2.of_policy(ACCOUNT, "first").await);
    for snapshot in &snapshots {
        *found.entry(snapshot.volume_id().unwrap().into()).or_default() += 1;
        assert_eq!(tag(snapshot, "snapkeep:slot"), Some("2026-11-20T02:00:00Z"));
    }
    let expected = load.waves.iter().flatten().chain(&yesterdays).map(|volume| (volume.clone(), 1)).collect();
    assert_eq!(found, expected, "each volume exactly one snapshot");
    println!("{} runs of {WAVE} volumes, {refused} messages refused on the way back", load.waves.len());
}
