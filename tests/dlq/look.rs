//! Looking: nothing is hidden, nothing is lost, and a person finds out what happened.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::vocabulary::job::Action;
use simulator::faults::Fault;
use simulator::fleet::tags;
use simulator::world::World;
use simulator::world::snapshot::SnapshotState;

use super::{Put, REGION, Terminal, dead, job_id, now, slot, stopped, unbacked, volumes};
use crate::prune::add_daily;
use crate::stack::ACCOUNT;

/// A plain receive, of whoever comes next, gets every letter at once and as it was.
async fn assert_all_there(terminal: &Terminal, letters: &[Put]) {
    assert_eq!(terminal.hidden().await, 0, "letters are hidden");
    let drained = terminal.stack.drain(&terminal.stack.queues.dlq).await;
    let bodies: BTreeSet<&str> = drained.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(drained.len(), letters.len());
    assert_eq!(bodies, letters.iter().map(|letter| letter.body.as_str()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_every_letter_by_cause_and_hides_none() {
    let terminal = Terminal::new(World::default(), 0).await;
    let empty = terminal.types("list").await;
    assert!(empty.exit == 0 && empty.out.contains("no dead letters"), "{}{}", empty.out, empty.err);

    let mut letters: Vec<Put> = (0..21).map(|n| unbacked(&format!("vol-0123456789abcd{n:03x}"))).collect();
    letters.push(Put { body: "hello\u{7f}\nworld".into(), attributes: None });
    let unreadable = ("poison", "UnreadableMessage".into(), "`body` is no job".into());
    letters.push(Put { body: "{}".into(), attributes: Some(unreadable) });
    let moved = unbacked("vol-0123456789abcdfff");
    letters.push(Put { attributes: None, ..moved.clone() });
    terminal.put(&letters).await;

    let said = terminal.types("list").await;
    assert_eq!(said.exit, 0, "{}", said.err);
    let words = ["24 dead letters of 4 causes", "TagLimitExceeded", "more than 50 tags", "MaxReceiveCount", "3d23h"];
    words.iter().for_each(|word| assert!(said.out.contains(word), "{word} is missing from {}", said.out));
    let listed = terminal.json("list").await;
    let ids = listed["letters"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap());
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), 24);
    let counts = listed["causes"].as_array().unwrap().iter().map(|row| row["letters"].as_u64().unwrap());
    assert_eq!(counts.collect::<Vec<_>>(), [21, 1, 1, 1]);
    let one = terminal.json("list --class poison --volume vol-0123456789abcdfff").await;
    assert_eq!((&one["matching"], &one["letters"][0]["code"]), (&json!(1), &json!("MaxReceiveCount")));

    let shown = terminal.types(&format!("show {}", job_id(&moved))).await;
    assert!(shown.exit == 0 && shown.out.contains("vol-0123456789abcdfff in eu-central-1"), "{}", shown.out);
    let id = listed["letters"].as_array().unwrap().iter().find(|row| row["body"] == "{}").unwrap()["id"].clone();
    let shown = terminal.types(&format!("show {}", id.as_str().unwrap())).await;
    assert!(shown.exit == 0 && shown.out.contains("not a job that can be read"), "{}", shown.out);
    let missing = terminal.types("show nothing").await;
    assert!(missing.exit == 1 && missing.err.contains("not among the 24 dead letters"), "{}", missing.err);
    assert_all_there(&terminal, &letters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_stopped_while_it_reads_gives_every_letter_back() {
    let terminal = Terminal::new(World::default(), 0).await;
    let letters: Vec<Put> = (0..200).map(|n| unbacked(&format!("vol-0123456789abcd{n:03x}"))).collect();
    terminal.put(&letters).await;
    let list = terminal.begins("list").await;
    terminal.until_reading().await;
    let said = stopped(list).await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("the letters were given back"), "{}", said.err);
    assert_all_there(&terminal, &letters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_reading_fails_gives_every_letter_back() {
    let terminal = Terminal::new(World::default(), 0).await;
    let letters: Vec<Put> = (0..200).map(|n| unbacked(&format!("vol-0123456789abcd{n:03x}"))).collect();
    terminal.put(&letters).await;
    let list = terminal.begins("list").await;
    terminal.until_reading().await;
    terminal.stack.proxy.fail("ReceiveMessage", "dlq.fifo", "AccessDenied", 1000);
    let said = super::ended(list).await;
    assert!(said.exit == 1 && said.err.contains("AccessDenied"), "{}{}", said.out, said.err);
    assert_all_there(&terminal, &letters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_cannot_be_given_back_are_told_of() {
    let terminal = Terminal::new(World::default(), 0).await;
    let letters: Vec<Put> = (0..12).map(|n| unbacked(&format!("vol-0123456789abcd{n:03x}"))).collect();
    terminal.put(&letters).await;
    terminal.stack.proxy.fail("ChangeMessageVisibilityBatch", "dlq.fifo", "AccessDenied", 1000);
    let said = terminal.types("list").await;
    assert!(said.exit == 0 && said.out.contains("12 dead letters of 1 cause"), "{}{}", said.out, said.err);
    assert!(said.out.contains("warning: 12 dead letters could not be given back"), "{}", said.out);
    assert_eq!(terminal.hidden().await, 12, "they come into sight by themselves, in minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_apart_what_is_gone_backed_up_under_way_and_needed() {
    let world = World::default();
    let volumes = volumes(&world, 6);
    let [needed, backed, later, pending, pruned, unpruned] = volumes.as_slice() else { panic!() };
    let elsewhere = json!({"account": "210987654321"});
    let failure = ("permanent", "TagLimitExceeded", "more than 50 tags");
    let of = |volume: &str, action| dead(volume, action, failure, json!({}));
    let letters = [
        unbacked("vol-0123456789abcdfff"),
        unbacked(needed),
        unbacked(backed),
        unbacked(later),
        unbacked(pending),
        of(pruned, Action::Prune),
        of(unpruned, Action::Prune),
        dead(needed, Action::Snapshot, failure, elsewhere),
        Put { body: "hello".into(), attributes: None },
    ];
    let add = |volume: &str, pairs: &[(&str, &str)]| {
        world.add_snapshot(ACCOUNT, REGION, volume, tags(pairs), now() - chrono::TimeDelta::hours(1))
    };
    let own = add(backed, &[("snapkeep:policy", "daily"), ("snapkeep:job", &job_id(&letters[2]))]);
    let (today, before) = (now().to_rfc3339(), (slot() - chrono::TimeDelta::days(1)).to_rfc3339());
    let newer = add(later, &[("snapkeep:policy", "daily"), ("snapkeep:slot", &today)]);
    add(needed, &[("snapkeep:policy", "daily"), ("snapkeep:slot", &before)]);
    let running = add(pending, &[("snapkeep:policy", "daily"), ("snapkeep:slot", &today)]);
    world.region(REGION, |region| {
        region.snapshots.change(&running, |snapshot| {
            (snapshot.state, snapshot.settles) = (SnapshotState::Pending, now() + chrono::TimeDelta::days(1));
        });
    });
    add_daily(&world, pruned, 3, "3");
    add_daily(&world, unpruned, 5, "3");
    let terminal = Terminal::new(world, 0).await;
    terminal.put(&letters).await;

    let explained = terminal.json("explain").await;
    let rows = explained["letters"].as_array().unwrap();
    let of = |letter: &Put| rows.iter().find(|row| row["id"] == json!(job_id(letter))).unwrap();
    let check = |letter: &Put, need: &str, why: &str| {
        let row = of(letter);
        assert!(row["need"] == need && row["why"].as_str().unwrap().contains(why), "{need}, {why}: {row}");
    };
    check(&letters[0], "gone", "not there any more");
    check(&letters[1], "needed", "no snapshot of daily since the slot");
    check(&letters[2], "backed-up", &format!("{own} of this job"));
    check(&letters[3], "backed-up", &format!("{newer} of the slot"));
    check(&letters[4], "under-way", &running);
    check(&letters[5], "done", "no rule lets go");
    check(&letters[6], "needed", "no rule keeps 2 snapshots");
    check(&letters[7], "unknown", "it is in 210987654321");
    let counts = json!({"gone": 1, "needed": 2, "backed-up": 2, "under-way": 1, "done": 1, "unknown": 2});
    assert_eq!(explained["needs"], counts);

    let said = terminal.types("explain").await;
    assert_eq!(said.exit, 3, "an account could not be asked: {}", said.err);
    for words in ["error: 1 unknown: seen from account", "snapkeep dlq redrive", "--need gone,backed-up,done"] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
    let calls = terminal.stack.world().history().action("DescribeSnapshots").calls;
    assert_eq!(calls, 2, "one call for all volumes of a Region, each time");
    assert_all_there(&terminal, &letters).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_ec2_cannot_be_asked_nothing_is_said_and_nothing_is_sent() {
    let world = World::default();
    let volumes = volumes(&world, 2);
    world
        .faults()
        .set(Fault::on("DescribeSnapshots", 403, "UnauthorizedOperation", "not authorized").in_region(REGION));
    let terminal = Terminal::new(world, 0).await;
    terminal.put(&[unbacked(&volumes[0]), unbacked(&volumes[1])]).await;
    let said = terminal.types("explain").await;
    assert!(said.exit == 3 && said.out.contains("error: 2 unknown: could not list snapshots"), "{}", said.out);
    let said = terminal.types("redrive --yes").await;
    assert!(said.exit == 3 && said.out.contains("Nothing is to be sent again."), "{}{}", said.out, said.err);
    let planned: Value = terminal.json("redrive --all --dry-run").await;
    assert_eq!(planned["plan"]["count"], 2);
}
