//! What a new operator types: every command of the runbook, of the alarms and of a mail, on a stack with a dead letter; and
//! what `infra/deploy` and `infra/remove` refuse.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::{Value, json};

use super::cloud::{Cloud, REPOSITORY, packages};
use super::ec2::Ec2;
use super::permissions::Permissions;
use super::{REGION, Stack, refused, said, slot, until};
use crate::stack::ACCOUNT;

/// Commands that MiniStack or this story has nothing for, by what is in them, and why.
const NOT_HERE: [(&str, &str); 5] = [
    ("message-move-task", "MiniStack knows no message move tasks"),
    ("infra/deploy", "the story of the upgrade types it"),
    ("aws kms ", "no volume is encrypted here"),
    ("snapkeep restore ", "the stories of restore type it"),
    ("aws ec2 detach-volume", "the line is a beginning: the restore prints the whole of it"),
];
/// What is typed when the backup is mended, because it would mend it in another way, or says that it is mended.
const LAST: [&str; 3] = ["snapkeep run", "snapkeep dlq drop", "snapkeep coverage"];

/// What stands in the runbook for something that only the reader knows.
struct Known {
    job: String,
    volume: String,
    mapping: String,
    snapshot: String,
}

impl Known {
    fn put_into(&self, line: &str) -> String {
        let line = line.replace("export AWS_PROFILE=snapkeep-operator ", "export ");
        let line =
            line.replace("2026-11-20T04:00:00Z", &slot()).replace("--uuid …", &format!("--uuid {}", self.mapping));
        let line = line
            .replace("vol-…", &self.volume)
            .replace("snap-…", &self.snapshot)
            .replace("REGION ", &format!("{REGION} "));
        let line = line.replace(" JOB", &format!(" {}", self.job)).replace(" VOLUME", &format!(" {}", self.volume));
        line.replace("--regions REGION", &format!("--regions {REGION}"))
    }
}

/// The commands of the runbook, in its order: blocks of a shell, and what begins with a tool's name in the text.
fn commands(runbook: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, part) in runbook.split("```").enumerate() {
        match number % 2 {
            1 => found.extend(part.strip_prefix("sh\n").map(String::from)),
            _ => {
                let spans = part.split('`').skip(1).step_by(2);
                let is_typed = |span: &&str| ["snapkeep ", "aws ", "infra/"].iter().any(|tool| span.starts_with(tool));
                let is_whole = |span: &&str| span.split(' ').count() > 2 || span.starts_with("infra/");
                // `snapkeep POLICY: …` is a mail's subject.
                let is_command = |span: &&str| !span.split(' ').nth(1).is_some_and(|word| word.ends_with(':'));
                found.extend(spans.filter(is_typed).filter(is_whole).filter(is_command).map(in_one_line));
            }
        }
    }
    found
}

