//! Drills: snapshots that are tried, what is told of them, and that none of their volumes stays.

use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::faults::Fault;
use tokio::process::Command;

use super::*;
use crate::lambda::binary;
use crate::stack::{Stack, environment};

impl Scene {
    /// The volumes that are not the two sources.
    fn others(&self) -> Vec<Volume> {
        self.server.world.region(REGION, |region| {
            let there = region.volumes.iter().filter(|volume| volume.state != VolumeState::Deleting);
            there.filter(|volume| !self.volumes.contains(&volume.id.to_string())).cloned().collect()
        })
    }

    fn created(&self) -> u64 {
        self.server.world.history().action("CreateVolume").calls
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_the_newest_of_each_volume_and_leaves_nothing() {
    let scene = Scene::new().await;
    let asked = scene.type_in("restore --drill").await;
    assert!(asked.exit == 2 && scene.created() == 0, "{}", asked.err);
    let said = scene.type_in("restore --drill --seed x --yes").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    for words in [
        "2 of 2 snapshots, each the newest good one",
        "--seed 'x'",
        "2 of 2 became volumes.",
        "Nothing is left",
        "was not read",
    ] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
    assert!(scene.snapshots[2].iter().all(|snapshot| said.out.contains(snapshot)), "{}", said.out);
    assert_eq!((scene.created(), scene.others().len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seed_draws_the_sample() {
    let scene = Scene::new().await;
    let mut drawn = BTreeSet::new();
    for seed in 0..12 {
        let line = format!("restore --drill --sample 1 --seed {seed} --policy daily --dry-run");
        let [plan, again] = [scene.told(&line).await, scene.told(&line).await];
        assert_eq!(plan["sample"][0]["snapshot"], again["sample"][0]["snapshot"]);
        drawn.insert(plan["sample"][0]["snapshot"].to_string());
    }
    assert_eq!((drawn.len(), scene.created()), (2, 0), "either is drawn at some time, and nothing was tried");
    let none = scene.told("restore --drill --policy hourly --dry-run").await;
    assert_eq!(none["sample"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_become_a_volume_is_a_failure_with_its_reason_and_goes_too() {
    let scene = Scene::new().await;
    let bad = scene.snapshots[2][1].clone();
    scene.change(&bad, |snapshot| snapshot.rare_mut().key = Some("alias/old".into()));
    scene.server.world.set(|settings| settings.revoked_keys = ["alias/old".into()].into());
    let said = scene.type_in("restore --drill --yes").await;
    assert_eq!(said.exit, 3, "{}", said.out);
    assert!(said.out.contains(&format!("failed: {bad}")) && said.out.contains("ended in error"), "{}", said.out);
    assert!(said.out.contains("1 of 2 became volumes."), "{}", said.out);
    assert_eq!(scene.others().len(), 0);

    scene.server.world.faults().set(Fault::on("CreateVolume", 403, "UnauthorizedOperation", "not allowed"));
    let refused = scene.told("restore --drill --yes").await;
    let verdicts: Vec<&Value> =
        refused["result"]["trials"].as_array().unwrap().iter().map(|trial| &trial["verdict"]).collect();
    assert_eq!(verdicts, ["failed", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_that_is_stopped_takes_its_volumes_away_first() {
    let scene = Scene::new().await;
    scene.server.world.set(|settings| settings.changes_after = TimeDelta::seconds(4));
    let process = Command::new(binary("snapkeep").await)
        .args(["restore", "--drill", "--yes"])
        .env_clear()
        .envs(environment(&scene.server.url, &scene.server.url))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while scene.others().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Command::new("kill").args(["-INT", &process.id().unwrap().to_string()]).status().await.unwrap();
    let output = process.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(scene.others().len(), 0, "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_drill_left_is_found_and_deleted_at_the_next() {
    let scene = Scene::new().await;
    scene.server.world.faults().set(Fault::on("DeleteVolume", 403, "UnauthorizedOperation", "not allowed"));
    let said = scene.type_in("restore --drill --yes").await;
    assert!(said.exit == 3 && said.out.contains("still there: ") && said.out.contains("--undo r-"), "{}", said.out);
    scene.server.world.faults().clear();
    let left: Vec<String> = scene.others().iter().map(|volume| volume.id.to_string()).collect();
    assert_eq!(left.len(), 2);
    // As young as they are, they may be of a drill that is under way.
    let said = scene.type_in("restore --drill --yes").await;
    assert!(said.out.contains("may be of one that is under way"), "{}", said.out);
    assert_eq!(scene.others().len(), 2);
    scene.server.world.region(REGION, |region| {
        for id in &left {
            region.volumes.change(id, |volume| volume.created -= TimeDelta::hours(2));
        }
    });
    let said = scene.type_in("restore --drill --yes").await;
    assert!(said.exit == 0 && said.out.contains("left by drill r-"), "{}{}", said.out, said.err);
    assert_eq!(scene.others().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_with_the_tag_of_a_drill_that_is_attached_is_left() {
    let scene = Scene::new().await;
    let (mine, world) =
        (tags(&[("snapkeep:drill", "r-000000000000"), ("snapkeep:restore", "r-000000000000")]), &scene.server.world);
    let other = world.add_volume(ACCOUNT, REGION, mine);
    world.region(REGION, |region| region.attach(&other, &scene.instance, "/dev/sdk", world.clock.now()));
    let said = scene.type_in("restore --drill --yes").await;
    assert!(said.exit == 3 && said.out.contains("it is attached to"), "{}", said.out);
    assert!(scene.others().iter().any(|volume| *volume.id == *other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_reported_to_whoever_reads_the_mails() {
    let scene = Scene::new().await;
    let stack = Stack::deploy(simulator::world::World::default(), 0, &[]).await;
    let settings = [
        ("SNAPKEEP_REPORTS_QUEUE_URL", stack.queues.reports.as_str()),
        ("AWS_ENDPOINT_URL_SQS", stack.proxy.url.as_str()),
        ("SNAPKEEP_METRICS_NAMESPACE", "snapkeep/test"),
    ];
    let said = crate::typed::snapkeep_with(&scene.server.url, "restore --drill --yes", "", &settings).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    stack.settle().await;
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep daily: drill: 2 snapshots restored and deleted again", "{mails:?}");
    assert!(mails[0].1.contains("2 of 2 snapshots became volumes."), "{mails:?}");
    let line = said.out.lines().find(|line| line.contains("_aws")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["DrillSucceeded"], &line["DrillFailed"]), (&json!(2.0), &json!(0.0)));
}
