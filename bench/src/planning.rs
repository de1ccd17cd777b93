//! Planning in thirty Regions: time, processor time, memory and calls, and how they grow.

use std::sync::Arc;

use serde_json::{Value, json};
use simulator::faults::{Effect, Fault, Latency};
use simulator::fleet::{Fleet, VolumePlan, tags};
use simulator::server::Server;
use simulator::world::{Settings, World};

use crate::Result;
use crate::lambda::{Environment, Recipe};
use crate::plot::{Line, Plot};
use crate::report::{Measured, Report, Target};
use crate::sqs::{Kind, Sqs};
use crate::stage::{ACCOUNT, LATENCY_MEDIAN, LATENCY_P99, Place, REGION, SQS_LATENCY, environment};
use crate::systems::{LONGEST, daily};

const REGIONS: usize = 30;
/// The planner sends so many batches at once; so does the peer.
const BATCHES_AT_ONCE: f64 = 16.0;
const OURS: &str = "snapkeep";
const BOTO3: &str = "boto3, well written";

/// Each number of volumes, in both.
pub async fn measure(place: &Place, sizes: &[usize]) -> Result<()> {
    let mut report = Report::new("planning", "planning in thirty Regions, with SQS in 10 ms and EC2 in 63 to 300");
    for _ in 0..place.runs {
        for volumes in sizes {
            report.measured.push(one(place, OURS, *volumes).await?);
            report.measured.push(one(place, BOTO3, *volumes).await?);
        }
    }
    if let Some(most) = sizes.last() {
        report.targets = targets(&report, *most);
    }
    report.publish(place)?;
    for (figure, unit) in [("CPU s", "seconds of processor time"), ("peak MB", "peak memory, MB")] {
        growth(&report, sizes, figure, unit).write(&place.results)?;
    }
    if let [first, .., last] = sizes {
        slopes(&report, *first, *last);
    }
    Ok(())
}

async fn one(place: &Place, system: &str, volumes: usize) -> Result<Measured> {
    let regions: Vec<String> =
        std::iter::once(REGION.into()).chain((2..=REGIONS).map(|n| format!("eu-test-{n}"))).collect();
    let server = Server::start_local(world(&regions, volumes)).await?;
    let sqs = Arc::new(Sqs::start(SQS_LATENCY).await?);
    let queue = sqs.create("jobs.fifo", Kind::fifo(LONGEST));
    let (recipe, event) = asked(place, system, &regions, environment(&server.url, &sqs.url), &queue);
    let planner = Environment::start(&recipe).await?;
    let start = tokio::time::Instant::now();
    let answer = planner.invoke(event).await.ok_or("the planner ended without an answer")?;
    let seconds = start.elapsed().as_secs_f64();
    let answer = answer.map_err(|error| format!("{system} could not plan: {error}"))?;
    let jobs = sqs.len("jobs.fifo");
    if jobs != volumes {
        return Err(format!("{system} has planned {jobs} of {volumes} volumes: {answer}").into());
    }
    let pages = pages(&server.world, &regions);
    let calls: u64 = server.world.history().by_action().values().map(|count| count.calls).sum();
    let sends = sqs.calls().get("SendMessageBatch").copied().unwrap_or_default();
    let floor = pages * mean_latency() + sends as f64 / BATCHES_AT_ONCE * SQS_LATENCY.as_secs_f64();
    let usage = planner.usage();
    Ok(Measured {
        case: format!("{volumes} volumes"),
        system: system.into(),
        figures: vec![
            ("seconds", seconds),
            ("floor, seconds", floor),
            ("times the floor", seconds / floor),
            ("CPU s", usage.cpu - planner.at_first_poll.cpu),
            ("peak MB", usage.peak_mb),
            ("calls of EC2", calls as f64),
            ("calls of SQS", sends as f64),
        ],
        curve: Vec::new(),
    })
}

