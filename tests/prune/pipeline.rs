//! The planner finds what expires, the worker decides again and deletes.

use serde_json::{Value, json};
use simulator::faults::{Cut, Effect, Fault};
use simulator::fleet::tags;
use simulator::limits::Limit;
use simulator::text::text;
use simulator::world::World;
use simulator::world::fast_restore::FastRestore;
use simulator::world::image::{Image, ImageDevice};
use simulator::world::snapshot::Lock;

use super::{REGION, add, add_daily, set, tag, there};
use crate::stack::{ACCOUNT, Stack};

/// A living volume of an instance that is backed up.
fn volume(world: &World) -> String {
    world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true")]), 1).1.remove(0)
}

fn policy(changes: Value) -> Value {
    let mut policy = json!({"action": "prune", "regions": [REGION], "scheduled_time": "2026-11-20T03:00:00Z"});
    policy.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    policy
}

fn job(volume: &str, changes: Value) -> String {
    let mut job = json!({
        "version": 1, "action": "prune", "job": "2f0c7e1a9b3d4c5e6f70", "policy": "daily",
        "slot": "2026-11-20T03:00:00Z", "account": ACCOUNT, "region": REGION, "volume": volume,
    });
    job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    job.to_string()
}

/// The snapshot becomes a device of an image that somebody has disabled.
fn add_image(world: &World, snapshot: &str) {
    let snapshot = text(snapshot);
    world.region(REGION, |region| {
        let image = Image {
            id: text("ami-0123456789abcdef0"),
            owner: text(ACCOUNT),
            owner_alias: None,
            name: text("golden"),
            tags: tags(&[]),
            is_disabled: true,
            deprecated: None,
            executable_by: [].into(),
            created: chrono::DateTime::UNIX_EPOCH,
            root_device: text("/dev/xvda"),
            devices: vec![ImageDevice { device: text("/dev/xvda"), snapshot, size: 8 }],
        };
        region.images.insert(image, chrono::DateTime::UNIX_EPOCH);
    });
}

