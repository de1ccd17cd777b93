//! What a deployed audit sees and a job does not: EC2 took the order, the job is done, and the snapshot ended in `error`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::faults::{Effect, Fault};
use simulator::fleet::{Fleet, tags};
use simulator::world::World;

use super::cloud::Cloud;
use super::ec2::Ec2;
use super::{REGION, Stack, said, slot, until};
use crate::stack::ACCOUNT;

const VOLUMES: usize = 4;
/// What EBS says of the snapshot, which the mail passes on.
const WHY: &str = "Client.InvalidKey";

/// A policy whose last run has left one volume without a backup, and whose audit is deployed by a schedule.
#[derive(Debug)]
pub(super) struct Audited {
    spoilt: String,
}

impl Audited {
    pub async fn deploy(cloud: &Cloud, ec2: &Ec2, world: &World) -> Self {
        let fleet = Fleet { tags: tags(&[("Backup", "weekly")]), ..Fleet::new(ACCOUNT, REGION, VOLUMES) };
        let spoilt = fleet.build(world).remove(0);
        world.faults().set(Fault::new("CreateSnapshot", Effect::EndsInError(WHY.into())).for_resource(&spoilt));
        let answer = cloud.plan(&json!({
            "action": "snapshot", "policy": "weekly", "select": {"tags": {"Backup": ["weekly"]}}, "retain": "7d",
            "regions": [REGION], "scheduled_time": slot(),
        }));
        assert_eq!(answer["jobs"], VOLUMES, "{answer}");
        until("each is ordered", async || ec2.of_policy(ACCOUNT, "weekly").await.len() == VOLUMES).await;
        // Its runs are an hour of the night, and this story does not wait for them.
        let policy = "aws cloudformation deploy --stack-name policy-weekly --template-file infra/policy.yaml \
                      --parameter-overrides Name=weekly TagValues=weekly Regions=eu-central-1 \
                      'Schedule=cron(0 5 * * ? *)' 'AuditSchedule=rate(1 minute)'";
        said(policy, &cloud.shell(policy));
        Self { spoilt }
    }

    /// By a figure for the alarm and by a mail. `mails` are those that have come already, by their subjects.
    pub async fn is_told(&self, cloud: &Cloud, stack: &Stack, mut mails: BTreeMap<String, String>) {
        let told = |mails: &BTreeMap<String, String>| {
            mails
                .iter()
                .find(|(subject, _)| subject.starts_with("snapkeep weekly: 1 volume not covered"))
                .map(|(_, text)| text.clone())
        };
        until("the audit's mail", async || {
            mails.extend(cloud.mails(&stack.inbox).await);
            told(&mails).is_some()
        })
        .await;
        let text = told(&mails).unwrap();
        assert!(text.contains(&self.spoilt) && text.contains(WHY), "{text}");

        let figures = figures(cloud);
        let expected = json!(100.0 * 3.0 / 4.0);
        let is_seen = |figures: &Value| figures["Coverage"] == expected && figures["UncoveredVolumes"] == json!(1.0);
        assert!(figures.iter().any(is_seen), "{figures:?}");
        let remove = "aws cloudformation delete-stack --stack-name policy-weekly \
                      && aws cloudformation wait stack-delete-complete --stack-name policy-weekly";
        said(remove, &cloud.shell(remove));
    }
}

/// The lines for CloudWatch that the planner has logged of the policy, in the stack's namespace.
fn figures(cloud: &Cloud) -> Vec<Value> {
    let lines = cloud.ask(&["logs", "/snapkeep/snapkeep/planner"]);
    let lines = lines.as_array().unwrap().iter().filter_map(Value::as_str);
    let figures = lines.filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok());
    let is_of_policy = |line: &Value| {
        line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "snapkeep/snapkeep" && line["Policy"] == "weekly"
    };
    figures.filter(is_of_policy).collect()
}
