//! Five thousand dead letters of six causes, and what a new user types.

use std::collections::BTreeMap;

use serde_json::json;
use shared::vocabulary::job::Action;
use simulator::fleet::tags;
use simulator::world::World;
use simulator::world::snapshot::SnapshotState;
use tokio::time::Instant;

use super::{Put, REGION, Terminal, dead, job_id, now, volumes};
use crate::stack::ACCOUNT;

const OTHER_REGION: &str = "us-east-1";
const KEY: &str = "The KMS key used by the volume has been revoked.";
const BUSY: &str = "An internal error has occurred";
const QUOTA: &str = "You have exceeded the number of concurrent snapshots for this volume.";

/// Letters, and the world in which some of them are needed no more.
pub(crate) fn disaster(world: &World) -> Vec<Put> {
    let of_daily = |volume: &str, failure| dead(volume, Action::Snapshot, failure, json!({}));
    let volumes = volumes(world, 4200);
    let (revoked, rest) = volumes.split_at(2100);
    let (busy, rest) = rest.split_at(1400);
    let (full, denied) = rest.split_at(500);
    let mut letters: Vec<Put> = Vec::new();
    letters.extend(revoked.iter().map(|volume| of_daily(volume, ("configuration", "CustomerKeyHasBeenRevoked", KEY))));
    letters.extend(busy.iter().map(|volume| of_daily(volume, ("ambiguous", "InternalError", BUSY))));
    letters.extend(full.iter().map(|volume| of_daily(volume, ("quota", "ConcurrentSnapshotLimitExceeded", QUOTA))));
    letters.extend(denied.iter().chain(&gone(500)).enumerate().map(|(number, volume)| {
        let message = format!("You are not authorized to perform this operation. Encoded message: {number:08x}");
        dead(
            volume,
            Action::Snapshot,
            ("configuration", "UnauthorizedOperation", &message),
            json!({"policy": "weekly"}),
        )
    }));
    letters.extend((0..200).map(|number| Put {
        body: json!({"version": 2, "action": "snapshot", "job": format!("j-{number}")}).to_string(),
        attributes: Some((
            "poison",
            "UnreadableMessage".into(),
            "`version` is 2; allowed: at most 1; a newer message needs a newer worker".into(),
        )),
    }));
    let there = |number: usize| world.add_volume(ACCOUNT, OTHER_REGION, tags(&[("Number", &number.to_string())]));
    letters.extend((0..100).map(there).map(|volume| {
        let elsewhere = json!({"region": OTHER_REGION, "failure": null, "told": false});
        Put { attributes: None, ..dead(&volume, Action::Snapshot, ("poison", "", ""), elsewhere) }
    }));
    backed_up_since(world, busy, full);
    letters
}

fn gone(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("vol-0fedcba98765{number:05x}")).collect()
}

/// All that were busy have a snapshot of today, and half of those at their limit have one under way.
fn backed_up_since(world: &World, busy: &[String], full: &[String]) {
    let (slot, started) = (now().to_rfc3339(), now() - chrono::TimeDelta::minutes(1));
    let since = [("snapkeep:policy", "daily"), ("snapkeep:slot", slot.as_str())];
    for volume in busy {
        world.add_snapshot(ACCOUNT, REGION, volume, tags(&since), started);
    }
    for volume in &full[..full.len() / 2] {
        let snapshot = world.add_snapshot(ACCOUNT, REGION, volume, tags(&since), started);
        world.region(REGION, |region| {
            region.snapshots.change(&snapshot, |snapshot| {
                (snapshot.state, snapshot.settles) = (SnapshotState::Pending, now() + chrono::TimeDelta::days(1));
            });
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: MiniStack takes time for each message that lies in a FIFO queue already"]
async fn five_thousand_dead_letters_of_six_causes_as_a_new_user_meets_them() {
    let world = World::default();
    let letters = disaster(&world);
    assert_eq!(letters.len(), 5000);
    let terminal = Terminal::new(world, 0).await;
    terminal.put(&letters).await;
    let log = terminal.folder.join("dropped.jsonl");

    let mut said = BTreeMap::new();
    for (name, line) in [
        ("list", "list".into()),
        ("show", format!("show {}", job_id(&letters[0]))),
        ("explain", "explain".into()),
        ("one cause", "list --code UnauthorizedOperation".into()),
        ("redrive", "redrive --limit 100 --yes".into()),
        ("drop", format!("drop --need gone,backed-up --reason mistake --yes --log {}", log.display())),
        ("after", "list".into()),
    ] {
        let started = Instant::now();
        let answer = terminal.types(&line).await;
        println!("\n$ snapkeep dlq {line}\n{}{}", answer.out, answer.err);
        println!("[exit code {}, {:.1} s]", answer.exit, started.elapsed().as_secs_f64());
        said.insert(name, answer);
    }
    let check = |name: &str, words: &[&str]| {
        let answer = &said[name];
        assert_eq!(answer.exit, 0, "{name}: {}", answer.err);
        words.iter().for_each(|words| assert!(answer.out.contains(words), "{name}: {words} is missing"));
    };
    check("list", &["5000 dead letters of 6 causes", "700 different messages"]);
    check("show", &["CustomerKeyHasBeenRevoked", "snapkeep dlq redrive --job"]);
    check("explain", &["2650", "1400", "--need gone,backed-up"]);
    check("redrive", &["Sent 100 of 100"]);
    check("drop", &["Deleted 1900 of 1900"]);
    check("after", &["3000 dead letters of 5 causes"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1900);
    let dead = terminal.stack.waiting(&terminal.stack.queues.dlq).await;
    assert_eq!((dead, terminal.stack.waiting(&terminal.stack.queues.jobs).await), (3000, 100));
}
