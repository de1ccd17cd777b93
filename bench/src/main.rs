//! Measurements: snapkeep as it ships, beside what one would take instead, against EC2's own limits. README.md says what
//! each figure means and what it does not show.

mod binaries;
mod cost;
mod drain;
mod lambda;
mod machine;
mod mapping;
mod planning;
mod plot;
mod process;
mod pruning;
mod python;
mod regions;
mod report;
mod sqs;
mod stage;
mod start;
mod systems;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::stage::Place;
use crate::systems::System;

/// What can go wrong in a measurement is told, and ends it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures snapkeep beside its peers, prints tables, and writes JSON and plots.
#[derive(Debug, Parser)]
struct Options {
    /// The folder with planner, worker and notifier of the `ship` profile. Without it they are built, which takes a
    /// quarter of an hour the first time.
    #[arg(long, global = true)]
    binaries: Option<PathBuf>,
    /// Where results go.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
    /// How often each measurement is repeated: the median counts, and min and max are shown.
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Volumes in one lane, under EC2's limits: how near to the floor, and what is lost.
    Drain(Drain),
    /// Ten Regions, evenly and with half of all in one: whether lanes hinder each other.
    Regions(Regions),
    /// Two policies that select the same volumes, at once.
    Policies(Drain),
    /// Planning in thirty Regions.
    Planning(Planning),
    /// Pruning a Region.
    Pruning(Pruning),
    /// From exec to the first poll, and to the first job.
    Start,
    /// What 100,000 volumes cost, by measured calls and times.
    Cost,
    /// Everything small, to see that it works: under a minute.
    Quick,
}

/// What a drain is of.
#[derive(Debug, Clone, Args)]
struct Drain {
    /// Volumes in the lane; each number is a measurement of its own.
    #[arg(long, value_delimiter = ',', default_value = "300,1000")]
    volumes: Vec<usize>,
    /// EC2's limits, latencies and our pace so many times as fast as in life. A bucket holds 100 as in life.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Another program in the account takes half of what the bucket refills.
    #[arg(long)]
    neighbour: bool,
    /// `SNAPKEEP_CREATE_RATE`, in calls a second of life; without it, its default.
    #[arg(long)]
    rate: Option<f64>,
    /// Whom to measure.
    #[arg(long, value_delimiter = ',', default_value = "snapkeep,delete-on,keyword,careful,custodian,wiring")]
    systems: Vec<System>,
    /// Environments that the recommended wiring may have. Lambda would give it up to a thousand.
    #[arg(long, default_value_t = 40)]
    environments: usize,
}

#[derive(Debug, Clone, Args)]
struct Regions {
    /// Volumes in all.
    #[arg(long, default_value_t = 10_000)]
    volumes: usize,
    /// As of `drain`.
    #[arg(long, default_value_t = 4.0)]
    speed: f64,
}

#[derive(Debug, Clone, Args)]
struct Planning {
    /// Volumes in all, over thirty Regions.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    volumes: Vec<usize>,
}

#[derive(Debug, Clone, Args)]
struct Pruning {
    /// Snapshots in the Region, twenty of each volume, of which one expires.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    snapshots: Vec<usize>,
    /// As of `drain`.
    #[arg(long, default_value_t = 20.0)]
    speed: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    // Programs that are measured end with whoever measures them.
    let ended = tokio::select! {
        ended = run(Options::parse()) => ended,
        () = stopped() => Err("stopped".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn stopped() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

async fn run(options: Options) -> Result<()> {
    let place = Place::prepare(options.binaries, options.results, options.runs)?;
    match options.scenario {
        Scenario::Drain(drain) => drain::measure(&place, &drain).await,
        Scenario::Policies(drain) => drain::measure_two_policies(&place, &drain).await,
        Scenario::Regions(regions) => regions::measure(&place, regions.volumes, regions.speed).await,
        Scenario::Planning(planning) => planning::measure(&place, &planning.volumes).await,
        Scenario::Pruning(pruning) => pruning::measure(&place, &pruning.snapshots, pruning.speed).await,
        Scenario::Start => start::measure(&place).await,
        Scenario::Cost => cost::measure(&place).await,
        Scenario::Quick => quick(&place).await,
    }
}

async fn quick(place: &Place) -> Result<()> {
    let systems = vec![System::Snapkeep, System::Careful, System::Custodian, System::Wiring];
    let drain = Drain { volumes: vec![150], speed: 10.0, neighbour: false, rate: None, systems, environments: 4 };
    drain::measure(place, &drain).await?;
    regions::measure(place, 300, 10.0).await?;
    planning::measure(place, &[1000]).await?;
    pruning::measure(place, &[400], 20.0).await?;
    start::measure(place).await
}
