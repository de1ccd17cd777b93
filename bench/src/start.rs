//! Cold starts: from exec to the first poll, and to the answer of the first job; and the size of what is unpacked.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::server::Server;
use simulator::world::World;
use tokio::time::Instant;

use crate::Result;
use crate::binaries::FUNCTIONS;
use crate::lambda::{Environment, Recipe};
use crate::report::{Measured, Report, Target};
use crate::sqs::{Kind, Sqs};
use crate::stage::{Place, REGION, environment, fleet};
use crate::systems::daily;

const STARTS: usize = 15;
const OURS: &str = "snapkeep";
const BOTO3: &str = "boto3";

/// Planner and worker, both; and the sizes of our packages.
pub async fn measure(place: &Place) -> Result<()> {
    let mut report = Report::new("start", format!("cold starts, {STARTS} of each, EC2 and SQS without latency"));
    for _ in 0..STARTS {
        for name in ["planner", "worker"] {
            for system in [OURS, BOTO3] {
                report.measured.push(one(place, name, system).await?);
            }
        }
    }
    for name in ["planner", "worker"] {
        let figure = |system: &str| report.median(name, system, "ms to first poll").unwrap_or_default();
        let ratio = figure(BOTO3) / figure(OURS).max(0.001);
        report.targets.push(Target::at_least(format!("{name}: boto3's start to ours, at least 40"), ratio, 40.0));
    }
    for name in FUNCTIONS {
        let (size, zipped) = sizes(place, name)?;
        let figures = vec![("MB", size), ("MB zipped", zipped)];
        report.measured.push(Measured { case: name.into(), system: OURS.into(), figures, curve: Vec::new() });
        report.targets.push(Target::at_most(format!("{name}: MB zipped, at most 10"), zipped, 10.0));
    }
    report.publish(place)
}

async fn one(place: &Place, name: &str, system: &str) -> Result<Measured> {
    let world = World::default();
    let volumes = fleet(&world, REGION, 1);
    let server = Server::start_local(world).await?;
    let sqs = Arc::new(Sqs::start(Duration::ZERO).await?);
    let queue = sqs.create("jobs.fifo", Kind::fifo(Duration::from_secs(90)));
    let mut told = environment(&server.url, &sqs.url);
    told.push(("JOBS_QUEUE_URL".into(), queue.clone()));
    told.push(("SNAPKEEP_JOBS_QUEUE_URL".into(), queue));
    told.push(("SNAPKEEP_DLQ_URL".into(), format!("{}/dlq.fifo", sqs.url)));
    told.push(("SNAPKEEP_REPORTS_QUEUE_URL".into(), format!("{}/reports", sqs.url)));
    let recipe = recipe(place, name, system, told);
    let start = Instant::now();
    let function = Environment::start(&recipe).await?;
    let answer = function.invoke(event(name, system, &volumes)).await.ok_or("the function ended without an answer")?;
    let answered = start.elapsed();
    match answer {
        Ok(answer) if answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty) => {}
        answer => return Err(format!("{system}'s {name} failed: {answer:?}").into()),
    }
    Ok(Measured {
        case: name.into(),
        system: system.into(),
        figures: vec![
            ("ms to first poll", function.cold_start.as_secs_f64() * 1000.0),
            ("ms to first answer", answered.as_secs_f64() * 1000.0),
            ("peak MB", function.usage().peak_mb),
        ],
        curve: Vec::new(),
    })
}

fn recipe(place: &Place, name: &str, system: &str, told: Vec<(String, String)>) -> Recipe {
    const TIMEOUT: Duration = Duration::from_secs(60);
    match system {
        OURS => place.ours(name, told, TIMEOUT),
        _ => place.boto3(&format!("boto3_{name}"), told, TIMEOUT),
    }
}

fn event(name: &str, system: &str, volumes: &[String]) -> Value {
    match (name, system) {
        ("planner", OURS) => daily("daily", &[REGION.into()]),
        ("planner", _) => json!({"regions": [REGION]}),
        _ => {
            let body = json!({
                "version": 1, "action": "snapshot", "job": "2f0c7e1a9b3d4c5e6f70", "policy": "daily",
                "slot": "2026-11-20T02:00:00Z", "account": "123456789012", "region": REGION, "volume": volumes.first(),
                "retain": "7d", "tags": {"Backup": "true"},
            });
            json!({"Records": [{
                "messageId": "1", "receiptHandle": "1", "body": body.to_string(), "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "123456789012/eu-central-1/snapshot"},
                "messageAttributes": {}, "awsRegion": REGION,
            }]})
        }
    }
}

/// Of the binary, and of its package, in MB of a million bytes.
fn sizes(place: &Place, name: &str) -> Result<(f64, f64)> {
    let (binary, package) = (place.binary(name), place.log(&format!("{name}.zip")));
    zip(place, &binary, &package)?;
    let size = |path: &Path| std::fs::metadata(path).map(|data| data.len() as f64 / 1e6);
    Ok((size(&binary)?, size(&package)?))
}

/// With deflate, as `zip` has it unless it is told otherwise.
fn zip(place: &Place, binary: &Path, package: &Path) -> Result<()> {
    const SCRIPT: &str = "import sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as package: package.write(sys.argv[1], 'bootstrap')";
    let status = Command::new(place.python.join("python")).args(["-c", SCRIPT]).arg(binary).arg(package).status()?;
    if status.success() { Ok(()) } else { Err(format!("{} could not be zipped", binary.display()).into()) }
}
