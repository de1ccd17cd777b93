//! What holds whatever the rules say, each alone: a volume with a snapshot a day under a rule that keeps one.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use shared::rules::retention::{Case, Judgement, Verdict, judge};
use shared::vocabulary::inventory::{Hold, Holds, Presence, Snapshot, Tier};
use shared::vocabulary::slot::Slot;

use crate::golden::{ACCOUNT, VOLUME, by_the_job_of, made};

const NOW: &str = "2026-11-20T03:00:00Z";

/// Five of them, `snap-0` of today to `snap-4`, made under `rule`.
fn daily(rule: &str) -> Vec<Snapshot> {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    let started = |day: i64| now - TimeDelta::days(day) - TimeDelta::hours(1);
    let rule = rule.parse().unwrap();
    (0..5).map(|day| made(&format!("snap-{day}"), Some(started(day)), Some(&rule), Tz::UTC)).collect()
}

fn judged(snapshots: &[Snapshot], presence: Presence, orphans: &str) -> Judgement {
    let holds = Holds::new();
    let orphans = orphans.parse().unwrap();
    let case = Case { account: ACCOUNT, volume: VOLUME, presence, orphans, holds: &holds, now: NOW.parse().unwrap() };
    judge(&case, snapshots)
}

/// The numbers of those that expire, the oldest last.
fn expire(judgement: &Judgement) -> Vec<&str> {
    let gone = judgement.verdicts.iter().filter(|verdict| verdict.expires());
    gone.map(|verdict| verdict.snapshot.trim_start_matches("snap-")).collect()
}

fn check(snapshots: &[Snapshot], expected: &[&str]) -> Judgement {
    let judgement = judged(snapshots, Presence::Living, "keep-last");
    assert_eq!(expire(&judgement), expected);
    judgement
}

#[test]
fn only_what_is_ours_by_tag_and_by_owner_is_named() {
    let mut snapshots = daily("1");
    check(&snapshots, &["1", "2", "3", "4"]);
    snapshots[1].tags.remove("snapkeep:policy");
    snapshots[2].owner = "210987654321".into();
    check(&snapshots, &["3", "4"]);
}

#[test]
fn only_completed_ones_count() {
    let mut snapshots = daily("2");
    snapshots[0].state = "pending".into();
    snapshots[1].state = "error".into();
    check(&snapshots, &["4"]);
}

#[test]
fn the_newest_completed_one_never_goes() {
    let mut snapshots = daily("7d");
    for snapshot in &mut snapshots {
        snapshot.tags.insert("DeleteOn".into(), "2026-11-20".into());
    }
    snapshots[0].state = "pending".into();
    check(&snapshots, &["2", "3", "4"]);
}

#[test]
fn pending_future_dated_and_doubtful_ones_stay() {
    let mut snapshots = daily("1");
    snapshots[1].state = "pending".into();
    snapshots[2].started = Some("2026-11-20T03:00:01Z".parse().unwrap());
    snapshots[3].started = None;
    snapshots[4].is_copy = true;
    check(&snapshots, &[]);
}

#[test]
fn when_backups_have_stopped_nothing_is_deleted_and_it_is_reported() {
    let mut snapshots = daily("7d");
    for (snapshot, day) in
        snapshots.iter_mut().zip(["2026-11-19", "2026-11-18", "2026-11-17", "2026-11-16", "2026-11-15"])
    {
        snapshot.tags.insert("DeleteOn".into(), day.into());
    }
    let judgement = check(&snapshots, &[]);
    assert!(judgement.findings[0].to_string().contains("its backups have stopped"), "{:?}", judgement.findings);
    // Of a volume that is gone none was to come.
    assert_eq!(expire(&judged(&snapshots, Presence::Gone, "keep-last")), ["1", "2", "3", "4"]);
}

#[test]
fn an_unreadable_rule_keeps_everything_and_is_reported() {
    let mut snapshots = daily("1");
    snapshots[0].tags.insert("snapkeep:retain".into(), "1 week".into());
    let judgement = check(&snapshots, &[]);
    let finding = judgement.findings[0].to_string();
    assert!(finding.contains("tag `snapkeep:retain` is \"1 week\"; allowed: `7`"), "{finding}");
}

#[test]
fn orphans_follow_their_rule_down_to_the_last_which_goes_only_by_an_orphan_rule() {
    let mut snapshots = daily("7d");
    for snapshot in &mut snapshots {
        snapshot.tags.insert("DeleteOn".into(), "2026-11-01".into());
    }
    let orphans = |rule: &str| expire(&judged(&snapshots, Presence::Gone, rule)).join(" ");
    assert_eq!(orphans("keep-last"), "1 2 3 4");
    assert_eq!(orphans("by-rule"), "0 1 2 3 4");
    assert_eq!(orphans("90d"), "1 2 3 4");
    assert_eq!(orphans("1d"), "1 2 3 4", "the last is of today");
    let mut older = snapshots.clone();
    older
        .iter_mut()
        .for_each(|snapshot| snapshot.started = snapshot.started.map(|started| started - TimeDelta::days(1)));
    assert_eq!(expire(&judged(&older, Presence::Gone, "1d")).len(), 5);
}