fn lock(world: &World, snapshot: &str) {
    let now = world.clock.now();
    let expires = now + chrono::TimeDelta::days(30);
    world.region(REGION, |region| {
        region.snapshots.change(snapshot, |snapshot| {
            snapshot.rare_mut().lock =
                Some(Lock { is_compliance: false, created: now, cool_off_hours: None, expires, days: 30 });
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_keeps_is_deleted_and_nothing_else() {
    let world = World::default();
    let (one, other) = (volume(&world), volume(&world));
    let daily = add_daily(&world, &one, 9, "3");
    tag(&world, &daily[1], "KeepForever", Some("no"));
    let kept = add_daily(&world, &other, 2, "3");
    let foreign = add(&world, &one, 400, &[("Backup", "true"), ("DeleteOn", "2020-01-01")]);
    let orphans = add_daily(&world, "vol-0aaaaaaaaaaaaaaaa", 5, "3");
    let stack = Stack::deploy(world, 2, &[]).await;

    let summary = stack.plan(&policy(json!({}))).await.unwrap();
    stack.settle().await;

    let region = &summary["regions"][0];
    assert_eq!((&summary["jobs"], &region["volumes"]), (&json!(2), &json!(3)), "jobs only where something expires");
    assert_eq!(region["prune"], json!({"snapshots": 16, "expiring": 7}), "{summary}");
    let mut expected = set(&[&daily[6..], &daily[1..2], &kept, &orphans[2..]].concat());
    expected.insert(foreign);
    assert_eq!(there(stack.world()), expected);
    assert_eq!(stack.world().history().action("DeleteSnapshot").calls, 7);
    assert_eq!((stack.waiting(&stack.queues.dlq).await, stack.mails().await.len()), (0, 0));

    // The same run again finds nothing, and so does the next.
    assert_eq!(stack.plan(&policy(json!({"scheduled_time": "2026-11-20T04:00:00Z"}))).await.unwrap()["jobs"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_what_would_go_and_sends_nothing() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 5, "3");
    let stack = Stack::deploy(world, 1, &[]).await;
    let answer = stack.plan(&policy(json!({"dry_run": true}))).await.unwrap();
    assert_eq!(answer["plan"][0]["volume"], json!(volume));
    let why = "not among the newest 3";
    assert_eq!(answer["plan"][0]["expire"], json!({daily[0].clone(): why, daily[1].clone(): why}));
    assert_eq!((&answer["plan"][0]["kept"], &answer["summary"]["jobs"]), (&json!(3), &json!(1)));
    stack.settle().await;
    assert_eq!(there(stack.world()).len(), 5);
}

/// Whoever can write to the queue can delete nothing that the rules keep.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_job_deletes_nothing() {
    let world = World::default();
    let (foreign, forever, living) = (volume(&world), volume(&world), volume(&world));
    for day in 0..9 {
        add(&world, &foreign, day, &[("Backup", "true"), ("DeleteOn", "2020-01-01"), ("Type", "Automated")]);
        add(
            &world,
            &foreign,
            day,
            &[("aws:dlm:managed", "true"), ("snapkeep:policy", "daily"), ("snapkeep:retain", "1")],
        );
        let ours = [("snapkeep:policy", "daily"), ("snapkeep:retain", "1"), ("KeepForever", "")];
        add(&world, &forever, day, &ours);
    }
    add_daily(&world, &living, 3, "3");
    for day in 0..3 {
        let gone =
            [("snapkeep:policy", "daily"), ("snapkeep:retain", "1d"), ("DeleteOn", "2020-01-01"), ("KeepForever", "")];
        add(&world, "vol-0cccccccccccccccc", day, &gone);
    }
    // That jobs are done at all is seen by this one.
    let control = volume(&world);
    let expired = add_daily(&world, &control, 4, "3").remove(0);
    let mut before = there(&world);
    let stack = Stack::deploy(world, 1, &[]).await;
    let forged = [
        job(&foreign, json!({})),
        job(&foreign, json!({"policy": "", "job": "j-1"})),
        job(&forever, json!({"job": "j-2", "orphans": "by-rule"})),
        job(&living, json!({"job": "j-3", "orphans": "1d", "retain": "1", "time_zone": "Pacific/Kiritimati"})),
        job(&living, json!({"job": "j-4", "account": "210987654321"})),
        job("vol-0cccccccccccccccc", json!({"job": "j-6", "orphans": "by-rule"})),
        job(&control, json!({"job": "j-7"})),
        job(
            &living,
            json!({"job": "j-5", "policy": "hourly", "snapshot": "snap-0a", "tags": {"snapkeep:retain": "1"}}),
        ),
    ];
    for body in &forged {
        stack.send_job(body, "lane").await;
    }
    stack.settle().await;
    before.remove(&expired);
    assert_eq!(there(stack.world()), before);
    assert_eq!(stack.world().history().action("DeleteSnapshot").calls, 1, "it was not even tried");
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_job_finds_what_a_person_has_changed_since() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 6, "2");
    let stack = Stack::deploy(world, 0, &[]).await;
    assert_eq!(stack.plan(&policy(json!({}))).await.unwrap()["jobs"], 1);
    tag(stack.world(), &daily[0], "KeepForever", Some(""));
    tag(stack.world(), &daily[1], "snapkeep:policy", None);
    tag(stack.world(), &daily[5], "snapkeep:retain", Some("3"));
    let mut stack = stack;
    stack.add_worker(std::time::Duration::from_secs(60)).await;
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&daily[..2], &daily[3..]].concat()), "only the third was to go any more");
}

/// The cap binds the worker too: a rule that became shorter after planning deletes no more than was counted.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_go_than_were_planned() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 20, "17");
    let mut stack = Stack::deploy(world, 0, &[]).await;
    assert_eq!(stack.plan(&policy(json!({}))).await.unwrap()["regions"][0]["prune"]["expiring"], 3);
    tag(stack.world(), &daily[19], "snapkeep:retain", Some("1"));
    stack.add_worker(std::time::Duration::from_secs(60)).await;
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&daily[3..]), "the three oldest, as planned");
}