/// A span of code may go on in the next line.
fn in_one_line(span: &str) -> String {
    span.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an alarm's text says to type.
fn typed(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("ype: ")?;
    let (line, _) = rest.split_once(" Runbook: ")?;
    Some(line.replace(" and then: ", "\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_runbook_the_alarms_and_the_mails_say_to_type_works_and_mends_the_backup() {
    let ec2 = Ec2::simulator().await;
    let volumes = ec2.volumes(ACCOUNT, 4).await;
    let cloud = Cloud::start(&ec2.url).await;
    let stack = Stack::deploy(&cloud, &[]).await;
    let policy = "aws cloudformation deploy --stack-name snapkeep-daily --template-file infra/policy.yaml --parameter-overrides \
                  Name=daily 'Schedule=cron(0 5 * * ? *)' TimeZone=Europe/Zurich TagKey=Backup TagValues=true Retain=7d";
    said(policy, &cloud.shell(policy));

    // Somebody has fallen ill in the night, and is well again: one dead letter, and a mail.
    cloud.to_ec2.fail("CreateSnapshot", &volumes[0], "TagLimitExceeded", usize::MAX);
    cloud.plan(&json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": slot(),
    }));
    until("a dead letter", async || cloud.waiting(&stack.dlq).await == 1).await;
    let mut mails = Vec::new();
    until("a mail", async || {
        mails.extend(cloud.mails(&stack.inbox).await);
        !mails.is_empty()
    })
    .await;
    cloud.to_ec2.clear();
    refuses_to_be_removed(&cloud);

    let letters: Value =
        serde_json::from_str(&said("list", &cloud.shell_with("snapkeep dlq list --output json", &stack.settings())))
            .unwrap();
    let mapping = "aws lambda list-event-source-mappings --function-name snapkeep-worker --query 'EventSourceMappings[0].UUID' --output text";
    let known = Known {
        job: find(&letters, "id").unwrap_or_else(|| panic!("{letters}")),
        volume: volumes[0].clone(),
        mapping: said(mapping, &cloud.shell(mapping)).trim().into(),
        snapshot: ec2.of_policy(ACCOUNT, "daily").await[0].snapshot_id().unwrap().into(),
    };
    let runbook = std::fs::read_to_string(format!("{REPOSITORY}/docs/runbook.md")).unwrap();
    let mut lines = commands(&runbook);
    let beginning = known.put_into(&lines.remove(0));
    assert!(beginning.contains("export SNAPKEEP_DLQ_URL"), "the runbook begins with what the rest needs: {beginning}");

    let alarms = "aws cloudwatch describe-alarms --query 'MetricAlarms[].AlarmDescription' --output json";
    let alarms: Vec<String> = serde_json::from_str(&said(alarms, &cloud.shell(alarms))).unwrap();
    assert!(alarms.len() >= 10, "{alarms:?}");
    for alarm in &alarms {
        let (_, anchor) = alarm.trim().rsplit_once('#').unwrap_or_else(|| panic!("no link: {alarm}"));
        assert!(runbook.contains(&format!("\n## {anchor}\n")), "{anchor} is not in the runbook: {alarm}");
        lines.push(typed(alarm).unwrap_or_else(|| panic!("nothing to type: {alarm}")));
    }
    let of_mail =
        mails.iter().flat_map(|(_, text)| text.lines().map(str::trim)).filter(|line| line.starts_with("snapkeep "));
    let of_mail: BTreeSet<String> = of_mail.map(String::from).collect();
    assert!(!of_mail.is_empty(), "{mails:?}");
    // What the mail says goes before what mends it.
    lines.splice(0..0, of_mail);

    let (last, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| LAST.iter().any(|part| line.contains(part)));
    let (mut tried, mut wrong) = (0, Vec::new());
    let mut type_all = |lines: &[String]| {
        for line in lines.iter().map(|line| known.put_into(line)) {
            if NOT_HERE.iter().any(|(part, _)| line.contains(part)) {
                continue;
            }
            let output = type_it(&cloud, &beginning, &line);
            if !output.status.success() && !has_asked(&output) {
                wrong.push(format!("{line}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
            }
            tried += 1;
        }
    };
    type_all(&lines);

    // From the mail to the mended backup.
    let redrive = type_it(&cloud, &beginning, "snapkeep dlq redrive --yes");
    said("snapkeep dlq redrive", &redrive);
    until("the volume is backed up", async || ec2.of_volume(&volumes[0]).await > 0).await;
    until("the queue is empty", async || cloud.waiting(&stack.jobs).await == 0).await;
    let list = said("snapkeep dlq list", &type_it(&cloud, &beginning, "snapkeep dlq list"));
    assert!(list.to_lowercase().contains("no dead letters"), "{list}");

    type_all(&last);
    assert!(wrong.is_empty(), "{} of {tried} commands:\n{}", wrong.len(), wrong.join("\n"));
    println!("{tried} commands typed");

    the_operator_s_role_suffices(&cloud);
    the_policies_of_resources_and_trusts_hold(&cloud, &stack);
}

/// Besides success: a command that asks first has shown what it would do, and there is nobody here to say yes.
fn has_asked(output: &Output) -> bool {
    output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("nobody can be asked here")
}

/// As the operator, whose calls are noted.
fn type_it(cloud: &Cloud, beginning: &str, line: &str) -> Output {
    let folder = std::env::temp_dir().join(format!("snapkeep-operator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d", "regions": [REGION],
    });
    std::fs::write(folder.join("daily.json"), policy.to_string()).unwrap();
    let script = format!("{beginning}\ncd {}\n{line}\n", folder.display());
    cloud.shell_with(&script, &[("AWS_SDK_UA_APP_ID", "snapkeep-operator"), ("AWS_ENDPOINT_URL", &cloud.to_aws.url)])
}

/// The first string with this name.
fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_str)
            .map(String::from)
            .or_else(|| fields.values().find_map(|value| find(value, name))),
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

/// A schedule that may begin a run, and then a dead letter.
fn refuses_to_be_removed(cloud: &Cloud) {
    let refuses = |why: &str| {
        let output = cloud.shell("infra/remove");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && err.contains(why), "{}: {err}", output.status);
    };
    refuses("these schedules may begin a run at any time: daily");
    let disable = "aws cloudformation deploy --stack-name snapkeep-daily --template-file infra/policy.yaml \
                   --parameter-overrides Name=daily 'Schedule=cron(0 5 * * ? *)' State=DISABLED";
    said(disable, &cloud.shell(disable));
    refuses("dead letters: snapkeep dlq list");
    said("enable", &cloud.shell(&disable.replace("DISABLED", "ENABLED")));
}

/// What was typed is what the operator's role allows. Only calls that name themselves in a header or a form are seen:
/// those of Lambda and of Scheduler are in the path.
fn the_operator_s_role_suffices(cloud: &Cloud) {
    let permissions = Permissions(cloud.ask(&["permissions"]));
    let calls: BTreeSet<_> =
        [&cloud.to_aws, &cloud.to_ec2].iter().flat_map(|proxy| proxy.callers().into_keys()).collect();
    // CloudWatch signs by its old name.
    let called =
        Permissions::called(&calls, "operator").into_iter().map(|action| action.replace("monitoring:", "cloudwatch:"));
    let called: BTreeSet<String> = called.collect();
    assert!(called.len() > 8, "{called:?}");
    let allowed = permissions.allowed("OperatorRole");
    let missing: Vec<_> = called.difference(&allowed).filter(|action| !is_of_a_run(action)).collect();
    assert!(missing.is_empty(), "the operator may not: {missing:?}");
}

/// What the runbook leaves to "a machine that may create snapshots", and not to the operator.
fn is_of_a_run(action: &str) -> bool {
    action == "ec2:CreateSnapshot"
}

fn the_policies_of_resources_and_trusts_hold(cloud: &Cloud, stack: &Stack) {
    const EXTERNAL_ID: &str = "0123456789abcdef0123456789abcdef";
    let roles = ["Planner", "Worker", "Operator"].map(|name| {
        let name = format!("{name}RoleArn");
        format!("{name}={}", stack.output(&name))
    });
    let member = format!(
        "aws cloudformation deploy --stack-name snapkeep-member --template-file infra/member-role.yaml \
         --capabilities CAPABILITY_NAMED_IAM --parameter-overrides ExternalId={EXTERNAL_ID} {}",
        roles.join(" ")
    );
    said(&member, &cloud.shell(&member));
    refused::by_the_member_role(&Permissions(cloud.ask(&["permissions"])));
    let trusts = Permissions(cloud.ask(&["trusts"]));
    refused::by_who_may_assume(&trusts, stack.output("PlannerRoleArn"), EXTERNAL_ID);
    refused::by_resources(&Permissions(cloud.ask(&["resources"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn infra_deploy_says_what_is_wrong_before_it_does_anything() {
    let ec2 = Ec2::simulator().await;
    let cloud = Cloud::start(&ec2.url).await;
    let check = |line: &str, code: i32, why: &str| {
        let output = cloud.shell(line);
        let err = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(code) && err.contains(why), "{line}: {}\n{err}", output.status);
    };
    let there = packages().await.display();
    check("infra/deploy", 2, "infra/deploy --bucket BUCKET");
    check("infra/deploy --bucket packages --packages /nowhere/arm64", 1, "/nowhere/arm64/planner.zip is missing");
    check(&format!("infra/deploy --bucket packages --packages {there}/.."), 1, "is missing");
    check(&format!("infra/deploy --bucket packages --packages {there} email=x"), 2, "infra/deploy --bucket BUCKET");
    check(&format!("infra/deploy --bucket packages --packages {there} MaxAttempts=9"), 255, "MaxAttempts");
    check("infra/remove --help", 2, "infra/remove [STACK]");
    assert_eq!(cloud.ask(&["inventory"])["functions"], json!([]), "nothing was made");
}
