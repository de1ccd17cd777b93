//! `snapkeep doctor`: a world in which everything is wrong once, and one in which nothing is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::{Fleet, VolumePlan, tags};
use simulator::server::Server;
use simulator::world::World;

use crate::emulator::Emulator;
use crate::python;
use crate::stack::ACCOUNT;
use crate::typed::{Said, snapkeep_with, snapkeep_words};

const REGION: &str = "eu-central-1";
const AT_FIVE: &str = "cron(0 5 * * ? *) Europe/Zurich";

/// Policies in files of a folder that goes with the test.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("snapkeep-doctor-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn add(&self, name: &str, policy: &Value) -> String {
        let path = self.0.join(format!("{name}.json"));
        std::fs::write(&path, policy.to_string()).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A policy of what has the tag `key=true`.
fn policy(name: &str, key: &str, retain: &str) -> Value {
    json!({
        "action": "snapshot", "policy": name, "select": {"tags": {key: ["true"]}}, "retain": retain,
        "regions": [REGION], "scheduled_time": "<aws.scheduler.scheduled-time>",
    })
}

/// What it says of these policies, each with its schedule.
async fn doctor(ec2: &str, policies: &[(String, &str)], more: &[&str]) -> Said {
    let mut words = vec!["doctor"];
    for (file, schedule) in policies {
        words.extend(["--file", file.as_str(), "--schedule", *schedule]);
    }
    words.extend(more);
    snapkeep_words(ec2, &words, "", &[]).await
}

/// How often each check found something, with its severity.
fn found(said: &Said) -> BTreeMap<(String, String), usize> {
    let json: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err));
    let mut found = BTreeMap::new();
    for finding in json["findings"].as_array().unwrap() {
        let of = |field: &str| String::from(finding[field].as_str().unwrap());
        for field in ["what", "where", "why", "type"] {
            assert!(!of(field).is_empty(), "{finding}");
        }
        *found.entry((of("check"), of("severity"))).or_default() += 1;
    }
    found
}

