//! Calls that must be refused, each beside one of the same kind that is allowed.

use super::permissions::Verdict::{Allowed, Denied, NotAllowed};
use super::permissions::{Permissions, Request, Verdict};
use super::{MEMBER, MEMBER_ROLE, REGION};
use crate::stack::ACCOUNT;

const SNAPSHOT: &str = "arn:aws:ec2:eu-central-1::snapshot/snap-0123456789abcdef0";
const OURS: (&str, &str) = ("aws:ResourceTag/snapkeep:policy", "daily");
const KEPT: (&str, &str) = ("aws:ResourceTag/KeepForever", "");
const TAGGED: (&str, &str) = ("aws:RequestTag/snapkeep:policy", "daily");
const CREATED: (&str, &str) = ("ec2:CreateAction", "CreateSnapshot");

type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], Verdict);

fn check(permissions: &Permissions, principal: &str, rows: &[Row<'_>]) {
    for (of, action, resource, context, expected) in rows {
        let request = Request { action, resource, context, principal };
        assert_eq!(permissions.verdict(of, &request), *expected, "{of}: {request:?}");
    }
}

/// Of who may assume the role `of`.
fn assume<'a>(of: &'a str, context: &'a [(&'a str, &'a str)], expected: Verdict) -> Row<'a> {
    (of, "sts:AssumeRole", "", context, expected)
}

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}")
}