/// An alert that cannot be sent is no success: the invocation fails and is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_fails_the_run() {
    let world = World::default();
    let volume = volume(&world);
    add_daily(&world, &volume, 30, "3");
    let simulator = simulator::server::Server::start_local(world).await.unwrap();
    let mut environment = crate::stack::environment("http://127.0.0.1:1", &simulator.url);
    environment.push(("SNAPKEEP_JOBS_QUEUE_URL", "http://127.0.0.1:1/jobs.fifo".into()));
    environment.push(("SNAPKEEP_REPORTS_QUEUE_URL", "http://127.0.0.1:1/reports".into()));
    let planner = crate::lambda::Function::start("planner", &environment, std::time::Duration::from_secs(60)).await;
    let error = planner.invoke(policy(json!({"cap": {"count": 1}}))).await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains("nobody was told of eu-central-1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_left_with_its_reason_and_stops_no_other() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 8, "2");
    add_image(&world, &daily[0]);
    lock(&world, &daily[2]);
    let now = world.clock.now();
    world.region(REGION, |region| {
        let snapshot = region.snapshots.get(&daily[4]).cloned().unwrap();
        let restore = FastRestore::new(&snapshot, text("eu-central-1a").as_ref(), now, chrono::TimeDelta::zero());
        region.fast_restores.insert(restore, now);
    });
    let stack = Stack::deploy(world, 1, &[]).await;
    let summary = stack.plan(&policy(json!({}))).await.unwrap();
    let expected = json!({"in use by an image": 1, "locked": 1, "enabled for fast snapshot restore": 1});
    assert_eq!(summary["regions"][0]["skipped"], expected);
    // Between planning and deletion somebody locks one more.
    lock(stack.world(), &daily[5]);
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&daily[..1], &daily[2..3], &daily[4..]].concat()));
    assert_eq!((stack.waiting(&stack.queues.dlq).await, stack.mails().await.len()), (0, 0));
}