fn counts(expected: &[(&str, &str)]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for (check, severity) in expected {
        *counts.entry((String::from(*check), String::from(*severity))).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_once_is_found_once() {
    let world = World::default();
    let add = |pairs: &[(&str, &str)]| world.add_instance(ACCOUNT, REGION, tags(pairs), 2);
    let (_, volumes) = add(&[("Backup", "true")]);
    add(&[("Backup", "True")]);
    add(&[("Backup", "true"), ("Retention", "7 days")]);
    add(&[("Nightly", "true"), ("Twice", "true")]);
    add(&[("Weekly", "true")]);
    add(&[("Hourly", "true")]);
    add(&[("Often", "true")]);
    let started = world.clock.now() - TimeDelta::hours(3);
    world.add_snapshot(ACCOUNT, REGION, &volumes[0], tags(&[("snapkeep:policy", "daily")]), started);
    let server = Server::start_local(world).await.unwrap();
    server.world.faults().set(Fault::on("DeleteSnapshot", 403, "UnauthorizedOperation", "You are not authorized"));

    let files = Files::new("wrong");
    let policies = [
        (files.add("daily", &policy("daily", "Backup", "7d")), "cron(30 2 * * ? *) Europe/Zurich"),
        (files.add("nightly", &policy("nightly", "Nightly", "7d")), AT_FIVE),
        (files.add("twice", &policy("twice", "Twice", "7d")), AT_FIVE),
        (files.add("gold", &policy("gold", "Gold", "7d")), "cron(0 5 31 2 ? *)"),
        (files.add("weekly", &policy("weekly", "Weekly", "1d")), "cron(0 5 ? * SUN *)"),
        (files.add("hourly", &policy("hourly", "Hourly", "hourly=24")), AT_FIVE),
        (files.add("often", &policy("often", "Often", "3d")), "cron(0 0/6 * * ? *)"),
        (
            files.add("prune", &json!({"action": "prune", "regions": [REGION], "cap": {"count": 1}})),
            "cron(30 4 * * ? *)",
        ),
    ];
    let said = doctor(&server.url, &policies, &["--output", "json"]).await;
    let expected = counts(&[
        ("permissions", "error"),
        ("selectors", "error"),
        ("schedules", "error"),
        ("typos", "warning"),
        ("retention-tags", "warning"),
        ("clocks", "warning"),
        ("rhythm", "warning"),
        ("rhythm", "warning"),
        ("rhythm", "warning"),
        ("overlaps", "warning"),
        ("cap", "warning"),
        ("encryption", "warning"),
    ]);
    assert_eq!(found(&said), expected, "{}", said.out);
    assert_eq!(said.exit, 4);
    assert_eq!(server.world.snapshots().len(), 1, "a dry run has taken a snapshot");

    let text = doctor(&server.url, &policies, &[]).await;
    for words in [
        "1 instance with Backup=True, and daily selects Backup=true",
        "1 instance with Retention=\"7 days\", which is no rule",
        "gold selects nothing: no instance with a volume has Gold=true",
        "ec2:DeleteSnapshot is not allowed",
        "2027-03-28 02:30: clocks in Europe/Zurich are set forward",
        "2 volumes selected by 2 policies: nightly, twice",
        "Found: 3 errors, 9 warnings.",
    ] {
        let flat = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words} is missing from {}", text.out);
    }
    let severities: Vec<&str> =
        text.out.lines().filter_map(|line| line.split_once("  ").map(|(word, _)| word)).collect();
    let order: Vec<&&str> = severities.iter().filter(|word| ["error", "warning", "notice"].contains(word)).collect();
    assert!(order.is_sorted_by_key(|word| word.starts_with('w')), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_wrong_nothing_is_found() {
    let world = World::default();
    let key = Some("alias/aws/ebs".into());
    let encrypted = VolumePlan { key, ..VolumePlan::default() };
    for (pair, volumes) in
        [(("Backup", "true"), 6), (("Backup", "weekly"), 2), (("Backup", "false"), 2), (("Team", "a"), 2)]
    {
        Fleet { tags: tags(&[pair]), volume: encrypted.clone(), ..Fleet::new(ACCOUNT, REGION, volumes) }.build(&world);
    }
    let server = Server::start_local(world).await.unwrap();
    let files = Files::new("right");
    let mut weekly = policy("weekly", "Backup", "4w");
    weekly["select"]["tags"]["Backup"] = json!(["weekly"]);
    let daily = files.add("daily", &policy("daily", "Backup", "daily=7 weekly=4"));
    let line = format!("run --file {daily}");
    assert_eq!(snapkeep_with(&server.url, &line, "", &[]).await.exit, 0);
    let mut team = policy("team", "Team", "3d");
    team["select"]["tags"]["Team"] = json!(["a"]);
    let policies = [
        (daily, AT_FIVE),
        (files.add("weekly", &weekly), "cron(0 5 ? * SUN *) Europe/Zurich"),
        (files.add("team", &team), "rate(1 day)"),
        (files.add("prune", &json!({"action": "prune", "regions": [REGION]})), "cron(30 4 * * ? *)"),
    ];
    let said = doctor(&server.url, &policies, &["--output", "json"]).await;
    assert_eq!((found(&said), said.exit), (BTreeMap::new(), 0), "{}", said.out);
    let text = doctor(&server.url, &policies, &[]).await;
    assert!(text.out.contains("Nothing found."), "{}", text.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_looked_at_is_no_verdict() {
    let world = World::default();
    world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true")]), 1);
    let server = Server::start_local(world).await.unwrap();
    let files = Files::new("unseen");
    let mut everywhere = policy("daily", "Backup", "7d");
    everywhere["regions"] = json!([REGION, "eu-west-1"]);
    let policies = [(files.add("daily", &everywhere), AT_FIVE)];
    let fault = Fault::on("DescribeInstances", 400, "InvalidParameterValue", "not today").in_region("eu-west-1");
    server.world.faults().set(fault);
    let said = doctor(&server.url, &policies, &["--output", "json"]).await;
    assert_eq!((found(&said), said.exit), (BTreeMap::new(), 3), "{}", said.out);
    server.world.faults().clear();
    // Refused is another matter: that a person mends.
    let fault = Fault::on("DescribeInstances", 403, "UnauthorizedOperation", "not allowed").in_region("eu-west-1");
    server.world.faults().set(fault);
    let said = doctor(&server.url, &policies, &["--output", "json"]).await;
    assert_eq!((found(&said), said.exit), (counts(&[("permissions", "error")]), 4), "{}", said.out);
    server.world.faults().set(Fault::on("*", 400, "InvalidParameterValue", "no network"));
    assert_eq!(doctor(&server.url, &policies, &[]).await.exit, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_says_what_to_type() {
    let (server, files) = (Server::start_local(World::default()).await.unwrap(), Files::new("usage"));
    let daily = files.add("daily", &policy("daily", "Backup", "7d"));
    let check = async |words: &[&str], expected: &str| {
        let said = snapkeep_words(&server.url, words, "", &[]).await;
        assert!(said.exit == 2 && said.err.contains(expected), "{words:?}: {}{}", said.exit, said.err);
    };
    check(&["doctor"], "--file daily.json --schedule 'cron(0 5 * * ? *)', or --stack snapkeep").await;
    check(&["doctor", "--file", &daily, "--schedule", "daily"], "`schedule` is \"daily\"; allowed: `cron(0 5").await;
    check(&["doctor", "--file", &daily, "--schedule", "rate(1 day)", "--schedule", "rate(1 day)"], "at most one").await;
    let refused = files.add("refused", &policy("daily", "Backup", "soon"));
    check(&["doctor", "--file", &refused], "`retain` is \"soon\"").await;
}

/// A role that cannot be assumed is one finding, however many Regions its account has.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_be_assumed_is_found_once() {
    let world = World::default();
    world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true")]), 1);
    let server = Server::start_local(world).await.unwrap();
    server.world.faults().set(Fault::on(
        "AssumeRole",
        403,
        "AccessDenied",
        "is not authorized to perform: sts:AssumeRole",
    ));
    let files = Files::new("role");
    let mut daily = policy("daily", "Backup", "7d");
    daily["accounts"] = json!(["self", "arn:aws:iam::210987654321:role/snapkeep"]);
    daily["regions"] = json!([REGION, "eu-west-1"]);
    let policies = [(files.add("daily", &daily), AT_FIVE)];
    let said = doctor(&server.url, &policies, &["--output", "json"]).await;
    let expected = counts(&[("permissions", "error"), ("selectors", "notice")]);
    assert_eq!((found(&said), said.exit), (expected, 4), "{}", said.out);
    assert!(said.out.contains("role/snapkeep may not be assumed"), "{}", said.out);
}

const MACHINES: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
image = ec2.describe_images()["Images"][0]["ImageId"]
for backup in ("true", "true", "True"):
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro", TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Backup", "Value": backup}]}])
volume = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
tags = [{"Key": "snapkeep:policy", "Value": "daily"}]
ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
"#;

const OURS: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
print(len(ec2.describe_snapshots(Filters=[{"Name": "tag-key", "Values": ["snapkeep:policy"]}])["Snapshots"]))
"#;

/// moto answers dry runs as EC2 does, and does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn against_moto_dry_runs_change_nothing() {
    let moto = Emulator::start_moto().await;
    script(MACHINES, &moto.url, "").await;
    let files = Files::new("moto");
    let policies = [(files.add("daily", &policy("daily", "Backup", "7d")), AT_FIVE)];
    let said = doctor(&moto.url, &policies, &["--output", "json"]).await;
    let expected = counts(&[("typos", "warning"), ("encryption", "warning")]);
    assert_eq!((found(&said), said.exit), (expected, 4), "{}", said.out);
    assert_eq!(script(OURS, &moto.url, "").await.trim(), "1");
}

