//! What became of the tags and dates of the scripts that people ran before: each row of the README's table.

use chrono::{Datelike, TimeDelta};
use serde_json::{Value, json};
use simulator::fleet::tags;
use simulator::server::Server;
use simulator::world::World;

use super::{REGION, add, set, there};
use crate::stack::{ACCOUNT, Stack};
use crate::typed::snapkeep;

fn world() -> (World, String) {
    let world = World::default();
    let volume = world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true")]), 1).1.remove(0);
    (world, volume)
}

async fn prune(server: &Server, policy: &Value) -> String {
    let mut policy = policy.clone();
    policy["action"] = json!("prune");
    let said = snapkeep(&server.url, "prune --file - --yes", &policy.to_string()).await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    said.out
}

/// One text says "reached", the other "exceeded": the day itself is due.
#[tokio::test(flavor = "multi_thread")]
async fn delete_on_reached_means_today_or_before() {
    let (world, volume) = world();
    let ours = |day| {
        [
            ("snapkeep:policy", "daily"),
            ("snapkeep:volume", volume.as_str()),
            ("snapkeep:retain", "7d"),
            ("DeleteOn", day),
        ]
    };
    let due_yesterday = add(&world, &volume, 8, &ours("{day+7}"));
    let due_today = add(&world, &volume, 7, &ours("{day+7}"));
    let due_tomorrow = add(&world, &volume, 6, &ours("{day+7}"));
    let newest = add(&world, &volume, 0, &ours("{day+7}"));
    let server = Server::start_local(world).await.unwrap();
    prune(&server, &json!({})).await;
    let left = there(&server.world);
    assert!(!left.contains(&due_yesterday) && !left.contains(&due_today), "a missed day is made good");
    assert_eq!(left, set(&[due_tomorrow, newest]));
}

/// They delete whatever has a `DeleteOn` of today. Here that is another tool's, unless the policy adopts it.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_tool_has_tagged_is_left_alone_until_it_is_adopted() {
    let (world, volume) = world();
    let theirs = [("Type", "Automated"), ("DeleteOn", "{day+7}")];
    let made: Vec<String> = (0..9).rev().map(|day| add(&world, &volume, day, &theirs)).collect();
    let forever = add(&world, &volume, 30, &[("Type", "Automated"), ("DeleteOn", "{day+7}"), ("KeepForever", "no")]);
    let manual = add(&world, &volume, 30, &[("DeleteOn", "{day+7}")]);
    let everything = there(&world);
    let server = Server::start_local(world).await.unwrap();
    prune(&server, &json!({})).await;
    assert_eq!(there(&server.world), everything);

    let adopt = json!({"adopt": [{"tags": {"Type": ["Automated"]}, "policy": "nightly", "retain": "7d"}]});
    let policy = json!({"action": "prune", "adopt": adopt["adopt"]}).to_string();
    let listed = snapkeep(&server.url, "prune --file - --dry-run", &policy).await;
    assert!(listed.out.contains(&made[0]) && listed.out.contains("snapkeep:policy=nightly"), "{}", listed.out);
    assert!(!listed.out.contains(&manual) && listed.out.contains("10 to adopt"), "{}", listed.out);
    assert_eq!(server.world.history().action("CreateTags").calls, 0, "listed first");

    prune(&server, &adopt).await;
    assert_eq!(server.world.history().action("CreateTags").calls, 0, "and not before somebody has seen the list");
    let plan = snapkeep(&server.url, "prune --file - --dry-run --output json", &policy).await;
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!(plan["adopt"].as_array().unwrap().len(), 10);
    let hash = plan["plan"].as_str().unwrap();
    let adopted = snapkeep(&server.url, &format!("prune --file - --plan {hash} --yes"), &policy).await.out;
    assert!(adopted.contains("Adopted 10 of 10 snapshots"), "{adopted}");
    assert_eq!(there(&server.world), everything, "what is adopted is not deleted in the same breath");
    prune(&server, &json!({})).await;
    let mut expected = set(&made[2..]);
    expected.extend([forever, manual]);
    assert_eq!(there(&server.world), expected);
}