fn world(regions: &[String], volumes: usize) -> World {
    let world = World::new(Settings { regions: regions.to_vec(), ..Settings::default() });
    let mut left = volumes;
    for (index, region) in regions.iter().enumerate() {
        let here = left / (regions.len() - index);
        left -= here;
        let tags = tags(&[("Backup", "true"), ("Team", "payments"), ("Stage", "production")]);
        let volume = VolumePlan { tags: tags.clone(), ..VolumePlan::default() };
        Fleet { tags, volume, ..Fleet::new(ACCOUNT, region, here) }.build(&world);
    }
    let latency = Latency::LongTailed { median: LATENCY_MEDIAN, p99: LATENCY_P99 };
    world.faults().set(Fault::new("*", Effect::Latency(latency)));
    world
}

fn asked(
    place: &Place,
    system: &str,
    regions: &[String],
    mut told: Vec<(String, String)>,
    queue: &str,
) -> (Recipe, Value) {
    match system {
        OURS => {
            told.push(("SNAPKEEP_JOBS_QUEUE_URL".into(), queue.into()));
            told.push(("SNAPKEEP_REPORTS_QUEUE_URL".into(), queue.replace("jobs.fifo", "reports")));
            (place.ours("planner", told, LONGEST), daily("daily", regions))
        }
        _ => {
            told.push(("JOBS_QUEUE_URL".into(), queue.into()));
            (place.boto3("boto3_planner", told, LONGEST), json!({"regions": regions}))
        }
    }
}

/// The calls of EC2 that the Region with the most of them needs one after the other.
fn pages(world: &World, regions: &[String]) -> f64 {
    let history = world.history();
    let of = |region: &String| {
        ["DescribeInstances", "DescribeVolumes"].map(|action| history.region(region, action).calls).iter().sum::<u64>()
    };
    regions.iter().map(of).max().unwrap_or_default() as f64
}

/// The mean of the Pareto distribution with that median and 99th percentile.
fn mean_latency() -> f64 {
    let slope = (LATENCY_P99 / LATENCY_MEDIAN).ln() / 50_f64.ln();
    LATENCY_MEDIAN * 0.5_f64.powf(slope) / (1.0 - slope)
}

fn targets(report: &Report, most: usize) -> Vec<Target> {
    let case = format!("{most} volumes");
    let figure = |system: &str, name: &str| report.median(&case, system, name).unwrap_or_default();
    vec![
        Target::at_most(format!("{case}: times the floor, at most 1.3"), figure(OURS, "times the floor"), 1.3),
        Target::at_most(format!("{case}: peak MB, at most 128"), figure(OURS, "peak MB"), 128.0),
        Target::at_least(
            format!("{case}: boto3's processor time to ours, at least 10"),
            figure(BOTO3, "CPU s") / figure(OURS, "CPU s").max(0.001),
            10.0,
        ),
    ]
}

/// The exponent by which a figure grows: 1 is in proportion, 0 not at all.
fn slopes(report: &Report, first: usize, last: usize) {
    for system in [OURS, BOTO3] {
        let of = |figure| {
            let at = |volumes: usize| report.median(&format!("{volumes} volumes"), system, figure).unwrap_or_default();
            (at(last) / at(first).max(1e-3)).ln() / (last as f64 / first as f64).ln()
        };
        println!(
            "{system}: from {first} to {last} volumes processor time grows as n^{:.2}, memory as n^{:.2}",
            of("CPU s"),
            of("peak MB")
        );
    }
}

fn growth(report: &Report, sizes: &[usize], figure: &'static str, unit: &str) -> Plot {
    let line = |system: &str| {
        let at =
            |volumes: &usize| Some((*volumes as f64, report.median(&format!("{volumes} volumes"), system, figure)?));
        Line { name: system.into(), points: sizes.iter().filter_map(at).collect() }
    };
    Plot {
        name: format!("planning-{}", if figure == "CPU s" { "cpu" } else { "memory" }),
        title: format!("Planning in thirty Regions: {unit}"),
        x: "volumes".into(),
        y: unit.into(),
        is_logarithmic: true,
        lines: vec![line(OURS), line(BOTO3)],
        limit: None,
    }
}
