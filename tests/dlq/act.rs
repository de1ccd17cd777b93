//! Sending again and dropping: only what was shown, nothing lost, nothing twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::{Fleet, tags};
use simulator::world::World;

use super::{Put, REGION, Terminal, job_id, now, stopped, unbacked, volumes};
use crate::stack::ACCOUNT;

fn policy() -> Value {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    })
}

/// The jobs on the jobs queue, each message once.
async fn on_the_way(terminal: &Terminal) -> Vec<Value> {
    let messages = terminal.stack.drain(&terminal.stack.queues.jobs).await;
    messages.iter().map(|(body, _)| serde_json::from_str(body).unwrap()).collect()
}

fn ids(jobs: &[Value]) -> BTreeSet<String> {
    jobs.iter().map(|job| job["job"].as_str().unwrap().into()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_needed_is_redriven_through_the_real_worker_and_what_is_backed_up_since_is_not() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 8).build(&world);
    for volume in &volumes[..3] {
        let fault = Fault::on("CreateSnapshot", 400, "TagLimitExceeded", "more than 50 tags");
        world.faults().set(fault.for_resource(volume));
    }
    let terminal = Terminal::new(world, 1).await;
    let stack = &terminal.stack;
    stack.plan(&policy()).await.unwrap();
    stack.settle().await;
    assert_eq!((stack.waiting(&stack.queues.dlq).await, stack.snapshots().len()), (3, 5));

    stack.world().faults().clear();
    let since = [("snapkeep:policy", "daily"), ("snapkeep:slot", "2026-11-21T02:00:00Z")];
    let started = now() - chrono::TimeDelta::minutes(1);
    stack.world().add_snapshot(ACCOUNT, REGION, &volumes[0], tags(&since), started);
    let refused = terminal.types("redrive").await;
    assert!(refused.exit == 2 && refused.err.contains("--yes"), "{}{}", refused.out, refused.err);
    assert_eq!(stack.waiting(&stack.queues.jobs).await, 0);
    let said = terminal.types("redrive --yes").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    for words in ["2 dead letters to send to jobs.fifo", "stays: backed up since", "Sent 2 of 2 dead letters"] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
    stack.settle().await;
    stack.assert_one_snapshot_each("daily", &volumes);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 1, "what is backed up since stays until it is dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_is_stopped_and_repeated_loses_none_and_sends_none_twice() {
    let world = World::default();
    let volumes = volumes(&world, 60);
    let terminal = Terminal::new(world, 0).await;
    let letters: Vec<Put> = volumes.iter().map(|volume| unbacked(volume)).collect();
    terminal.put(&letters).await;
    let stack = &terminal.stack;

    let redrive = terminal.begins("redrive --yes --rate 20").await;
    while stack.waiting(&stack.queues.jobs).await < 12 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let said = stopped(redrive).await;
    assert_eq!(said.exit, 3, "{}{}", said.out, said.err);
    assert!(said.out.contains("Stopped: the other"), "{}", said.out);
    let (sent, left) = (stack.waiting(&stack.queues.jobs).await, stack.waiting(&stack.queues.dlq).await);
    assert!(sent + left == 60 && sent < 50, "{sent} sent, {left} left");
    assert_eq!(terminal.hidden().await, 0, "what was not sent was given back");

    let limited = terminal.types("redrive --yes --limit 5 --rate 300").await;
    assert!(limited.exit == 0 && limited.out.contains("beyond --limit"), "{}", limited.out);
    assert_eq!(stack.waiting(&stack.queues.dlq).await, left - 5);
    assert_eq!(terminal.types("redrive --yes --rate 300").await.exit, 0);
    let jobs = on_the_way(&terminal).await;
    assert_eq!((jobs.len(), ids(&jobs)), (60, letters.iter().map(job_id).collect()));
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    let is_new = |job: &Value| job["attempt"] == 1 && job["give_up_at"].is_string() && job["told"] == true;
    assert!(jobs.iter().all(|job| is_new(job) && job["failure"]["code"] == "TagLimitExceeded"), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_was_sent_and_not_deleted_is_one_message_when_it_is_sent_again() {
    let world = World::default();
    let volumes = volumes(&world, 8);
    let terminal = Terminal::new(world, 0).await;
    let letters: Vec<Put> = volumes.iter().map(|volume| unbacked(volume)).collect();
    terminal.put(&letters).await;
    terminal.stack.proxy.fail("DeleteMessageBatch", "dlq.fifo", "AccessDenied", 1000);
    let said = terminal.types("redrive --yes").await;
    assert!(said.exit == 3 && said.out.contains("was sent, and is still here"), "{}{}", said.out, said.err);
    terminal.stack.proxy.clear();
    let said = terminal.types("redrive --yes").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let jobs = on_the_way(&terminal).await;
    assert_eq!((jobs.len(), ids(&jobs)), (8, letters.iter().map(job_id).collect()));
    assert_eq!(terminal.stack.waiting(&terminal.stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_cannot_be_sent_stays_and_is_told() {
    let world = World::default();
    let volumes = volumes(&world, 3);
    let terminal = Terminal::new(world, 0).await;
    terminal.put(&volumes.iter().map(|volume| unbacked(volume)).collect::<Vec<_>>()).await;
    terminal.stack.proxy.fail("SendMessage", "jobs.fifo", "AccessDenied", 1000);
    let said = terminal.types("redrive --yes").await;
    assert_eq!(said.exit, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("Sent 0 of 3") && said.out.contains("AccessDenied"), "{}", said.out);
    assert_eq!((terminal.hidden().await, terminal.stack.waiting(&terminal.stack.queues.dlq).await), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_sent_again_only_when_somebody_points_at_it() {
    let world = World::default();
    let volume = volumes(&world, 1).remove(0);
    let terminal = Terminal::new(world, 0).await;
    let moved = Put { attributes: None, ..unbacked(&volume) };
    terminal.put(&[moved.clone(), Put { body: "hello".into(), attributes: None }]).await;
    let planned = terminal.json("redrive --dry-run --policy daily").await;
    assert_eq!(planned["plan"]["count"], 0);
    let said = terminal.types("redrive --yes --class poison").await;
    assert!(said.exit == 0 && said.out.contains("Sent 2 of 2"), "{}{}", said.out, said.err);
    let sent = terminal.stack.drain(&terminal.stack.queues.jobs).await;
    let bodies: BTreeSet<String> = sent.into_iter().map(|(body, _)| body).collect();
    assert!(bodies.len() == 2 && bodies.contains("hello"), "{bodies:?}");
}

/// SQS shows no more of a message group while ten of it are out.
#[tokio::test(flavor = "multi_thread")]
async fn letters_behind_ten_of_their_group_are_told_of_and_come_after_those() {
    let world = World::default();
    let volumes = volumes(&world, 14);
    let terminal = Terminal::new(world, 0).await;
    let letters: Vec<Put> = volumes.iter().map(|volume| Put { attributes: None, ..unbacked(volume) }).collect();
    terminal.put_in(&letters, Some("lane")).await;
    let listed = terminal.json("list").await;
    assert_eq!((&listed["matching"], listed["notes"].as_array().unwrap().len()), (&json!(10), 1));
    assert!(listed["notes"][0].as_str().unwrap().contains("SQS counts 14 dead letters and shows 10"), "{listed}");
    for sent in [10, 4] {
        let said = terminal.types("redrive --yes --class poison").await;
        let expected = format!("Sent {sent} of {sent}");
        assert!(said.exit == 0 && said.out.contains(&expected), "{expected}: {}{}", said.out, said.err);
    }
    assert_eq!(ids(&on_the_way(&terminal).await), letters.iter().map(job_id).collect());
}

/// What SQS's own redrive sends: the body as it is, as a new message.
#[tokio::test(flavor = "multi_thread")]
async fn sqs_own_redrive_of_a_letter_makes_its_snapshot_too() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 1).build(&world);
    let fault = Fault::on("CreateSnapshot", 400, "ConcurrentTagAccess", "busy");
    world.faults().set(fault.for_resource(&volumes[0]));
    let terminal = Terminal::new(world, 0).await;
    let stack = &terminal.stack;
    let spent = json!({"attempt": 5});
    let failure = ("transient", "ConcurrentTagAccess", "busy");
    let letter = super::dead(&volumes[0], shared::vocabulary::job::Action::Snapshot, failure, spent);
    terminal.put(std::slice::from_ref(&letter)).await;
    let (body, _) = stack.drain(&stack.queues.dlq).await.remove(0);
    stack.world().faults().clear();
    stack.send_job(&body, &job_id(&letter)).await;
    let mut terminal = terminal;
    terminal.stack.add_worker(std::time::Duration::from_secs(60)).await;
    terminal.stack.settle().await;
    terminal.stack.assert_one_snapshot_each("daily", &volumes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_has_a_reason_is_kept_in_a_file_and_is_told() {
    let world = World::default();
    let volumes = volumes(&world, 2);
    let terminal = Terminal::new(world, 0).await;
    let gone: Vec<Put> = (0..12).map(|n| unbacked(&format!("vol-0123456789abcd{n:03x}"))).collect();
    let needed: Vec<Put> = volumes.iter().map(|volume| unbacked(volume)).collect();
    terminal.put(&[&gone[..], &needed[..]].concat()).await;
    let stack = &terminal.stack;
    let log = terminal.folder.join("dropped.jsonl");
    let line = |options: &str| format!("drop --log {} {options}", log.display());

    for (options, words) in [
        ("--need gone --yes", "--reason"),
        ("--need gone --reason  --yes", "say why"),
        ("--reason mistake --yes", "say which with a filter"),
        ("--need gone --reason mistake", "--yes"),
    ] {
        let said = terminal.types(&line(options)).await;
        assert!(said.exit == 2 && said.err.contains(words), "{options}: {}", said.err);
    }
    let unwritable = terminal.types("drop --log /nowhere/dropped.jsonl --all --reason mistake --yes").await;
    assert!(unwritable.exit == 1 && unwritable.err.contains("nothing was deleted"), "{}", unwritable.err);
    stack.proxy.fail("SendMessage", "inbox", "AccessDenied", 1000);
    let untold = terminal.types(&line("--all --reason mistake --yes")).await;
    assert!(untold.exit == 1 && untold.err.contains("nobody could be told"), "{}", untold.err);
    stack.proxy.clear();
    assert_eq!((terminal.hidden().await, stack.waiting(&stack.queues.dlq).await), (0, 14), "none of it deletes");
    std::fs::remove_file(&log).unwrap();

    let said = terminal.types(&line("--need gone --reason mistake --yes")).await;
    assert!(said.exit == 0 && said.out.contains("Deleted 12 of 12"), "{}{}", said.out, said.err);
    let text = std::fs::read_to_string(&log).unwrap();
    let kept: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bodies: BTreeSet<&str> = kept.iter().map(|line| line["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, gone.iter().map(|letter| letter.body.as_str()).collect());
    assert!(kept.iter().all(|line| line["reason"] == "mistake" && line["by"] == "eve"), "{text}");
    let reports = stack.drain(&stack.queues.inbox).await;
    let report: Value = serde_json::from_str(&reports[0].0).unwrap();
    assert_eq!((reports.len(), &report["report"], &report["count"]), (1, &json!("dropped"), &json!(12)));
    assert_eq!(
        (&report["policy"], &report["by"], report["jobs"].as_array().unwrap().len()),
        (&json!("daily"), &json!("eve"), 10)
    );

    let left = stack.drain(&stack.queues.dlq).await;
    let left: BTreeSet<&str> = left.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(left, needed.iter().map(|letter| letter.body.as_str()).collect());
}