/// Which of two policies a snapshot becomes part of must be said.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_two_entries_are_about_is_left_alone() {
    let (world, volume) = world();
    let both = add(&world, &volume, 3, &[("Type", "Automated"), ("Interval", "Daily")]);
    let one = add(&world, &volume, 2, &[("Type", "Automated")]);
    let server = Server::start_local(world).await.unwrap();
    let policy = json!({"action": "prune", "adopt": [
        {"tags": {"Type": ["Automated"]}, "policy": "nightly", "retain": "7d"},
        {"tags": {"Interval": ["Daily"]}, "policy": "other", "retain": "1d"},
    ]});
    let listed = snapkeep(&server.url, "prune --file - --dry-run --output json", &policy.to_string()).await;
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let changes: Vec<&String> = listed["changes"]["adopt"].as_object().unwrap().keys().collect();
    assert_eq!(changes, [&one]);
    let rows = listed["adopt"].as_array().unwrap();
    let row = rows.iter().find(|row| row["snapshot"] == json!(both)).unwrap();
    assert!(row["adopt"]["left alone"].as_str().unwrap().contains("more than one entry"), "{row}");
    assert_eq!(rows.len(), 2, "each is told once");
}

/// The schedule only lists them: it makes nothing its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_adopts_only_counts_what_it_would() {
    let (world, volume) = world();
    add(&world, &volume, 3, &[("Interval", "Daily")]);
    let stack = Stack::deploy(world, 1, &[]).await;
    let adopt = json!([{"tags": {"Interval": ["Daily"]}, "policy": "daily", "retain": "7d"}]);
    let summary = stack.plan(&json!({"action": "prune", "regions": [REGION], "adopt": adopt})).await.unwrap();
    assert_eq!(summary["regions"][0]["prune"]["adoptable"], 1);
    assert_eq!(stack.world().history().action("CreateTags").calls, 0);
}

/// The keyword: the newest one's value rules, and the tag removed keeps that one and as many others.
#[tokio::test(flavor = "multi_thread")]
async fn a_keywords_tag_counts_and_its_removal_keeps() {
    let (world, _) = world();
    let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[("SnapshotDaily", "3")]), 1);
    let start = world.clock.now() - TimeDelta::days(6);
    world.clock.set(start);
    let stack = Stack::deploy(world, 1, &[]).await;
    let mut made = Vec::new();
    for day in 0..6 {
        let slot = stack.world().clock.now().to_rfc3339();
        stack
            .plan(&json!({"SnapshotKeyWord": "SnapshotDaily", "regions": [REGION], "scheduled_time": slot}))
            .await
            .unwrap();
        stack.settle().await;
        stack.world().clock.advance(TimeDelta::days(1));
        let of_today = there(stack.world()).into_iter().find(|id| !made.contains(id));
        made.push(of_today.unwrap_or_else(|| panic!("no snapshot on day {day}")));
    }
    assert!(stack.snapshots().iter().all(|snapshot| *snapshot.volume == *volumes[0]), "{instance}");
    super::tag(stack.world(), &made[1], "SnapshotDaily", None);
    stack.plan(&json!({"action": "prune", "regions": [REGION], "cap": {"percent": 100}})).await.unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&made[1..2], &made[3..]].concat()), "that one, and 3 others");

    super::tag(stack.world(), &made[5], "SnapshotDaily", Some("1"));
    stack
        .plan(&json!({"action": "prune", "regions": [REGION], "scheduled_time": "2026-11-20T09:00:00Z"}))
        .await
        .unwrap();
    stack.settle().await;
    assert_eq!(there(stack.world()), set(&[&made[1..2], &made[5..]].concat()), "the value of the newest rules");
}

