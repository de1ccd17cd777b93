//! Pruning a Region: twenty snapshots of each volume, of which one expires, as on any day.

use chrono::TimeDelta;
use serde_json::json;
use simulator::fleet::{Fleet, SnapshotPlan, tags};
use simulator::server::Server;
use simulator::world::World;

use crate::Result;
use crate::drain::DEFAULT_RATE;
use crate::report::{Measured, Report, Target};
use crate::stage::{ACCOUNT, Ec2, Place, REGION};
use crate::systems::{Pipeline, Spent, System, custodian, script, snapkeep};

const OF_EACH: usize = 20;
const SYSTEMS: [System; 3] = [System::Snapkeep, System::Careful, System::Custodian];

/// Each number of snapshots, each system.
pub async fn measure(place: &Place, sizes: &[usize], speed: f64) -> Result<()> {
    let about = format!("one of twenty snapshots of each volume expires, {speed} times as fast as in life");
    let mut report = Report::new("pruning", about);
    for _ in 0..place.runs {
        for snapshots in sizes {
            for system in SYSTEMS {
                let measured = one(place, system, *snapshots, speed).await?;

                report.measured.push(measured);
            }
        }
    }
    report.targets = targets(&report, sizes);
    report.publish(place)
}

async fn one(place: &Place, system: System, snapshots: usize, speed: f64) -> Result<Measured> {
    let ec2 = Ec2::at(speed);
    let world = ec2.world();
    let expiring = snapshots / OF_EACH;
    match system {
        System::Snapkeep => ours(&world, expiring),
        _ => theirs(&world, expiring, snapshots - expiring),
    }
    let server = Server::start_local(world).await?;
    let start = server.world.clock.now();
    let spent = match system {
        System::Snapkeep => {
            let policy = json!({
                "action": "prune", "regions": [REGION], "cap": {"percent": 100}, "scheduled_time": "2026-11-20T03:00:00Z",
            });
            let pipeline = Pipeline { policies: vec![policy], lanes: 1, rate: DEFAULT_RATE * speed };
            snapkeep(place, &server.url, &ec2, &pipeline).await?
        }
        System::Custodian => custodian(place, "custodian-delete.yml", &server.url).await?,
        _ => script(place, "careful", &server.url, json!({"action": "prune"})).await?,
    };
    let seconds = (server.world.clock.now() - start).as_seconds_f64() * speed;
    Ok(measured(system, snapshots, expiring, &server.world, seconds, &spent))
}

/// Ours, under a rule that keeps all but one of each volume.
fn ours(world: &World, volumes: usize) {
    let retain = (OF_EACH - 1).to_string();
    let ours = [("snapkeep:policy", "daily"), ("snapkeep:volume", "{volume}"), ("snapkeep:retain", retain.as_str())];
    let snapshot = SnapshotPlan { tags: tags(&ours), ..SnapshotPlan::default() };
    Fleet { snapshots_per_volume: OF_EACH, snapshot, ..Fleet::new(ACCOUNT, REGION, volumes) }.build(world);
}

/// As many, of which as many are due: by `DeleteOn` and by age. The peers do not look at whose they are.
fn theirs(world: &World, due: usize, stay: usize) {
    let build = |volumes: usize, of_each: usize, delete_on: &str, every_seconds: i64| {
        let snapshot =
            SnapshotPlan { every_seconds, tags: tags(&[("DeleteOn", delete_on)]), ..SnapshotPlan::default() };
        Fleet { snapshots_per_volume: of_each, snapshot, ..Fleet::new(ACCOUNT, REGION, volumes) }.build(world);
    };
    build(due, 1, "2020-01-01", TimeDelta::days(30).num_seconds());
    build(stay / (OF_EACH - 1), OF_EACH - 1, "2099-01-01", TimeDelta::hours(1).num_seconds());
}

fn measured(system: System, snapshots: usize, expiring: usize, world: &World, seconds: f64, spent: &Spent) -> Measured {
    let history = world.history();
    let counts = history.by_action();
    let of =
        |action: &str| counts.iter().filter(|(name, _)| ***name == *action).map(|(_, count)| count.calls).sum::<u64>();
    let calls: u64 =
        counts.iter().filter(|(name, _)| ***name != *"GetCallerIdentity").map(|(_, count)| count.calls).sum();
    let deletes = history.action("DeleteSnapshot");
    let deleted = deletes.calls - deletes.throttled;
    let needed = (snapshots.div_ceil(1000) + expiring) as f64;
    Measured {
        case: format!("{snapshots} snapshots"),
        system: system.name().into(),
        figures: vec![
            ("seconds", seconds),
            ("deleted", deleted as f64),
            ("calls", calls as f64),
            ("looks", of("DescribeSnapshots") as f64),
            ("calls to pages and deletions", calls as f64 / needed),
            ("throttled %", 100.0 * deletes.throttled as f64 / deletes.calls.max(1) as f64),
            ("CPU ms per deletion", 1000.0 * spent.cpu / deleted.max(1) as f64),
            ("peak MB", spent.peak_mb),
            ("planner's peak MB", spent.planner.map_or(0.0, |planner| planner.peak_mb)),
        ],
        curve: Vec::new(),
    }
}

fn targets(report: &Report, sizes: &[usize]) -> Vec<Target> {
    let ours = System::Snapkeep.name();
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Vec::new() };
    let figure = |size: &usize, name: &str| report.median(&format!("{size} snapshots"), ours, name).unwrap_or_default();
    let calls = figure(last, "calls to pages and deletions");
    let mut targets = vec![Target::at_most("calls to pages and deletions, at most 1.05", calls, 1.05)];
    if first != last {
        for name in ["peak MB", "planner's peak MB"] {
            let ratio = figure(last, name) / figure(first, name).max(1.0);
            targets.push(Target::at_most(
                format!("{name}: from {first} to {last} snapshots, flat: at most 1.5 times"),
                ratio,
                1.5,
            ));
        }
    }
    targets
}
