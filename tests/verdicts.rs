//! What the worker says of each job: one line of its log with ids to search by, and metrics that agree with the lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::world::World;

use crate::circuit::job;
use crate::python;
use crate::stack::{ACCOUNT, Stack};

const REGION: &str = "eu-central-1";
const OTHER: &str = "eu-west-1";
const POLICY: &str = "verdicts";
const NAMESPACE: &str = "snapkeep/verdicts";

/// What the workers have printed since this was made. Those of other stories print text, and none of our metrics.
struct Log {
    file: PathBuf,
    from: usize,
}

impl Log {
    fn of_worker() -> Self {
        let file = python::build_folder().join("e2e-logs").join("worker.log");
        let from = std::fs::read(&file).map_or(0, |text| text.len());
        Self { file, from }
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read(&self.file).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(self.from..).unwrap_or_default()).into_owned();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The lines that are verdicts, each with its fields.
    fn verdicts(&self) -> Vec<Value> {
        let lines = self.lines().into_iter().map(|mut line| line["fields"].take());
        lines.filter(|fields| fields["outcome"].is_string()).collect()
    }

    fn metrics(&self) -> Vec<Value> {
        let is_ours = |line: &Value| line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE;
        self.lines().into_iter().filter(is_ours).collect()
    }
}

fn of<'a>(verdicts: &'a [Value], outcome: &str) -> Vec<&'a Value> {
    verdicts.iter().filter(|verdict| verdict["outcome"] == outcome).collect()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Sends jobs that come to every verdict but those that need a worker to die or to have no time.