/// "Daily 7, quarterly 4, annual for ever" as one rule of one snapshot a day. Quarters begin in January, April, July
/// and October: their script creates in April, August and December, and deletes in January, May and September.
#[tokio::test(flavor = "multi_thread")]
async fn daily_quarterly_and_annual_are_one_rule() {
    let (world, volume) = world();
    let ours = [
        ("snapkeep:policy", "daily"),
        ("snapkeep:volume", volume.as_str()),
        ("snapkeep:retain", "daily=7 quarterly=4 yearly=all"),
    ];
    let today = world.clock.now().date_naive();
    let mut expected = Vec::new();
    for days_ago in (0..560).rev() {
        let id = add(&world, &volume, days_ago, &ours);
        let (day, next) = (today - TimeDelta::days(days_ago), today - TimeDelta::days(days_ago - 1));
        let quarters_ago = (today.year() - day.year()) * 4 + (today.month0() / 3) as i32 - (day.month0() / 3) as i32;
        let ends_a_quarter = next.day() == 1 && next.month0() % 3 == 0;
        let ends_a_year = next.year() != day.year();
        if days_ago < 7 || (ends_a_quarter && quarters_ago < 4) || ends_a_year {
            expected.push(id);
        }
    }
    let server = Server::start_local(world).await.unwrap();
    prune_fast(&server).await;
    assert_eq!(there(&server.world), set(&expected));
}

/// Past the cap, and without EC2's limits: what is deleted is looked at here, not how fast.
async fn prune_fast(server: &Server) {
    let limit = simulator::limits::Limit { capacity: 100_000.0, refill: 100_000.0 };
    server.world.set_limit("DeleteSnapshot", None, limit);
    server.world.set_limit("DescribeSnapshots", None, limit);
    let stack_free =
        crate::typed::snapkeep_with(&server.url, "prune --cap 100000 --yes", "", &[("SNAPKEEP_DELETE_RATE", "1000")]);
    let said = stack_free.await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
}

/// The same as three policies with an `Interval` tag each: each is pruned by its own rule.
#[tokio::test(flavor = "multi_thread")]
async fn three_policies_with_an_interval_tag_are_pruned_each_by_its_rule() {
    let (world, volume) = world();
    let rules = [("daily", "Daily", "7d"), ("quarterly", "Quarterly", "4"), ("annual", "Annual", "forever")];
    let mut expected = Vec::new();
    for (policy, interval, rule) in rules {
        for number in 0..10 {
            let ours = [
                ("snapkeep:policy", policy),
                ("snapkeep:volume", volume.as_str()),
                ("snapkeep:retain", rule),
                ("Interval", interval),
                ("DeleteOn", "{day+7}"),
            ];
            let tags = if policy == "daily" { &ours[..] } else { &ours[..4] };
            let id = add(&world, &volume, number, tags);
            if (policy == "daily" && number < 7) || (policy == "quarterly" && number < 4) || policy == "annual" {
                expected.push(id);
            }
        }
    }
    let server = Server::start_local(world).await.unwrap();
    prune(&server, &json!({})).await;
    assert_eq!(there(&server.world), set(&expected));
}

/// Their delete job takes anybody's snapshot that is tagged `Interval=Daily`, public ones of strangers too.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_snapshot_with_our_tags_is_never_asked_for() {
    let (world, volume) = world();
    let id = add(&world, &volume, 9, &[("snapkeep:policy", "daily"), ("snapkeep:retain", "1"), ("Interval", "Daily")]);
    let newer =
        add(&world, &volume, 1, &[("snapkeep:policy", "daily"), ("snapkeep:retain", "1"), ("Interval", "Daily")]);
    for id in [&id, &newer] {
        world.region(REGION, |region| {
            region.snapshots.change(id, |snapshot| {
                snapshot.owner = simulator::text::text("210987654321");
                snapshot.rare_mut().restorable_by = [simulator::text::text("all")].into();
            });
        });
    }
    let server = Server::start_local(world).await.unwrap();
    let said = prune(&server, &json!({})).await;
    assert!(said.contains("Nothing is to be deleted."), "{said}");
    assert_eq!(there(&server.world).len(), 2);
}
