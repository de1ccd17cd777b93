//! Volumes in one lane, under EC2's limits: how near to the floor, how many calls in vain, and what is lost.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use simulator::server::Server;
use simulator::world::World;
use tokio::task::JoinSet;

use crate::plot::{Line, Plot};
use crate::report::{Measured, Report, Target};
use crate::stage::{CAPACITY, Ec2, Place, REFILL, REGION, fleet};
use crate::systems::{Pipeline, Spent, System, custodian, daily, script, snapkeep, wiring};
use crate::{Drain, Result};

/// The worker's default, in calls a second of life.
pub const DEFAULT_RATE: f64 = 4.9;
/// A Lambda of whoever works through all by itself is killed after so many seconds.
const LAMBDA_ENDS: f64 = 900.0;

/// Measures each number of volumes. In real time all systems run at once, each against an EC2 of its own: they mostly
/// wait. Faster than life, one after the other. What is measured so far is written each time.
pub async fn measure(place: &Place, drain: &Drain) -> Result<()> {
    for volumes in &drain.volumes {
        let ec2 = limits(drain);
        let mut report = Report::new(name(drain, *volumes), about(*volumes, &ec2));
        let at_once = if drain.speed == 1.0 { drain.systems.len() } else { 1 };
        for _ in 0..place.runs {
            for systems in drain.systems.chunks(at_once.max(1)) {
                let mut running = JoinSet::new();
                for system in systems.iter().copied() {
                    let (place, drain, volumes) = (place.clone(), drain.clone(), *volumes);
                    running.spawn(async move { one(&place, &drain, system, volumes).await });
                }
                while let Some(measured) = running.join_next().await {
                    report.measured.push(measured??);
                    report
                        .measured
                        .sort_by_key(|measured| drain.systems.iter().position(|one| one.name() == measured.system));
                    report.targets = targets(&report, *volumes);
                    report.publish(place)?;
                    curves(&report, *volumes, &ec2).write(&place.results)?;
                }
            }
        }
    }
    Ok(())
}

/// Two policies that select the same volumes, started at the same time: one lane has twice as many jobs, and two of them
/// for each volume, of which EC2 takes only one in 15 seconds.
pub async fn measure_two_policies(place: &Place, drain: &Drain) -> Result<()> {
    for volumes in &drain.volumes {
        let ec2 = limits(drain);
        let mut report = Report::new(format!("policies-{volumes}"), about(2 * volumes, &ec2));
        for _ in 0..place.runs {
            let world = ec2.world();
            let ids = fleet(&world, REGION, *volumes);
            let server = Server::start_local(world).await?;
            let regions = [REGION.to_string()];
            let policies = vec![daily("daily", &regions), daily("second", &regions)];
            let rate = drain.rate.unwrap_or(DEFAULT_RATE) * ec2.speed;
            let start = server.world.clock.now();
            let spent = snapkeep(place, &server.url, &ec2, &Pipeline { policies, lanes: 1, rate }).await?;
            let case = format!("{volumes} volumes, 2 policies");
            report.measured.push(measured(&case, System::Snapkeep.name(), &server.world, start, &ec2, &spent, &ids, 2));
        }
        report.publish(place)?;
    }
    Ok(())
}

fn limits(drain: &Drain) -> Ec2 {
    Ec2 { speed: drain.speed, neighbour: if drain.neighbour { REFILL / 2.0 } else { 0.0 } }
}

fn name(drain: &Drain, volumes: usize) -> String {
    let neighbour = if drain.neighbour { "-neighbour" } else { "" };
    let speed = if drain.speed == 1.0 { String::new() } else { format!("-x{}", drain.speed) };
    let rate = drain.rate.map(|rate| format!("-rate-{rate}")).unwrap_or_default();
    format!("drain-{volumes}{neighbour}{rate}{speed}")
}

fn about(calls: usize, ec2: &Ec2) -> String {
    let neighbour = match ec2.neighbour > 0.0 {
        true => format!(", of which another program takes {}", ec2.neighbour),
        false => String::new(),
    };
    let speed =
        if ec2.speed == 1.0 { "in real time".into() } else { format!("{} times as fast as in life", ec2.speed) };
    let floor = ec2.floor(calls);
    format!(
        "{calls} snapshots in one lane, bucket {CAPACITY} and {REFILL}/s{neighbour}, {speed}; floor {floor:.0} s of life"
    )
}