/// Of each role's own policies.
pub(super) fn by_roles(roles: &Permissions) {
    let volume = arn("ec2", "volume/vol-0123456789abcdef0");
    let foreign = format!("arn:aws:ec2:{REGION}:{MEMBER}:volume/vol-0123456789abcdef0");
    let (jobs, other, dlq) =
        (arn("sqs", "snapkeep-jobs.fifo"), arn("sqs", "other.fifo"), arn("sqs", "snapkeep-dlq.fifo"));
    let (reports, topic, planner) =
        (arn("sqs", "snapkeep-reports"), arn("sns", "snapkeep"), arn("lambda", "function:snapkeep-planner"));
    let admin = "arn:aws:iam::210987654321:role/admin";
    let (worker, plans, notifier, operator) = ("WorkerRole", "PlannerRole", "NotifierRole", "OperatorRole");
    check(
        roles,
        "",
        &[
            (worker, "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], Allowed),
            (worker, "ec2:DeleteSnapshot", SNAPSHOT, &[], NotAllowed),
            (worker, "ec2:DeleteSnapshot", SNAPSHOT, &[OURS, KEPT], NotAllowed),
            (worker, "ec2:CreateSnapshot", SNAPSHOT, &[TAGGED], Allowed),
            (worker, "ec2:CreateSnapshot", SNAPSHOT, &[], NotAllowed),
            (worker, "ec2:CreateSnapshot", &volume, &[], Allowed),
            (worker, "ec2:CreateSnapshot", &foreign, &[], NotAllowed),
            (worker, "ec2:CreateTags", SNAPSHOT, &[CREATED], Allowed),
            (worker, "ec2:CreateTags", SNAPSHOT, &[], NotAllowed),
            (worker, "ec2:CreateTags", SNAPSHOT, &[OURS], NotAllowed),
            (worker, "ec2:CreateTags", SNAPSHOT, &[("ec2:CreateAction", "CopySnapshot")], NotAllowed),
            (worker, "ec2:CreateTags", &volume, &[CREATED], NotAllowed),
            (worker, "ec2:DeleteTags", SNAPSHOT, &[OURS], NotAllowed),
            (worker, "ec2:ModifySnapshotAttribute", SNAPSHOT, &[OURS], NotAllowed),
            (worker, "ec2:DeleteVolume", &volume, &[], NotAllowed),
            (worker, "sqs:SendMessage", &jobs, &[], Allowed),
            (worker, "sqs:SendMessage", &other, &[], NotAllowed),
            (worker, "sqs:ReceiveMessage", &dlq, &[], NotAllowed),
            (worker, "sqs:PurgeQueue", &jobs, &[], NotAllowed),
            (worker, "sts:AssumeRole", MEMBER_ROLE, &[], Allowed),
            (worker, "sts:AssumeRole", admin, &[], NotAllowed),
            (worker, "sns:Publish", &topic, &[], NotAllowed),
            (plans, "sqs:SendMessage", &jobs, &[], Allowed),
            (plans, "sqs:ReceiveMessage", &jobs, &[], NotAllowed),
            (plans, "sqs:SendMessage", &other, &[], NotAllowed),
            (plans, "sqs:SendMessage", &dlq, &[], NotAllowed),
            (plans, "sts:AssumeRole", admin, &[], NotAllowed),
            (plans, "ec2:CreateSnapshot", SNAPSHOT, &[TAGGED], NotAllowed),
            (plans, "ec2:CreateTags", SNAPSHOT, &[CREATED], NotAllowed),
            (plans, "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], NotAllowed),
            (notifier, "sns:Publish", &topic, &[], Allowed),
            (notifier, "sns:Publish", &arn("sns", "other"), &[], NotAllowed),
            (notifier, "sns:Subscribe", &topic, &[], NotAllowed),
            (notifier, "sqs:ReceiveMessage", &reports, &[], Allowed),
            (notifier, "sqs:SendMessage", &jobs, &[], NotAllowed),
            (notifier, "ec2:DescribeVolumes", "*", &[], NotAllowed),
            ("SchedulerRole", "lambda:InvokeFunction", &planner, &[], Allowed),
            ("SchedulerRole", "lambda:InvokeFunction", &arn("lambda", "function:snapkeep-worker"), &[], NotAllowed),
            ("SchedulerRole", "sqs:SendMessage", &reports, &[], Allowed),
            ("SchedulerRole", "sqs:SendMessage", &jobs, &[], NotAllowed),
            (operator, "sqs:SendMessage", &jobs, &[], Allowed),
            (operator, "sqs:SendMessage", &other, &[], NotAllowed),
            (operator, "sqs:ReceiveMessage", &dlq, &[], Allowed),
            (operator, "sqs:ReceiveMessage", &jobs, &[], NotAllowed),
            (operator, "sqs:PurgeQueue", &dlq, &[], NotAllowed),
            (operator, "lambda:InvokeFunction", &planner, &[], Allowed),
            (operator, "lambda:InvokeFunction", &arn("lambda", "function:other"), &[], NotAllowed),
            (operator, "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], NotAllowed),
            (operator, "ec2:CreateTags", SNAPSHOT, &[OURS], NotAllowed),
            (operator, "sts:AssumeRole", admin, &[], NotAllowed),
            (operator, "cloudformation:DeleteStack", &arn("cloudformation", "stack/snapkeep/1"), &[], NotAllowed),
        ],
    );
}

/// Of the role in a further account.
pub(super) fn by_the_member_role(roles: &Permissions) {
    let volume = arn("ec2", "volume/vol-0123456789abcdef0");
    check(
        roles,
        "",
        &[
            ("snapkeep", "ec2:DescribeVolumes", "*", &[], Allowed),
            ("snapkeep", "ec2:CreateSnapshot", &volume, &[], Allowed),
            ("snapkeep", "ec2:CreateSnapshot", SNAPSHOT, &[TAGGED], Allowed),
            ("snapkeep", "ec2:CreateSnapshot", SNAPSHOT, &[], NotAllowed),
            ("snapkeep", "ec2:CreateTags", SNAPSHOT, &[CREATED], Allowed),
            ("snapkeep", "ec2:CreateTags", SNAPSHOT, &[OURS], NotAllowed),
            ("snapkeep", "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], Allowed),
            ("snapkeep", "ec2:DeleteSnapshot", SNAPSHOT, &[], NotAllowed),
            ("snapkeep", "ec2:DeleteSnapshot", SNAPSHOT, &[OURS, KEPT], NotAllowed),
            ("snapkeep", "ec2:DeleteVolume", &volume, &[], NotAllowed),
            ("snapkeep", "sqs:SendMessage", &arn("sqs", "snapkeep-jobs.fifo"), &[], NotAllowed),
            ("snapkeep", "sts:AssumeRole", MEMBER_ROLE, &[], NotAllowed),
        ],
    );
}

/// Of who may assume the roles: a service may only on behalf of what is ours, and nobody without the external id.
pub(super) fn by_who_may_assume(trusts: &Permissions, planner_role: &str, external_id: &str) {
    let group = |name: &str| arn("scheduler", &format!("schedule-group/{name}"));
    let (ours, other) = (group("snapkeep"), group("other"));
    let home = ("aws:SourceAccount", ACCOUNT);
    let schedules = "SchedulerRole";
    check(
        trusts,
        "scheduler.amazonaws.com",
        &[
            assume(schedules, &[home, ("aws:SourceArn", &ours)], Allowed),
            assume(schedules, &[home, ("aws:SourceArn", &other)], NotAllowed),
            assume(schedules, &[("aws:SourceAccount", MEMBER), ("aws:SourceArn", &ours)], NotAllowed),
            assume(schedules, &[], NotAllowed),
            assume("WorkerRole", &[], NotAllowed),
        ],
    );
    check(
        trusts,
        "lambda.amazonaws.com",
        &[
            assume("PlannerRole", &[], Allowed),
            assume("WorkerRole", &[], Allowed),
            assume("NotifierRole", &[], Allowed),
            assume("OperatorRole", &[], NotAllowed),
            assume(schedules, &[home, ("aws:SourceArn", &ours)], NotAllowed),
        ],
    );
    let (member, root) = ("snapkeep", format!("arn:aws:iam::{ACCOUNT}:root"));
    let admin = format!("arn:aws:iam::{ACCOUNT}:role/admin");
    let (id, is_planner) = (("sts:ExternalId", external_id), ("aws:PrincipalArn", planner_role));
    check(
        trusts,
        &root,
        &[
            assume(member, &[id, is_planner], Allowed),
            assume(member, &[is_planner], NotAllowed),
            assume(member, &[("sts:ExternalId", "guessed"), is_planner], NotAllowed),
            assume(member, &[id, ("aws:PrincipalArn", &admin)], NotAllowed),
            assume("OperatorRole", &[], Allowed),
            assume("WorkerRole", &[], NotAllowed),
        ],
    );
    check(trusts, &format!("arn:aws:iam::{MEMBER}:root"), &[assume(member, &[id, is_planner], NotAllowed)]);
}

/// Of the policies of queues, topic and key: nobody without TLS, and services only on behalf of what is ours.
pub(super) fn by_resources(resources: &Permissions) {
    let (plain, secure) = (("aws:SecureTransport", "false"), ("aws:SecureTransport", "true"));
    let (home, away) = (("aws:SourceAccount", ACCOUNT), ("aws:SourceAccount", MEMBER));
    for queue in ["snapkeep-jobs.fifo", "snapkeep-dlq.fifo", "snapkeep-reports", "snapkeep-reports-dlq"] {
        let queue_arn = arn("sqs", queue);
        check(
            resources,
            &format!("arn:aws:iam::{ACCOUNT}:role/admin"),
            &[
                (queue, "sqs:SendMessage", &queue_arn, &[plain], Denied),
                (queue, "sqs:ReceiveMessage", &queue_arn, &[plain], Denied),
                (queue, "sqs:PurgeQueue", &queue_arn, &[plain], Denied),
                // What a role may stands in the role.
                (queue, "sqs:SendMessage", &queue_arn, &[secure], NotAllowed),
            ],
        );
    }
    let (reports, rule) = (arn("sqs", "snapkeep-reports"), arn("events", "rule/snapkeep-failed-snapshots"));
    let other_rule = arn("events", "rule/other");
    check(
        resources,
        "events.amazonaws.com",
        &[
            ("snapkeep-reports", "sqs:SendMessage", &reports, &[secure, home, ("aws:SourceArn", &rule)], Allowed),
            (
                "snapkeep-reports",
                "sqs:SendMessage",
                &reports,
                &[secure, home, ("aws:SourceArn", &other_rule)],
                NotAllowed,
            ),
            ("snapkeep-reports", "sqs:SendMessage", &reports, &[secure, away, ("aws:SourceArn", &rule)], NotAllowed),
            ("snapkeep-reports", "sqs:SendMessage", &reports, &[plain, home, ("aws:SourceArn", &rule)], Denied),
        ],
    );
    let (topic, alarm, other_alarm) =
        (arn("sns", "snapkeep"), arn("cloudwatch", "alarm:snapkeep-oldest-job"), arn("cloudwatch", "alarm:other"));
    check(
        resources,
        "cloudwatch.amazonaws.com",
        &[
            ("topic", "sns:Publish", &topic, &[secure, home, ("aws:SourceArn", &alarm)], Allowed),
            ("topic", "sns:Publish", &topic, &[secure, home, ("aws:SourceArn", &other_alarm)], NotAllowed),
            ("topic", "sns:Publish", &topic, &[secure, away, ("aws:SourceArn", &alarm)], NotAllowed),
            ("topic", "sns:Publish", &topic, &[plain, home, ("aws:SourceArn", &alarm)], Denied),
            ("key", "kms:GenerateDataKey", "*", &[home, ("aws:SourceArn", &alarm)], Allowed),
            ("key", "kms:GenerateDataKey", "*", &[home, ("aws:SourceArn", &other_alarm)], NotAllowed),
            ("key", "kms:GenerateDataKey", "*", &[away, ("aws:SourceArn", &alarm)], NotAllowed),
            ("key", "kms:ScheduleKeyDeletion", "*", &[home, ("aws:SourceArn", &alarm)], NotAllowed),
        ],
    );
    check(
        resources,
        "events.amazonaws.com",
        &[
            ("topic", "sns:Publish", &topic, &[secure, home], NotAllowed),
            ("key", "kms:GenerateDataKey", "*", &[home], NotAllowed),
        ],
    );
}