/// EC2's own word counts where its lists said nothing: no permission for the lists, and a code that nobody documents.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_lists_ec2_refuses_and_the_others_go() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 6, "2");
    add_image(&world, &daily[0]);
    lock(&world, &daily[1]);
    world.set(|settings| settings.locked_snapshot_code = "SnapshotIsLockedForNow".into());
    for list in ["DescribeImages", "DescribeLockedSnapshots", "DescribeFastSnapshotRestores"] {
        world.faults().set(Fault::on(list, 403, "UnauthorizedOperation", "You are not authorized"));
    }
    let stack = Stack::deploy(world, 1, &[]).await;
    let summary = stack.plan(&policy(json!({}))).await.unwrap();
    assert_eq!(summary["regions"][0]["warnings"].as_array().unwrap().len(), 3, "{summary}");
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&daily[..2], &daily[4..]].concat()));
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
    let mails = stack.mails().await;
    assert!(mails.len() == 1 && mails[0].1.contains("could not list locked snapshots"), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_cap_deletes_nothing_and_says_what_it_would_have_deleted() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 30, "3");
    let stack = Stack::deploy(world, 1, &[]).await;
    let summary = stack.plan(&policy(json!({"cap": {"count": 5, "percent": 20}}))).await.unwrap();
    stack.settle().await;
    assert_eq!((there(stack.world()), &summary["jobs"]), (set(&daily), &json!(0)));
    let capped = &summary["regions"][0]["prune"]["capped"];
    assert_eq!(capped["most"], 6, "20 % of 30");
    let named = capped["would_delete"][0].as_str().unwrap();
    assert!(named.starts_with(&format!("{volume} daily: {}", daily[26])) && named.ends_with("and 22 more"), "{named}");
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep prune: stopped by the cap, nothing deleted");
    assert!(mails[0].1.contains("27 of 30 snapshots would have been deleted, and the cap allows 6"), "{mails:?}");

    // Exactly as many as the cap allows may go.
    stack.plan(&policy(json!({"cap": {"count": 27}}))).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&daily[27..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_that_have_stopped_are_told_and_nothing_of_them_is_deleted() {
    let world = World::default();
    let (stopped, going) = (volume(&world), volume(&world));
    let ours = |volume| {
        [("snapkeep:policy", "daily"), ("snapkeep:volume", volume), ("snapkeep:retain", "7d"), ("DeleteOn", "{day+7}")]
    };
    let old: Vec<String> = (20..25).map(|day| add(&world, &stopped, day, &ours(&stopped))).collect();
    let new: Vec<String> = (0..10).map(|day| add(&world, &going, day, &ours(&going))).collect();
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&policy(json!({}))).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&old, &new[..7]].concat()));
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep prune: 1 finding");
    assert!(mails[0].1.contains(&format!("{stopped}: its backups have stopped")), "{}", mails[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_a_volume_that_is_gone_goes_only_by_an_orphan_rule() {
    let world = World::default();
    let gone = "vol-0bbbbbbbbbbbbbbbb";
    let ours =
        [("snapkeep:policy", "daily"), ("snapkeep:volume", gone), ("snapkeep:retain", "7d"), ("DeleteOn", "{day+7}")];
    let old: Vec<String> = (95..99).map(|day| add(&world, gone, day, &ours)).collect();
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&policy(json!({}))).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&old[..1]));
    stack.plan(&policy(json!({"orphans": "100d"}))).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&old[..1]), "it is 95 days old");
    stack.plan(&policy(json!({"orphans": "90d", "scheduled_time": "2026-11-20T05:00:00Z"}))).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_cannot_be_read_whole_gets_no_job_and_stops_no_other() {
    let world = World::default();
    let volume = volume(&world);
    let daily = add_daily(&world, &volume, 5, "2");
    world.faults().set(Fault::on("DescribeSnapshots", 401, "AuthFailure", "not here").in_region("eu-west-1"));
    let stack = Stack::deploy(world, 1, &[]).await;
    let error = stack.plan(&policy(json!({"regions": ["eu-west-1", REGION]}))).await.unwrap_err();
    assert_eq!(error["errorType"], "PlanIncomplete");
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&daily[3..]));
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep prune: run not planned everywhere");
    assert!(mails[0].1.contains("could not list snapshots in eu-west-1: AuthFailure"), "{}", mails[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_night_deletes_what_expires_and_none_too_many() {
    let world = World::default();
    let volumes: Vec<String> = (0..12).map(|_| volume(&world)).collect();
    let mut expected = Vec::new();
    for volume in &volumes {
        expected.extend(add_daily(&world, volume, 7, "2").split_off(5));
    }
    world.set_limit("DeleteSnapshot", None, Limit { capacity: 4.0, refill: 4.0 });
    world.faults().set(Fault::losing_answers_of("DeleteSnapshot").share(0.1));
    world.faults().set(Fault::on("DeleteSnapshot", 500, "InternalError", "An internal error").share(0.1));
    world.faults().set(Fault::new("Describe*", Effect::Cut(Cut::Before)).share(0.05));
    world.set(|settings| settings.lag = chrono::TimeDelta::seconds(2));
    let stack = Stack::deploy(world, 3, &[("SNAPKEEP_DELETE_RATE", "20"), ("SNAPKEEP_MAX_ATTEMPTS", "7")]).await;
    stack.plan(&policy(json!({}))).await.unwrap();
    for volume in &volumes {
        stack.send_job(&job(volume, json!({"job": format!("again-{volume}")})), "lane").await;
    }
    stack.settle().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(there(stack.world()), set(&expected));
    let deletes = stack.world().history().action("DeleteSnapshot");
    println!(
        "60 snapshots, {} DeleteSnapshot calls, {} throttled, {} faulted",
        deletes.calls, deletes.throttled, deletes.faulted
    );
    assert_eq!(stack.waiting(&stack.queues.dlq).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_not_permitted_is_dead_lettered_and_is_no_missing_backup() {
    let world = World::default();
    let (refused, other) = (volume(&world), volume(&world));
    for snapshot in add_daily(&world, &refused, 5, "2") {
        let denied = Fault::on("DeleteSnapshot", 403, "UnauthorizedOperation", "You are not authorized");
        world.faults().set(denied.for_resource(&snapshot));
    }
    add_daily(&world, &other, 5, "2");
    let stack = Stack::deploy(world, 1, &[]).await;
    stack.plan(&policy(json!({}))).await.unwrap();
    stack.settle().await;
    assert_eq!((there(stack.world()).len(), stack.waiting(&stack.queues.dlq).await), (5 + 2, 1));
    let mails = stack.mails().await;
    assert_eq!(mails[0].0, "snapkeep daily: 1 volume not pruned");
}