async fn one(place: &Place, drain: &Drain, system: System, volumes: usize) -> Result<Measured> {
    let ec2 = limits(drain);
    let world = ec2.world();
    let ids = fleet(&world, REGION, volumes);
    let server = Server::start_local(world).await?;
    let start = server.world.clock.now();
    let spent = match system {
        System::Snapkeep => {
            let rate = drain.rate.unwrap_or(DEFAULT_RATE) * ec2.speed;
            let pipeline = Pipeline { policies: vec![daily("daily", &[REGION.into()])], lanes: 1, rate };
            snapkeep(place, &server.url, &ec2, &pipeline).await?
        }
        System::DeleteOn => script(place, "delete_on", &server.url, json!({})).await?,
        System::Keyword => script(place, "keyword_count", &server.url, json!({"SnapshotKeyWord": "Keep"})).await?,
        System::Careful => script(place, "careful", &server.url, json!({})).await?,
        System::Custodian => custodian(place, "custodian-snapshot.yml", &server.url).await?,
        System::Wiring => wiring(place, &server.url, &ec2, &ids, drain.environments).await?,
    };
    let case = format!("{volumes} volumes");
    Ok(measured(&case, system.name(), &server.world, start, &ec2, &spent, &ids, 1))
}

/// What EC2 has seen of it, in seconds of life. `each` volume is to have so many snapshots.
#[expect(clippy::too_many_arguments, reason = "what was asked, and all that came of it")]
fn measured(
    case: &str,
    system: &str,
    world: &World,
    start: DateTime<Utc>,
    ec2: &Ec2,
    spent: &Spent,
    ids: &[String],
    each: usize,
) -> Measured {
    let curve = created(world, start, ec2.speed);
    let (creates, wanted) = (world.history().action("CreateSnapshot"), ids.len() * each);
    let seconds = curve.last().map_or(0.0, |(seconds, _)| *seconds);
    let mut made = BTreeMap::<String, usize>::new();
    world.snapshots().iter().for_each(|snapshot| *made.entry(snapshot.volume.to_string()).or_default() += 1);
    let missing: usize = ids.iter().map(|id| each.saturating_sub(made.get(id).copied().unwrap_or_default())).sum();
    let twice = made.values().filter(|count| **count > each).count();
    let in_time = curve.iter().filter(|(seconds, _)| *seconds <= LAMBDA_ENDS).count();
    let jobs = wanted.max(1) as f64;
    Measured {
        case: case.into(),
        system: system.into(),
        figures: vec![
            ("seconds", seconds),
            // What is not made has no time: only whoever makes all is held against the floor.
            ("% of the floor's rate", if missing == 0 { 100.0 * ec2.floor(wanted) / seconds.max(0.001) } else { 0.0 }),
            ("calls", creates.calls as f64),
            ("throttled %", 100.0 * creates.throttled as f64 / creates.calls.max(1) as f64),
            ("without a snapshot", missing as f64),
            ("dead-lettered", spent.dead as f64),
            ("twice", twice as f64),
            ("made in 15 minutes", in_time as f64),
            ("CPU ms per job", 1000.0 * spent.cpu / jobs),
            ("peak MB", spent.peak_mb),
        ],
        curve,
    }
}

/// Snapshots that were made, by seconds of life since `start`.
pub fn created(world: &World, start: DateTime<Utc>, speed: f64) -> Vec<(f64, f64)> {
    let history = world.history();
    let made = history.calls_from(0).iter().filter(|call| &*call.action == "CreateSnapshot" && &*call.outcome == "ok");
    let seconds = |at: DateTime<Utc>| (at - start).max(TimeDelta::zero()).as_seconds_f64() * speed;
    made.zip(1..).map(|(call, count)| (seconds(call.at), f64::from(count))).collect()
}

fn targets(report: &Report, volumes: usize) -> Vec<Target> {
    let (case, ours) = (format!("{volumes} volumes"), System::Snapkeep.name());
    let figure = |system: &str, name: &str| report.median(&case, system, name);
    let mut targets = Vec::new();
    if let Some(rate) = figure(ours, "% of the floor's rate").filter(|_| volumes >= 1000) {
        targets.push(Target::at_least("% of the floor's rate, at least 95", rate, 95.0));
    }
    if let Some(throttled) = figure(ours, "throttled %") {
        targets.push(Target::at_most("% of calls throttled, at most 1", throttled, 1.0));
    }
    if let Some(dead) = figure(ours, "dead-lettered") {
        targets.push(Target::at_most("healthy volumes dead-lettered, none", dead, 0.0));
    }
    targets
}

fn curves(report: &Report, volumes: usize, ec2: &Ec2) -> Plot {
    let mut lines: Vec<Line> = Vec::new();
    for measured in &report.measured {
        if lines.iter().all(|line| line.name != measured.system) {
            lines.push(Line { name: measured.system.clone(), points: measured.curve.clone() });
        }
    }
    let floor = vec![(0.0, CAPACITY.min(volumes as f64)), (ec2.floor(volumes), volumes as f64)];
    let limit = Some(Line { name: "EC2's limit".into(), points: floor });
    Plot {
        name: report.name.clone(),
        title: report.about.clone(),
        x: "seconds of life".into(),
        y: "snapshots".into(),
        is_logarithmic: false,
        lines,
        limit,
    }
}