#[test]
fn one_in_error_goes_once_a_newer_good_one_exists() {
    let mut snapshots = daily("7");
    snapshots[0].state = "error".into();
    snapshots[2].state = "error".into();
    check(&snapshots, &["2"]);
}

#[test]
fn a_persons_orders_are_obeyed() {
    let mut snapshots = daily("1d");
    snapshots[1].tags.insert("DeleteOn".into(), "2026-11-21".into());
    snapshots[2].tags.insert("KeepForever".into(), "false".into());
    snapshots[3].tags.remove("DeleteOn");
    let judgement = check(&snapshots, &["4"]);
    assert_eq!(judgement.findings, [], "an order is no finding");
    snapshots[4].tags.insert("DeleteOn".into(), "next week".into());
    let judgement = check(&snapshots, &[]);
    assert!(judgement.findings[0].to_string().contains("tag `DeleteOn` is \"next week\""));
}

#[test]
fn what_other_services_manage_is_left_to_them() {
    let mut snapshots = daily("1");
    snapshots[1].tags.insert("aws:dlm:lifecycle-policy-id".into(), "policy-1".into());
    snapshots[2].tags.insert("aws:backup:source-resource".into(), "x".into());
    check(&snapshots, &["3", "4"]);
}

/// Five of one slot, the newest first, with room for all of them by their rule.
fn of_one_job(rule: &str) -> Vec<Snapshot> {
    let mut snapshots = daily("5");
    let rule = rule.parse().unwrap();
    for snapshot in &mut snapshots {
        snapshot.tags.insert("snapkeep:retain".into(), format!("{rule}"));
        by_the_job_of(snapshot, Slot::at(NOW.parse().unwrap()), Some(&rule), Tz::UTC);
    }
    snapshots
}

#[test]
fn what_a_job_took_twice_goes_whatever_the_rule_down_to_the_newest() {
    for rule in ["5", "1", "7d", "forever"] {
        let judgement = check(&of_one_job(rule), &["1", "2", "3", "4"]);
        let why: Vec<String> = judgement.verdicts.iter().flat_map(Verdict::why).collect();
        assert!(why.ends_with(&["taken twice: the same job's snap-0 stays".into()]), "{why:?}");
    }
    check(&of_one_job("daily=5"), &[]);
}

#[test]
fn what_was_taken_twice_is_none_for_another_that_is_no_backup_or_not_at_hand() {
    let mut snapshots = of_one_job("5");
    snapshots[0].state = "pending".into();
    snapshots[1].state = "error".into();
    snapshots[2].started = Some("2026-11-20T03:00:01Z".parse().unwrap());
    snapshots[3].tier = Tier::Archive(None);
    check(&snapshots, &[]);
}

#[test]
fn what_was_taken_twice_stays_by_a_persons_order_on_it_and_by_what_holds_it() {
    let mut snapshots = of_one_job("7d");
    snapshots[1].tags.insert("KeepForever".into(), String::new());
    snapshots[2].tags.insert("DeleteOn".into(), "2026-12-24".into());
    snapshots[3].tags.remove("DeleteOn");
    check(&snapshots, &["4"]);
    let holds = Holds::from([("snap-4".into(), Hold::Image("ami-1".into()))]);
    let (presence, orphans, now) = (Presence::Living, "keep-last".parse().unwrap(), NOW.parse().unwrap());
    let case = Case { account: ACCOUNT, volume: VOLUME, presence, orphans, holds: &holds, now };
    assert_eq!(expire(&judge(&case, &snapshots)), [""; 0]);
}

#[test]
fn without_a_job_or_with_an_empty_one_nothing_was_taken_twice() {
    for job in [None, Some("")] {
        let mut snapshots = of_one_job("5");
        for snapshot in &mut snapshots {
            snapshot.tags.remove("snapkeep:job");
            snapshot.tags.extend(job.map(|job| ("snapkeep:job".into(), job.into())));
        }
        check(&snapshots, &[]);
    }
}

#[test]
fn a_count_keeps_so_many_backups_and_not_one_less_and_a_double() {
    let mut snapshots = daily("3");
    for number in [1, 2] {
        by_the_job_of(&mut snapshots[number], Slot::at(NOW.parse().unwrap()), None, Tz::UTC);
    }
    check(&snapshots, &["2", "4"]);
}
