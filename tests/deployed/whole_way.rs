//! The whole way of a deployed backup, with the simulator's EC2 and with moto's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::audited::Audited;
use super::cloud::{Cloud, FUNCTIONS};
use super::ec2::Ec2;
use super::permissions::Permissions;
use super::{MEMBER, MEMBER_ROLE, REGION, Stack, refused, said, until};
use crate::stack::ACCOUNT;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_templates_deploy_backs_up_tells_mends_prunes_and_goes_without_a_trace() {
    the_whole_way(Ec2::simulator().await, "rate(1 minute)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_way_is_the_same_with_moto_for_ec2() {
    the_whole_way(Ec2::moto().await, "rate(1 minute)").await;
}

async fn the_whole_way(ec2: Ec2, schedule: &str) {
    let volumes = ec2.volumes(ACCOUNT, 12).await;
    let sick = &volumes[0];
    let cloud = Cloud::start(&ec2.url).await;
    let before = cloud.ask(&["inventory"]);
    let stack = Stack::deploy(&cloud, &[&format!("MemberRoleArns={MEMBER_ROLE}")]).await;

    let audited = match ec2.world() {
        Some(world) => Some(Audited::deploy(&cloud, &ec2, world).await),
        None => None,
    };

    // A schedule fires, jobs flow through the mapping, snapshots appear; the sick volume is a dead letter and a mail.
    cloud.to_ec2.fail("CreateSnapshot", sick, "TagLimitExceeded", usize::MAX);
    let policy = "aws cloudformation deploy --stack-name policy-daily --template-file infra/policy.yaml \
                  --parameter-overrides Name=daily Retain=7d Regions=eu-central-1";
    said(policy, &cloud.shell(&format!("{policy} 'Schedule={schedule}'")));
    let all_but_one = volumes.len() - 1;
    until("the schedule's snapshots", async || ec2.of_policy(ACCOUNT, "daily").await.len() >= all_but_one).await;
    let remove = "aws cloudformation delete-stack --stack-name policy-daily \
                  && aws cloudformation wait stack-delete-complete --stack-name policy-daily";
    said(remove, &cloud.shell(remove));
    until("a dead letter", async || cloud.waiting(&stack.dlq).await > 0).await;
    let mut mails = BTreeMap::new();
    until("a mail", async || {
        mails.extend(cloud.mails(&stack.inbox).await);
        mails.contains_key("snapkeep daily: 1 volume not backed up")
    })
    .await;
    if let Some(audited) = audited {
        audited.is_told(&cloud, &stack, mails).await;
    }

    // The cause is mended, and the operator's tool takes what is missing.
    until("the schedule's last run is through", async || cloud.waiting(&stack.jobs).await == 0).await;
    cloud.to_ec2.clear();
    let missing = cloud.waiting(&stack.dlq).await;
    let redrive = "snapkeep dlq redrive --yes";
    said(redrive, &cloud.shell_with(redrive, &stack.settings()));
    until("the sick volume's snapshots", async || ec2.of_volume(sick).await == missing).await;
    assert_eq!(cloud.waiting(&stack.dlq).await, 0);

    // Another account, by its role; a volume there has to wait for a quota once. With moto it is this account: it takes
    // whoever it does not know for the one account that it has.
    let (owner, account, count) =
        if ec2.world().is_some() { (MEMBER, MEMBER_ROLE, 1) } else { (ACCOUNT, "self", volumes.len() + 1) };
    let there_too = ec2.volumes(owner, 1).await.remove(0);
    cloud.to_ec2.fail("CreateSnapshot", &there_too, "PendingSnapshotLimitExceeded", 1);
    let member = json!({
        "action": "snapshot", "policy": "member", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "accounts": [account], "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    });
    cloud.plan(&member);
    until("the member's snapshots", async || ec2.of_policy(owner, "member").await.len() == count).await;

    // Pruning, by the deployed planner and worker, in every Region. One of six is archived, where EC2 can, and too young
    // to go.
    let old = ec2.volumes(ACCOUNT, 1).await.remove(0);
    ec2.daily(&old, 6, "2").await;
    let is_archived = ec2.archive_oldest(&old).await;
    ec2.foreign(&old).await;
    // moto has thirty Regions, and is slow to list the images of each.
    let regions = if ec2.world().is_some() { json!("all") } else { json!([REGION]) };
    cloud.plan(&json!({"action": "prune", "regions": regions, "scheduled_time": "2026-11-20T05:00:00Z"}));
    let left = 2 + 1 + usize::from(is_archived);
    until("what no rule keeps is gone", async || ec2.of_volume(&old).await == left).await;

    people_are_left_in_peace(&cloud, &stack).await;
    let permissions = Permissions(cloud.ask(&["permissions"]));
    let calls: BTreeSet<_> =
        [&cloud.to_aws, &cloud.to_ec2].iter().flat_map(|proxy| proxy.callers().into_keys()).collect();
    for (function, role) in FUNCTIONS.iter().zip(["PlannerRole", "WorkerRole", "NotifierRole"]) {
        let mut allowed = permissions.allowed(role);
        if ec2.world().is_none() {
            // Nothing can be archived there, nobody has asked for all Regions, and there is one account.
            let not_here = ["ec2:DescribeSnapshotTierStatus", "ec2:DescribeRegions", "sts:AssumeRole"];
            allowed.retain(|action| !not_here.contains(&action.as_str()));
        }
        assert_eq!(allowed, Permissions::called(&calls, function), "{function}");
    }
    refused::by_roles(&permissions);

    // Removal.
    until("all jobs are through", async || cloud.waiting(&stack.jobs).await == 0).await;
    // The last report waits for the quiet minutes of its policy, and this story does not.
    cloud.sqs.purge_queue().queue_url(&stack.reports).send().await.unwrap();
    cloud.sqs.delete_queue().queue_url(&stack.inbox).send().await.unwrap();
    let gone = said("infra/remove", &cloud.shell("infra/remove"));
    assert!(gone.contains("snapkeep is gone"), "{gone}");
    let after = cloud.ask(&["inventory"]);
    assert_eq!(after, before, "nothing is left");
    assert_ne!(after, Value::Null);
}

/// Two reports of one kind, the second when people have heard of the first: the notifier puts it off, which is a call.
async fn people_are_left_in_peace(cloud: &Cloud, stack: &Stack) {
    let send = |body: &str| cloud.sqs.send_message().queue_url(&stack.reports).message_body(body).send();
    send("no report").await.unwrap();
    until("a mail of it", async || {
        cloud.mails(&stack.inbox).await.iter().any(|(subject, _)| subject == "snapkeep: 1 unreadable message")
    })
    .await;
    send("no report either").await.unwrap();
    let put_off = ("snapkeep-notifier".into(), "sqs:ChangeMessageVisibility".into());
    until("the second is put off", async || cloud.to_aws.callers().contains_key(&put_off)).await;
}
