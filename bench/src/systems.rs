//! Whoever takes snapshots here, and how each is run.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{interval, sleep};

use crate::lambda::Environment;
use crate::mapping::{Mapping, Total};
use crate::process::Usage;
use crate::sqs::{Kind, Sqs};
use crate::stage::{Ec2, Place, REGION, SQS_LATENCY, environment};
use crate::{Result, python};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// The shipped planner and worker, with lanes.
    Snapkeep,
    /// A Lambda of the tutorials: `DeleteOn`, one volume after the other.
    DeleteOn,
    /// A Lambda of the keyword, one volume after the other.
    Keyword,
    /// boto3 as well as one writes it.
    Careful,
    /// Cloud Custodian.
    Custodian,
    /// The SQS wiring that AWS recommends, with workers that have no pace.
    Wiring,
}

/// What a system has used for its work.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// Seconds of processor time of whoever calls `CreateSnapshot` or `DeleteSnapshot`, without its start.
    pub cpu: f64,
    /// The most memory of one of its processes, in MB.
    pub peak_mb: f64,
    /// Jobs that ended in a dead-letter queue.
    pub dead: usize,
    /// What its functions did, where it has a queue.
    pub worker: Option<Total>,
    /// What its functions' planner did, where it has one.
    pub planner: Option<Total>,
    /// Calls of SQS.
    pub sqs_calls: u64,
}

/// No function of Lambda may take longer.
pub const LONGEST: Duration = Duration::from_secs(900);
/// The scripts are not killed after fifteen minutes, so that the rest can be seen.
const NO_END: Duration = Duration::from_secs(6 * 3600);

impl System {
    /// As the tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapkeep => "snapkeep",
            Self::DeleteOn => "boto3 Lambda, DeleteOn",
            Self::Keyword => "boto3 Lambda, keyword",
            Self::Careful => "boto3, well written",
            Self::Custodian => "Cloud Custodian",
            Self::Wiring => "SQS wiring, unpaced",
        }
    }
}

/// A script with boto3 as one Lambda that does it all.
pub async fn script(place: &Place, name: &str, ec2: &str, event: Value) -> Result<Spent> {
    let function = Environment::start(&place.boto3(name, environment(ec2, ec2), NO_END)).await?;
    let answer = function.invoke(event).await.ok_or("the script ended without an answer")?;
    if let Err(error) = answer {
        println!("{name} failed: {}", error["errorMessage"]);
    }
    let usage = function.usage();
    Ok(Spent { cpu: usage.cpu - function.at_first_poll.cpu, peak_mb: usage.peak_mb, ..Spent::default() })
}

/// Cloud Custodian with one policy, from start to end. Its start is part of its work: it is a program, not a function.
pub async fn custodian(place: &Place, policy: &str, ec2: &str) -> Result<Spent> {
    let output = place.log("custodian-output");
    let log = std::fs::File::options().create(true).append(true).open(place.log("custodian"))?;
    let mut process = Command::new(place.python.join("custodian"))
        .args(["run", "--cache-period", "0", "--region", REGION, "-s"])
        .arg(&output)
        .arg(python::peers().join(policy))
        .env_clear()
        .envs(environment(ec2, ec2))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", place.log("custodian-home"))
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .kill_on_drop(true)
        .spawn()?;
    let id = process.id().ok_or("custodian has ended at once")?;
    let (mut usage, mut look) = (Usage::default(), interval(Duration::from_millis(50)));
    let status = loop {
        tokio::select! {
            status = process.wait() => break status?,
            _ = look.tick() => {
                let now = Usage::of(id);
                usage = if now.peak_mb > 0.0 { now } else { usage };
            }
        }
    };
    if !status.success() {
        println!("custodian ended with {status}: {}", place.log("custodian").display());
    }
    Ok(Spent { cpu: usage.cpu, peak_mb: usage.peak_mb, ..Spent::default() })
}

/// How snapkeep is set up.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// What the planner is asked, at once.
    pub policies: Vec<Value>,
    /// How many lanes there will be: so many workers at once.
    pub lanes: usize,
    /// `SNAPKEEP_CREATE_RATE` and `SNAPKEEP_DELETE_RATE`, as they are here.
    pub rate: f64,
}

