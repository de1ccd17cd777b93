//! The templates of `infra/`, deployed by CloudFormation on MiniStack, with the real binaries running as its Lambdas and
//! EC2 at the simulator. What MiniStack cannot do is in `infra/README.md`.

mod permissions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

use self::permissions::{Permissions, Request};
use crate::emulator::Emulator;
use crate::lambda::binary;
use crate::proxy::Proxy;
use crate::prune::{add_daily, there};
use crate::python;
use crate::stack::{ACCOUNT, config};
use crate::typed::snapkeep_with;

const REGION: &str = "eu-central-1";
const MEMBER: &str = "210987654321";
const MEMBER_ROLE: &str = "arn:aws:iam::210987654321:role/snapkeep";
const FUNCTIONS: [&str; 3] = ["planner", "worker", "notifier"];

/// An AWS on this machine.
#[derive(Debug)]
struct Cloud {
    emulator: Emulator,
    python: PathBuf,
    sqs: aws_sdk_sqs::Client,
}

impl Cloud {
    async fn start() -> Self {
        let emulator = Emulator::start().await;
        let sqs = aws_sdk_sqs::Client::new(&config(&emulator.url).await);
        Self { emulator, python: python::bin().await.join("python"), sqs }
    }

    /// What `cloud.py` says.
    fn ask(&self, words: &[&str]) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deployed/cloud.py");
        let said = python::run(Command::new(&self.python).arg(script).arg(&self.emulator.url).args(words));
        serde_json::from_str(&said).unwrap()
    }

    /// The three packages, as Lambda takes them: a zip with a `bootstrap`.
    async fn upload_packages(&self) {
        for name in FUNCTIONS {
            let folder = python::build_folder().join("packages").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let (bootstrap, zip) = (folder.join("bootstrap"), folder.join(format!("{name}.zip")));
            python::run(Command::new("strip").arg("-o").arg(&bootstrap).arg(binary(name).await));
            self.zip(&bootstrap, &zip);
            self.ask(&["package", &format!("v1/{name}.zip"), zip.to_str().unwrap()]);
        }
    }

    fn zip(&self, bootstrap: &Path, zip: &Path) {
        const ZIP: &str = "import sys, zipfile as z\n\
            with z.ZipFile(sys.argv[2], 'w', z.ZIP_DEFLATED, compresslevel=1) as f: f.write(sys.argv[1], 'bootstrap')";
        python::run(Command::new(&self.python).args(["-c", ZIP]).arg(bootstrap).arg(zip));
    }

    /// Invokes the planner, as a schedule does.
    fn plan(&self, policy: &Value) {
        let answer = self.ask(&["invoke", "snapkeep-planner", &policy.to_string()]);
        assert_eq!(answer["error"], Value::Null, "{answer}");
    }

    async fn waiting(&self, queue: &str) -> usize {
        use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
        let names = [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible];
        let request = self.sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let counts = request.send().await.unwrap().attributes.unwrap();
        names.iter().map(|name| counts[name].parse::<usize>().unwrap()).sum()
    }

    /// A queue that is subscribed to the topic: somebody's inbox.
    async fn inbox(&self, topic: &str) -> String {
        let url = self.sqs.create_queue().queue_name("inbox").send().await.unwrap().queue_url.unwrap();
        let sns = aws_sdk_sns::Client::new(&config(&self.emulator.url).await);
        let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inbox");
        sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn).send().await.unwrap();
        url
    }

    /// The subjects of the mails that have come.
    async fn subjects(&self, inbox: &str) -> Vec<String> {
        let request = self.sqs.receive_message().queue_url(inbox).max_number_of_messages(10);
        let mails = request.send().await.unwrap().messages.unwrap_or_default();
        let envelopes = mails.iter().map(|mail| serde_json::from_str::<Value>(mail.body.as_deref().unwrap()).unwrap());
        envelopes.filter_map(|envelope| envelope["Subject"].as_str().map(String::from)).collect()
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn of_policy(world: &World, policy: &str) -> usize {
    let is_of = |snapshot: &&simulator::world::snapshot::Snapshot| {
        snapshot.tags.get("snapkeep:policy").is_some_and(|name| **name == *policy)
    };
    world.snapshots().iter().filter(is_of).count()
}

/// Calls that each role is refused, beside one of the same kind that it is allowed.
fn must_be_refused(permissions: &Permissions, jobs: &str) {
    const SNAPSHOT: &str = "arn:aws:ec2:eu-central-1::snapshot/snap-0123456789abcdef0";
    const OURS: (&str, &str) = ("aws:ResourceTag/snapkeep:policy", "daily");
    const TAGGED: (&str, &str) = ("aws:RequestTag/snapkeep:policy", "daily");
    let volume = format!("arn:aws:ec2:eu-central-1:{ACCOUNT}:volume/vol-0123456789abcdef0");
    let foreign = format!("arn:aws:ec2:eu-central-1:{MEMBER}:volume/vol-0123456789abcdef0");
    let queue = |name: &str| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
    let (jobs, other) = (queue(jobs.rsplit('/').next().unwrap()), queue("other.fifo"));
    let topic = |name: &str| format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}");
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], bool);
    let rows: &[Row<'_>] = &[
        ("worker", "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], true),
        ("worker", "ec2:DeleteSnapshot", SNAPSHOT, &[], false),
        ("worker", "ec2:DeleteSnapshot", SNAPSHOT, &[OURS, ("aws:ResourceTag/KeepForever", "")], false),
        ("worker", "ec2:CreateSnapshot", SNAPSHOT, &[TAGGED], true),
        ("worker", "ec2:CreateSnapshot", SNAPSHOT, &[], false),
        ("worker", "ec2:CreateSnapshot", &volume, &[], true),
        ("worker", "ec2:CreateSnapshot", &foreign, &[], false),
        ("worker", "ec2:CreateTags", SNAPSHOT, &[("ec2:CreateAction", "CreateSnapshot")], true),
        ("worker", "ec2:CreateTags", SNAPSHOT, &[], false),
        ("worker", "ec2:CreateTags", SNAPSHOT, &[OURS], false),
        ("worker", "ec2:DeleteTags", SNAPSHOT, &[OURS], false),
        ("worker", "ec2:ModifySnapshotAttribute", SNAPSHOT, &[OURS], false),
        ("worker", "ec2:DeleteVolume", &volume, &[], false),
        ("worker", "sqs:SendMessage", &jobs, &[], true),
        ("worker", "sqs:SendMessage", &other, &[], false),
        ("worker", "sqs:PurgeQueue", &jobs, &[], false),
        ("worker", "sts:AssumeRole", MEMBER_ROLE, &[], true),
        ("worker", "sts:AssumeRole", "arn:aws:iam::210987654321:role/admin", &[], false),
        ("worker", "sns:Publish", &topic("snapkeep"), &[], false),
        ("planner", "sqs:SendMessage", &jobs, &[], true),
        ("planner", "sqs:ReceiveMessage", &jobs, &[], false),
        ("planner", "sqs:SendMessage", &other, &[], false),
        ("planner", "ec2:CreateSnapshot", SNAPSHOT, &[TAGGED], false),
        ("planner", "ec2:DeleteSnapshot", SNAPSHOT, &[OURS], false),
        ("notifier", "sns:Publish", &topic("snapkeep"), &[], true),
        ("notifier", "sns:Publish", &topic("other"), &[], false),
        ("notifier", "sqs:SendMessage", &jobs, &[], false),
        ("notifier", "ec2:DescribeVolumes", "*", &[], false),
    ];
    for (function, action, resource, context, is_allowed) in rows {
        let request = Request { action, resource, context };
        assert_eq!(permissions.allows(function, &request), *is_allowed, "{function}: {request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_templates_deploy_backs_up_tells_mends_prunes_and_goes_without_a_trace() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 12).build(&world);
    let sick = Fault::on("CreateSnapshot", 400, "TagLimitExceeded", "more tags than EC2 takes");
    world.faults().set(sick.for_resource(&volumes[0]));
    let server = Server::start_local(world).await.unwrap();
    let world = &server.world;
    let cloud = Cloud::start().await;
    let before = cloud.ask(&["inventory"]);
    cloud.upload_packages().await;

    // Everything that the functions call goes through these, which take note of it.
    let (to_aws, to_ec2) = (Proxy::start(&cloud.emulator.url).await, Proxy::start(&server.url).await);
    let parameters = json!({
        "CodeBucket": "packages", "CodePrefix": "v1", "Architecture": "x86_64", "Email": "ops@example.com",
        "Regions": REGION, "PruneState": "DISABLED", "CreateRate": "50", "MemberRoleArns": MEMBER_ROLE,
        "EndpointUrl": to_aws.url, "Ec2EndpointUrl": to_ec2.url,
    });
    let outputs = cloud.ask(&["up", "snapkeep", "template.yaml", &parameters.to_string()]);
    let output = |name: &str| String::from(outputs[name].as_str().unwrap_or_else(|| panic!("{name}: {outputs}")));
    let (jobs, dlq, reports) = (output("JobsQueueUrl"), output("DeadLetterQueueUrl"), output("ReportsQueueUrl"));
    let inbox = cloud.inbox(&output("TopicArn")).await;

    // A schedule fires, jobs flow through the mapping, snapshots appear; the sick volume is a dead letter and a mail.
    let policy = json!({"Name": "daily", "Schedule": "rate(1 minute)", "Retain": "7d", "Regions": REGION});
    cloud.ask(&["up", "policy-daily", "policy.yaml", &policy.to_string()]);
    until("the schedule's snapshots", async || of_policy(world, "daily") >= volumes.len() - 1).await;
    cloud.ask(&["down", "policy-daily"]);
    until("a dead letter", async || cloud.waiting(&dlq).await > 0).await;
    let mut subjects = Vec::new();
    until("a mail", async || {
        subjects.extend(cloud.subjects(&inbox).await);
        subjects.contains(&"snapkeep daily: 1 volume not backed up".into())
    })
    .await;

    // The cause is mended, and the operator's tool takes what is missing.
    until("the schedule's last run is through", async || cloud.waiting(&jobs).await == 0).await;
    world.faults().clear();
    let settings = [
        ("AWS_ENDPOINT_URL", cloud.emulator.url.as_str()),
        ("SNAPKEEP_DLQ_URL", &dlq),
        ("SNAPKEEP_JOBS_QUEUE_URL", &jobs),
        ("SNAPKEEP_REPORTS_QUEUE_URL", &reports),
    ];
    let missing = cloud.waiting(&dlq).await;
    let said = snapkeep_with(&server.url, "dlq redrive --yes", "", &settings).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let is_backed_up = || world.snapshots().iter().filter(|snapshot| *snapshot.volume == *volumes[0]).count();
    until("the sick volume's snapshots", async || is_backed_up() == missing).await;
    assert_eq!(cloud.waiting(&dlq).await, 0);

    // Another account, by its role; a volume there has to wait for a quota once.
    let there_too = Fleet::new(MEMBER, REGION, 1).build(world).remove(0);
    let pending = Fault::on("CreateSnapshot", 400, "PendingSnapshotLimitExceeded", "too many are pending");
    world.faults().set(pending.for_resource(&there_too).times(1));
    let member = json!({
        "action": "snapshot", "policy": "member", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "accounts": [MEMBER_ROLE], "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    });
    cloud.plan(&member);
    until("the member's snapshot", async || of_policy(world, "member") == 1).await;

    // Pruning, by the deployed planner and worker, in every Region. One of four is archived, and too young to go.
    let old = Fleet::new(ACCOUNT, REGION, 1).build(world).remove(0);
    let archived = add_daily(world, &old, 6, "2").remove(0);
    world.set(|settings| settings.archives_after = TimeDelta::zero());
    let ec2 = aws_sdk_ec2::Client::new(&config(&server.url).await);
    ec2.modify_snapshot_tier().snapshot_id(archived).storage_tier("archive".into()).send().await.unwrap();
    let all = there(world).len();
    cloud.plan(&json!({"action": "prune", "regions": "all", "scheduled_time": "2026-11-20T05:00:00Z"}));
    until("three are pruned", async || there(world).len() == all - 3).await;

    let permissions = Permissions(cloud.ask(&["permissions"]));
    let calls: BTreeSet<_> = to_aws.callers().into_iter().chain(to_ec2.callers()).collect();
    for function in FUNCTIONS {
        assert_eq!(permissions.allowed(function), Permissions::called(&calls, function), "{function}");
    }
    must_be_refused(&permissions, &jobs);

    // Removal.
    until("all jobs are through", async || cloud.waiting(&jobs).await == 0).await;
    cloud.sqs.delete_queue().queue_url(inbox).send().await.unwrap();
    assert_eq!(cloud.ask(&["down", "snapkeep"])["left"], Value::Null);
    let after = cloud.ask(&["inventory"]);
    assert_eq!(after, before, "nothing is left");
}
