//! Ten Regions: each is a lane of its own, and none hinders another.

use std::collections::BTreeMap;

use simulator::server::Server;

use crate::Result;
use crate::drain::DEFAULT_RATE;
use crate::report::{Measured, Report, Target};
use crate::stage::{Ec2, Place, fleet};
use crate::systems::{Pipeline, System, daily, snapkeep};

/// The Regions that are drained.
const REGIONS: [&str; 10] = [
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-north-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-south-1",
    "ap-southeast-1",
    "sa-east-1",
];

/// Evenly, with half of all in one, and the largest lane of each alone.
pub async fn measure(place: &Place, volumes: usize, speed: f64) -> Result<()> {
    let about = format!("{volumes} volumes in ten Regions, {speed} times as fast as in life");
    let mut report = Report::new("regions", about);
    let even = vec![volumes / REGIONS.len(); REGIONS.len()];
    let rest = (volumes - volumes / 2) / (REGIONS.len() - 1);
    let half = [vec![volumes / 2], vec![rest; REGIONS.len() - 1]].concat();
    for _ in 0..place.runs {
        for (case, sizes) in [("evenly", &even), ("half in one Region", &half)] {
            let alone = drained(place, speed, &sizes[..1]).await?;
            let together = drained(place, speed, sizes).await?;
            let seconds = |ends: &BTreeMap<String, f64>| ends.values().copied().fold(0.0, f64::max);
            report.measured.push(Measured {
                case: case.into(),
                system: System::Snapkeep.name().into(),
                figures: vec![
                    ("largest lane", sizes[0] as f64),
                    ("seconds, alone", seconds(&alone.0)),
                    ("seconds, all", seconds(&together.0)),
                    ("all to alone", seconds(&together.0) / seconds(&alone.0)),
                    ("throttled %", together.1),
                    ("workers", together.2),
                ],
                curve: Vec::new(),
            });
        }
    }
    for case in ["evenly", "half in one Region"] {
        if let Some(ratio) = report.median(case, System::Snapkeep.name(), "all to alone") {
            report.targets.push(Target::at_most(
                format!("{case}: all to the largest lane alone, at most 1.03"),
                ratio,
                1.03,
            ));
        }
    }
    report.publish(place)
}

/// When the last snapshot of each Region was made, in seconds of life; the share of calls throttled; the workers.
async fn drained(place: &Place, speed: f64, sizes: &[usize]) -> Result<(BTreeMap<String, f64>, f64, f64)> {
    let ec2 = Ec2::at(speed);
    let world = ec2.world();
    for (region, volumes) in REGIONS.iter().zip(sizes) {
        fleet(&world, region, *volumes);
    }
    let server = Server::start_local(world).await?;
    let regions: Vec<String> = REGIONS.iter().take(sizes.len()).map(|region| (*region).into()).collect();
    let rate = DEFAULT_RATE * speed;
    let start = server.world.clock.now();
    let pipeline = Pipeline { policies: vec![daily("daily", &regions)], lanes: regions.len(), rate };
    let spent = snapkeep(place, &server.url, &ec2, &pipeline).await?;
    let history = server.world.history();
    let mut ends = BTreeMap::new();
    for call in history.calls_from(0).iter().filter(|call| &*call.action == "CreateSnapshot" && &*call.outcome == "ok")
    {
        ends.insert(call.region.to_string(), (call.at - start).as_seconds_f64() * speed);
    }
    let creates = history.action("CreateSnapshot");
    let throttled = 100.0 * creates.throttled as f64 / creates.calls.max(1) as f64;
    Ok((ends, throttled, spent.worker.map_or(0, |total| total.environments) as f64))
}
