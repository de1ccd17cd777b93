//! `snapkeep coverage` as an operator types it, and the audit of a deployed planner.

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::tags;
use simulator::server::Server;
use simulator::text::text;
use simulator::world::World;

use crate::prune::{REGION, add, add_daily};
use crate::stack::{ACCOUNT, Stack};
use crate::typed::{Said, snapkeep};

/// A policy on standard input.
pub(super) fn policy() -> String {
    json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}, "exclude_tags": {"Scratch": []}},
        "retain": "7", "regions": [REGION],
    })
    .to_string()
}

/// One volume that is fresh, one whose name is hostile and that has no backup, one that is left out, one of no policy.
pub(super) fn world() -> (World, Vec<String>) {
    let world = World::default();
    let backup = |name| tags(&[("Backup", "true"), ("Name", name)]);
    let fresh = world.add_instance(ACCOUNT, REGION, backup("db"), 1).1.remove(0);
    let never = world.add_instance(ACCOUNT, REGION, backup("=cmd(),\u{1b}[31mred"), 1).1.remove(0);
    let scratch = world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true"), ("Scratch", "")]), 1).1.remove(0);
    let stray = world.add_volume(ACCOUNT, REGION, tags(&[("Name", "stray")]));
    add_daily(&world, &fresh, 3, "7");
    let volumes = vec![fresh, never, scratch, stray];
    // Before the first day of a report by more than an RPO, at whatever hour.
    let long_ago = world.clock.now() - TimeDelta::days(40);
    volumes.iter().for_each(|volume| world.change_volume(REGION, volume, |volume| volume.created = long_ago));
    (world, volumes)
}