/// Schedules as a stack has them, and as people make them by hand.
const SCHEDULES: &str = r#"
import boto3, sys, json, datetime
url = sys.argv[1]
scheduler = boto3.client("scheduler", region_name="eu-central-1", endpoint_url=url, aws_access_key_id="123456789012", aws_secret_access_key="x")
scheduler.create_schedule_group(Name="snapkeep")
SLOT = "<aws.scheduler.scheduled-time>"
def policy(name, **more):
    return {"action": "snapshot", "policy": name, "select": {"tags": {name: ["true"]}}, "retain": "7d",
            "regions": ["eu-central-1"], "scheduled_time": SLOT, **more}
def schedule(name, expression, event, zone="UTC", window=0, **more):
    flexible = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": window} if window else {"Mode": "OFF"}
    scheduler.create_schedule(GroupName="snapkeep", Name=name, ScheduleExpression=expression, FlexibleTimeWindow=flexible,
        ScheduleExpressionTimezone=zone, Target={"Arn": "arn:aws:lambda:eu-central-1:123456789012:function:planner",
        "RoleArn": "arn:aws:iam::123456789012:role/scheduler", "Input": event if isinstance(event, str) else json.dumps(event)}, **more)
schedule("daily", "cron(0 5 * * ? *)", policy("Daily"), zone="Europe/Zurich")
schedule("prune", "cron(30 4 * * ? *)", {"action": "prune", "regions": ["eu-central-1"], "scheduled_time": SLOT})
if len(sys.argv) > 2:
    schedule("disabled", "cron(0 5 * * ? *)", policy("Disabled"), State="DISABLED")
    schedule("fixed", "cron(0 5 * * ? *)", policy("Fixed", scheduled_time="2026-11-20T02:00:00Z"))
    noslot = policy("Slotless")
    del noslot["scheduled_time"]
    schedule("slotless", "cron(0 5 * * ? *)", noslot)
    schedule("past", "at(2020-01-01T05:00:00)", policy("Past"))
    schedule("wide", "cron(0 5 * * ? *)", policy("Wide"), window=1440)
    schedule("refused", "cron(0 5 * * ? *)", policy("Refused", retain="soon"))
    schedule("text", "cron(0 5 * * ? *)", "back up, please")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_schedules_of_a_stack_are_read_from_scheduler() {
    let world = World::default();
    for key in ["Daily", "Disabled", "Fixed", "Slotless", "Past", "Wide"] {
        world.add_instance(ACCOUNT, REGION, tags(&[(key, "true")]), 1);
    }
    let server = Server::start_local(world).await.unwrap();
    let look = async |argument: &'static str| {
        let emulator = Emulator::start().await;
        script(SCHEDULES, &emulator.url, argument).await;
        let settings = [("AWS_ENDPOINT_URL_SCHEDULER", emulator.url.as_str())];
        snapkeep_with(&server.url, "doctor --stack snapkeep --output json", "", &settings).await
    };
    let said = look("").await;
    assert_eq!((found(&said), said.exit), (BTreeMap::new(), 0), "{}", said.out);
    assert!(said.out.contains("whether the stack's worker may take and delete snapshots"), "{}", said.out);
    let said = look("everything").await;
    let expected = counts(&[
        ("policies", "error"),
        ("policies", "error"),
        ("schedules", "error"),
        ("schedules", "error"),
        ("schedules", "warning"),
        ("schedules", "warning"),
        ("schedules", "warning"),
    ]);
    assert_eq!((found(&said), said.exit), (expected, 4), "{}", said.out);
    for words in [
        "is DISABLED",
        "always 2026-11-20T02:00:00Z",
        "has no `scheduled_time`",
        "which has passed",
        "window of 24 hours",
    ] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
}

async fn script(script: &'static str, url: &str, argument: &'static str) -> String {
    let program = python::bin().await.join("python");
    let mut command = std::process::Command::new(program);
    command.args(["-c", script, url]).args((!argument.is_empty()).then_some(argument));
    tokio::task::spawn_blocking(move || python::run(&mut command)).await.unwrap()
}