/// The shipped planner and workers, with queues between them.
pub async fn snapkeep(place: &Place, ec2: &str, pace: &Ec2, pipeline: &Pipeline) -> Result<Spent> {
    let sqs = Arc::new(Sqs::start(pace.scaled(SQS_LATENCY)).await?);
    let jobs = sqs.create("jobs.fifo", Kind::fifo(6 * LONGEST).with_dlq("dlq.fifo", 50));
    let dlq = sqs.create("dlq.fifo", Kind::fifo(LONGEST));
    let reports = sqs.create("reports", Kind::standard(LONGEST));
    let mut told = environment(ec2, &sqs.url);
    let rate = pipeline.rate.to_string();
    let settings = [
        ("SNAPKEEP_JOBS_QUEUE_URL", jobs.as_str()),
        ("SNAPKEEP_DLQ_URL", dlq.as_str()),
        ("SNAPKEEP_REPORTS_QUEUE_URL", reports.as_str()),
        ("SNAPKEEP_CREATE_RATE", rate.as_str()),
        ("SNAPKEEP_DELETE_RATE", rate.as_str()),
    ];
    told.extend(settings.map(|(name, value)| (name.into(), value.into())));
    let worker = place.ours("worker", told.clone(), Duration::from_secs(300));
    let mapping = Mapping::start(&sqs, "jobs.fifo", worker, pipeline.lanes);
    let mut planners = Vec::new();
    for policy in &pipeline.policies {
        let planner = Environment::start(&place.ours("planner", told.clone(), LONGEST)).await?;
        let event = policy.clone();
        planners.push(tokio::spawn(async move { (planner.invoke(event).await, planner) }));
    }
    let mut planned = Total::default();
    for planner in planners {
        let (answer, planner) = planner.await?;
        if let Err(error) = answer.ok_or("the planner ended without an answer")? {
            return Err(format!("the planner failed: {error}").into());
        }
        planned.cpu += planner.usage().cpu - planner.at_first_poll.cpu;
        planned.peak_mb = planned.peak_mb.max(planner.usage().peak_mb);
        planned.billed += planner.billed();
        planned.invocations += 1;
    }
    until_empty(&sqs, "jobs.fifo").await;
    let worker = mapping.total();
    Ok(Spent {
        cpu: worker.cpu,
        peak_mb: worker.peak_mb,
        dead: sqs.len("dlq.fifo"),
        worker: Some(worker),
        planner: Some(planned),
        sqs_calls: sqs.calls().values().sum(),
    })
}

/// A standard queue, visibility six times the function's time-out, five receives, the SDK's own retries, no pace.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
pub async fn wiring(place: &Place, ec2: &str, pace: &Ec2, volumes: &[String], environments: usize) -> Result<Spent> {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let sqs = Arc::new(Sqs::start(pace.scaled(SQS_LATENCY)).await?);
    sqs.create("jobs", Kind::standard(pace.scaled(6 * TIMEOUT)).with_dlq("dlq", 5));
    volumes.iter().for_each(|volume| sqs.put("jobs", "", volume.clone()));
    let worker = place.boto3("wiring", environment(ec2, &sqs.url), pace.scaled(TIMEOUT));
    let mapping = Mapping::start(&sqs, "jobs", worker, environments);
    until_empty(&sqs, "jobs").await;
    let worker = mapping.total();
    Ok(Spent {
        cpu: worker.cpu,
        peak_mb: worker.peak_mb,
        dead: sqs.len("dlq"),
        worker: Some(worker),
        sqs_calls: sqs.calls().values().sum(),
        ..Spent::default()
    })
}

async fn until_empty(sqs: &Sqs, queue: &str) {
    while sqs.len(queue) > 0 {
        sleep(Duration::from_millis(20)).await;
    }
}

/// A policy that selects what the fleet is tagged with.
pub fn daily(name: &str, regions: &[String]) -> Value {
    json!({
        "action": "snapshot", "policy": name, "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": regions, "scheduled_time": "2026-11-20T02:00:00Z",
    })
}