async fn coverage(server: &Server, line: &str) -> Said {
    snapkeep(&server.url, format!("coverage --file - {line}").trim(), &policy()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_covered_is_shown_and_the_exit_code_says_so() {
    let (world, volumes) = world();
    let server = Server::start_local(world).await.unwrap();
    let said = coverage(&server, "").await;
    assert_eq!(said.exit, 4, "{}{}", said.out, said.err);
    for words in ["there is no backup", &volumes[1], "1 of 2 volumes can be restored", "in no policy: eu-central-1: "] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
    assert!(said.out.contains(&volumes[3]) && !said.out.contains(&volumes[0]), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "a name gives the terminal orders: {}", said.out);
    assert!(said.out.contains("3 (0%)"), "three snapshots of the quota: {}", said.out);

    let fresh = coverage(&server, "--only fresh").await;
    assert_eq!((fresh.exit, fresh.out.contains(&volumes[0])), (4, true), "what is shown does not change the exit code");
    let never = ("snapkeep:policy", "daily");
    add(&server.world, &volumes[1], 0, &[never]);
    let covered = coverage(&server, "").await;
    assert_eq!((covered.exit, covered.out.contains("2 of 2 volumes can be restored")), (0, true), "{}", covered.out);
    let strict = coverage(&server, "--rpo 30m").await;
    assert_eq!(strict.exit, 0, "a minute old: {}", strict.out);
    assert_eq!(server.world.history().action("CreateSnapshot").calls, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_every_volume_and_a_name_is_no_formula() {
    let (world, volumes) = world();
    let server = Server::start_local(world).await.unwrap();
    let json: Value = serde_json::from_str(&coverage(&server, "--output json").await.out).unwrap();
    let found = &json["policies"][0];
    assert_eq!(found["coverage"]["regions"][0]["verdicts"], json!({"excluded": 1, "fresh": 1, "never": 1}));
    assert_eq!(found["coverage"]["regions"][0]["snapshots"]["count"], 3);
    let words: Vec<_> =
        found["volumes"].as_array().unwrap().iter().map(|row| (&row["volume"], &row["verdict"])).collect();
    let [fresh, never, scratch] = [0, 1, 2].map(|index: usize| json!(volumes[index]));
    assert_eq!(words, [(&never, &json!("never")), (&fresh, &json!("fresh")), (&scratch, &json!("excluded"))]);

    let csv = coverage(&server, "--output csv --only never").await;
    let expected = format!("daily,{ACCOUNT},{REGION},{},\"'=cmd(),", volumes[1]);
    assert_eq!((csv.exit, csv.out.lines().count()), (4, 2), "{}", csv.out);
    assert!(csv.out.lines().nth(1).unwrap().starts_with(&expected), "{}", csv.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_list_is_no_verdict() {
    let (world, volumes) = world();
    world.faults().set(Fault::on("DescribeVolumes", 400, "UnauthorizedOperation", "You are not authorized"));
    let server = Server::start_local(world).await.unwrap();
    let said = coverage(&server, "").await;
    assert_eq!(said.exit, 4, "{}{}", said.out, said.err);
    assert!(said.out.contains("unknown: daily: ") && said.out.contains("UnauthorizedOperation"), "{}", said.out);
    assert!(said.out.contains("one place is unknown"), "{}", said.out);
    assert!(volumes.iter().all(|volume| !said.out.contains(volume)), "{}", said.out);
    let csv = coverage(&server, "--output csv").await;
    assert!(csv.out.contains(&format!("daily,{ACCOUNT},{REGION},,,,unknown,")), "{}", csv.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_to_coverage_is_refused_by_its_name() {
    let (world, _) = world();
    let server = Server::start_local(world).await.unwrap();
    for (line, words) in [
        ("--rpo 5m", "`rpo` is \"5m\"; allowed: minutes, hours or days"),
        ("--only old", "invalid value 'old'"),
        ("--policy weekly", "none of the files has a policy weekly"),
        ("--regions Frankfurt", "`regions` is \"Frankfurt\""),
    ] {
        let said = coverage(&server, line).await;
        assert_eq!((said.exit, said.err.contains(words)), (2, true), "{line}: {}{}", said.out, said.err);
    }
}

/// The deployed way: what the audit finds is one mail, what the last run has missed is backed up, and a second audit adds
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployed_audit_mails_once_and_has_what_was_missed_taken() {
    let (world, volumes) = world();
    let now = world.clock.now();
    let slot = (now - TimeDelta::hours(4)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ours = [("snapkeep:policy", "daily"), ("snapkeep:slot", slot.as_str()), ("snapkeep:retain", "7")];
    add(&world, &volumes[0], 0, &ours);
    let stack = Stack::deploy(world, 1, &[]).await;
    let mut audit: Value = serde_json::from_str(&policy()).unwrap();
    audit["action"] = json!("audit");
    audit["rpo"] = json!("26h");
    let mut dry = audit.clone();
    dry["dry_run"] = json!(true);
    let answer = stack.plan(&dry).await.unwrap();
    assert_eq!((&answer["summary"]["jobs"], answer["plan"].as_array().unwrap().len()), (&json!(1), 3), "{answer}");
    stack.settle().await;
    assert_eq!((stack.mails().await, stack.snapshots().len()), (vec![], 4), "a dry run tells nobody and takes nothing");

    let answer = stack.plan(&audit).await.unwrap();
    assert_eq!((&answer["run"], &answer["jobs"]), (&json!(slot), &json!(1)), "{answer}");
    stack.settle().await;
    let mails = stack.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].0, "snapkeep daily: 1 volume not covered, 1 volume in no policy");
    assert!(mails[0].1.contains(&volumes[1]) && mails[0].1.contains("1 job was enqueued again"), "{}", mails[0].1);
    let made = |stack: &Stack| {
        let snapshots = stack.snapshots();
        let of_it = snapshots.iter().filter(|snapshot| *snapshot.volume == *volumes[1]);
        of_it.map(|snapshot| snapshot.tags[&text("snapkeep:slot")].to_string()).collect::<Vec<String>>()
    };
    assert_eq!(made(&stack), [slot.as_str()], "the same slot, and so the same job");
    let again = stack.plan(&audit).await.unwrap();
    assert_eq!(again["jobs"], json!(0), "{again}");
    stack.settle().await;
    assert_eq!(made(&stack).len(), 1);
}