#[expect(clippy::disallowed_methods, reason = "a job waits until a time of this world")]
async fn send_jobs(stack: &Stack, here: &[String], there: &str) {
    let lane = format!("{ACCOUNT}/{REGION}/snapshot");
    let send = async |id: &str, mut fields: Value, lane: &str| {
        let known = json!({"job": id, "policy": POLICY, "instance": "i-0123456789abcdef0"});
        fields.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
        stack.send_job(&job(fields), lane).await;
    };
    let failed = json!({"code": "InvalidVolume.NotFound", "message": "", "first": "2026-11-20T02:00:05Z",
        "last": "2026-11-20T02:00:05Z"});
    send("j-dead", json!({"volume": here[0]}), &lane).await;
    send("j-again", json!({"volume": here[1]}), &lane).await;
    send("j-new", json!({"volume": here[2]}), &lane).await;
    let in_a_moment = Utc::now() + TimeDelta::seconds(15);
    send("j-later", json!({"volume": here[3], "not_before": in_a_moment}), "j-later").await;
    send("j-gone", json!({"attempt": 2, "failure": failed}), &lane).await;
    send("j-held", json!({"volume": there, "region": OTHER}), &format!("{ACCOUNT}/{OTHER}/snapshot")).await;
    let prune = json!({"action": "prune", "volume": here[2], "retain": null});
    send("j-prune", prune, &format!("{ACCOUNT}/{REGION}/prune")).await;
    stack.send_job("hello", "j-unreadable").await;
    until("a snapshot", async || stack.snapshots().iter().any(|snapshot| *snapshot.volume == *here[2])).await;
    send("j-new", json!({"volume": here[2]}), &lane).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verdict_is_one_line_with_ids_to_search_by_and_the_metrics_agree_with_the_lines() {
    let world = World::default();
    let (here, there) = (Fleet::new(ACCOUNT, REGION, 4).build(&world), Fleet::new(ACCOUNT, OTHER, 1).build(&world));
    let revoked = Fault::on("CreateSnapshot", 400, "CustomerKeyHasBeenRevoked", "The KMS key has been revoked.");
    world.faults().set(revoked.for_resource(&here[0]));
    let busy = Fault::on("CreateSnapshot", 400, "ConcurrentTagAccess", "try again");
    world.faults().set(busy.for_resource(&here[1]).times(1));
    let denied = Fault::on("CreateSnapshot", 403, "UnauthorizedOperation", "You are not authorized.");
    world.faults().set(denied.in_region(OTHER));
    let log = Log::of_worker();
    let settings = [("SNAPKEEP_METRICS_NAMESPACE", NAMESPACE), ("AWS_LAMBDA_LOG_FORMAT", "JSON")];
    let stack = Stack::deploy(world, 1, &settings).await;
    stack.set_visibility_timeout(5).await;

    send_jobs(&stack, &here, &there[0]).await;
    // The revoked volume may find itself alone in a batch: then its lane is held for a while as well.
    let is_held = || of(&log.verdicts(), "held").iter().any(|verdict| verdict["job.id"] == "j-held");
    until("a held lane", async || is_held()).await;
    until("the dead letters", async || stack.waiting(&stack.queues.dlq).await == 2).await;
    stack.world().faults().clear();
    stack.settle().await;

    let verdicts = log.verdicts();
    let count = |outcome| of(&verdicts, outcome).len();
    let exactly = ["created", "already-there", "volume-gone", "pruned", "dead-letter", "unreadable"].map(count);
    assert_eq!(exactly, [4, 1, 1, 1, 1, 1], "{verdicts:#?}");
    assert!(["again", "waiting", "held"].map(count).iter().all(|count| *count > 0), "{verdicts:#?}");
    let receives = verdicts.iter().map(|verdict| format!("{} {}", verdict["sqs.message_id"], verdict["sqs.receives"]));
    assert_eq!(receives.collect::<BTreeSet<_>>().len(), verdicts.len(), "one line for each: {verdicts:#?}");
    ids_are_there(&stack, &verdicts);
    metrics_agree(&log.metrics(), &verdicts);
}

fn ids_are_there(stack: &Stack, verdicts: &[Value]) {
    for verdict in verdicts.iter().filter(|verdict| verdict["outcome"] != "unreadable") {
        assert_eq!((&verdict["policy.name"], &verdict["account"]), (&json!(POLICY), &json!(ACCOUNT)), "{verdict:#}");
        let texts = ["job.id", "policy.slot", "action", "region", "volume.id", "instance.id", "sqs.message_id"];
        assert!(texts.iter().all(|name| verdict[name].is_string()), "{verdict:#}");
        assert!(["attempt", "age_seconds", "sqs.receives"].iter().all(|name| verdict[name].is_number()), "{verdict:#}");
    }
    for verdict in ["dead-letter", "again", "held"].iter().flat_map(|outcome| of(verdicts, outcome)) {
        assert!(verdict["error.code"].is_string() && verdict["aws.request_id"].is_string(), "{verdict:#}");
    }
    let said: BTreeSet<String> =
        of(verdicts, "created").iter().map(|verdict| verdict["snapshot.id"].as_str().unwrap().into()).collect();
    let taken: BTreeSet<String> = stack.snapshots().iter().map(|snapshot| snapshot.id.to_string()).collect();
    assert_eq!(said, taken, "each snapshot is found by its id");
    assert!(of(verdicts, "unreadable")[0]["message"].as_str().unwrap().contains("`body` is \"hello\""));
}

fn metrics_agree(metrics: &[Value], verdicts: &[Value]) {
    let sum = |name: &str| metrics.iter().filter_map(|line| line[name].as_f64()).sum::<f64>();
    let mut said: BTreeMap<(String, String), f64> = BTreeMap::new();
    for verdict in verdicts {
        let action = verdict["action"].as_str().unwrap_or("unknown");
        *said.entry((action.into(), verdict["outcome"].as_str().unwrap().into())).or_default() += 1.0;
    }
    let mut counted: BTreeMap<(String, String), f64> = BTreeMap::new();
    for line in metrics.iter().filter(|line| line["Jobs"].is_number()) {
        let dimension = |name: &str| String::from(line[name].as_str().unwrap());
        *counted.entry((dimension("Action"), dimension("Outcome"))).or_default() += line["Jobs"].as_f64().unwrap();
    }
    assert_eq!(counted, said);
    assert_eq!((sum("SnapshotsCreated"), sum("SnapshotsDeleted"), sum("ThrottledCalls")), (4.0, 0.0, 0.0));
    assert!(sum("LaneSeconds") > 0.0);
    assert!(metrics.iter().all(|line| line["_aws"]["Timestamp"].is_i64() && line["level"] == "INFO"), "{metrics:#?}");
}
