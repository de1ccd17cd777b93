use proptest::prelude::*;

use super::*;
use crate::vocabulary::inventory::{Snapshot, Tier};
use crate::vocabulary::tag;

const ACCOUNT: &str = "123456789012";

fn now() -> DateTime<Utc> {
    "2026-11-20T06:00:00Z".parse().unwrap()
}

/// Daily at two, audited at six: the run of tonight was seen.
fn case() -> Case {
    Case { rpo: TimeDelta::hours(26), slot: Some("2026-11-20T02:00:00Z".parse().unwrap()), now: now() }
}

/// Hours before now.
fn ago(hours: f64) -> DateTime<Utc> {
    now() - TimeDelta::seconds((hours * 3600.0) as i64)
}

/// `completed 4` is a snapshot of ours, begun four hours ago, whose slot is the same; what follows makes it another's.
fn snapshot(text: &str, number: usize) -> Snapshot {
    let mut words = text.split_whitespace();
    let state = words.next().unwrap();
    let started = ago(words.next().unwrap().parse().unwrap());
    let mut snapshot = Snapshot {
        id: format!("snap-{number}"),
        volume: "vol-1".into(),
        owner: ACCOUNT.into(),
        started: Some(started),
        state: state.into(),
        state_message: (state == "error").then(|| "the key is gone".into()),
        ..Snapshot::default()
    };
    let slot = Slot::at(started).to_string();
    snapshot.tags = [(tag::POLICY.into(), "daily".into()), (tag::SLOT.into(), slot)].into();
    for word in words {
        match word {
            "weekly" => drop(snapshot.tags.insert(tag::POLICY.into(), "weekly".into())),
            "untagged" => snapshot.tags.clear(),
            "copy" => snapshot.is_copy = true,
            "dlm" => drop(snapshot.tags.insert("aws:dlm:managed".into(), "true".into())),
            "another's" => snapshot.owner = "210987654321".into(),
            "another-volume's" => drop(snapshot.tags.insert(tag::VOLUME.into(), "vol-2".into())),
            "archived" => snapshot.tier = Tier::Archive(None),
            "undated" => snapshot.started = None,
            other => panic!("{other}"),
        }
    }
    snapshot
}

fn line(snapshots: &[Snapshot]) -> Line {
    let mut lines = Lines::new(ACCOUNT, "daily", now());
    snapshots.iter().for_each(|snapshot| lines.add(snapshot));
    lines.take("vol-1")
}

fn read(snapshots: &str) -> Vec<Snapshot> {
    let texts = snapshots.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts.enumerate().map(|(number, text)| snapshot(text, number)).collect()
}

/// The verdict and all findings on a volume that was created a year ago, in words.
fn check(snapshots: &str, expected: &str) {
    let line = line(&read(snapshots));
    let verdict = verdict(&case(), &line, Some(ago(9000.0)));
    let why = std::iter::once(verdict.why(now()));
    let found: Vec<String> = why.chain(findings(&case(), &line, &verdict).iter().map(ToString::to_string)).collect();
    assert_eq!(format!("{}: {}", verdict.word(), found.join("; ")), expected, "{snapshots}");
}

#[test]
fn a_volume_gets_exactly_one_verdict_and_it_says_why() {
    // The newest completed one decides as long as it is within the RPO.
    check("completed 4", "fresh: backed up 4h ago");
    check("completed 26", "fresh: backed up 26h ago");
    check("completed 26.1", "stale: the newest backup is 26h old");
    check("completed 28, completed 52", "stale: the newest backup is 28h old");
    check("completed 100, completed 4, completed 28", "fresh: backed up 4h ago");
    check("", "never: there is no backup");
    // Under way, and for how long.
    check("pending 1, completed 28", "pending: a snapshot has been under way for 1h");
    check("pending 1", "pending: a snapshot has been under way for 1h");
    check("pending 24, completed 48", "pending: a snapshot has been under way for 24h");
    check("pending 1, completed 4", "fresh: backed up 4h ago");
    check(
        "pending 25, completed 48",
        "stale: the newest backup is 2d old; snap-0 has been pending since 2026-11-19 05:00 UTC"
            .replace("2d", "48h")
            .as_str(),
    );
    check("pending 25", "never: there is no backup; snap-0 has been pending since 2026-11-19 05:00 UTC");
    check("pending 30, completed 4", "fresh: backed up 4h ago; snap-0 has been pending since 2026-11-19 00:00 UTC");
    // In error: told while no newer one is good.
    check("error 4, completed 28", "failed: the snapshot of 4h ago ended in error: the key is gone");
    check("error 4", "failed: the snapshot of 4h ago ended in error: the key is gone");
    check("error 28, completed 27", "stale: the newest backup is 27h old");
    check(
        "error 4, completed 4.5",
        "fresh: backed up 4h ago; snap-0 of 2026-11-20 02:00 UTC ended in error: the key is gone",
    );
    check("error 5, completed 4", "fresh: backed up 4h ago");
    check(
        "error 4, pending 1, completed 28",
        "pending: a snapshot has been under way for 1h; snap-0 of 2026-11-20 02:00 UTC ended in error: the key is gone",
    );
}

#[test]
fn what_is_no_backup_of_this_policy_and_volume_proves_nothing() {
    for other in ["weekly", "untagged", "copy", "dlm", "another's", "another-volume's", "undated"] {
        check(&format!("completed 4 {other}"), "never: there is no backup");
        check(&format!("completed 4 {other}, completed 28"), "stale: the newest backup is 28h old");
    }
    for state in ["recoverable", "recovering"] {
        check(&format!("{state} 4, completed 28"), "stale: the newest backup is 28h old");
    }
    check("completed -9000", "never: there is no backup");
}

#[test]
fn a_snapshot_that_began_while_the_audit_was_reading_counts() {
    check("completed -0.2", "fresh: backed up 0m ago");
    check("pending -0.2, completed 28", "pending: a snapshot has been under way for 0m");
}

#[test]
fn an_archived_snapshot_counts_and_is_known_as_one() {
    check("completed 4 archived", "fresh: backed up 4h ago");
    assert!(line(&read("completed 4 archived")).completed.unwrap().is_archived);
}

/// Of a volume without snapshots, by when it was created and which run was seen.
fn check_new(created: Option<f64>, slot: Option<f64>, expected: &str) {
    let case = Case { slot: slot.map(|hours| Slot::at(ago(hours))), ..case() };
    let verdict = verdict(&case, &Line::default(), created.map(ago));
    assert_eq!(verdict.word(), expected, "{created:?} {slot:?}");
}

#[test]
fn a_volume_is_new_until_a_run_has_had_its_chance() {
    check_new(Some(2.0), Some(4.0), "new");
    check_new(Some(5.0), Some(4.0), "never");
    // The run is under way, and may come to it.
    check_new(Some(5.0), Some(0.5), "new");
    check_new(Some(5.0), Some(1.0), "never");
    // No run was seen: after the RPO there should have been one.
    check_new(Some(25.0), None, "new");
    check_new(Some(26.0), None, "never");
    check_new(None, Some(4.0), "never");
}

/// Whether the job of the run that was seen `slot` hours ago is enqueued again.
fn check_missed(snapshots: &str, created: f64, slot: Option<f64>, is_here: bool, expected: bool) {
    let case = Case { slot: slot.map(|hours| Slot::at(ago(hours))), ..case() };
    let line = line(&read(snapshots));
    let verdict = verdict(&case, &line, Some(ago(created)));
    let found = is_missed(&case, &line, &verdict, Some(ago(created)), is_here);
    assert_eq!(found, expected, "{snapshots:?} created {created} slot {slot:?} {is_here} {verdict:?}");
}

#[test]
fn what_a_run_has_missed_is_enqueued_again_and_nothing_else() {
    let year = 9000.0;
    for is_here in [true, false] {
        check_missed("completed 4", year, Some(4.0), is_here, false);
        check_missed("completed 28", year, Some(4.0), is_here, true);
        check_missed("", year, Some(4.0), is_here, true);
        check_missed("error 4", year, Some(4.0), is_here, true);
        check_missed("pending 1, completed 28", year, Some(4.0), is_here, false);
        check_missed("", 2.0, Some(4.0), is_here, false);
        // Still under way.
        check_missed("completed 28", year, Some(0.9), is_here, false);
        // Nobody has seen any run: this one takes its place.
        check_missed("completed 28", year, None, is_here, true);
        check_missed("completed 25", year, None, is_here, false);
        check_missed("", 2.0, None, is_here, true);
        check_missed("pending 1", year, None, is_here, false);
    }
    // Fresh by the run of yesterday: enqueued where tonight's came to the Region and left this volume out.
    check_missed("completed 25", year, Some(4.0), true, true);
    check_missed("completed 25", year, Some(4.0), false, false);
    check_missed("completed 3", 3.5, Some(4.0), true, false);
}

#[test]
fn what_another_policy_has_made_is_remembered_as_that() {
    assert!(line(&read("completed 4 weekly")).is_of_others);
    assert!(!line(&read("completed 4")).is_of_others);
    assert!(!line(&read("completed 4 weekly another's")).is_of_others);
}

#[test]
fn a_run_is_seen_in_its_snapshots_and_one_in_error_does_not_make_it_done() {
    let four = Slot::at(ago(4.0));
    let error = line(&read("error 4"));
    assert_eq!((error.seen, error.slot), (Some(four), None));
    let pending = line(&read("pending 4, completed 28"));
    assert_eq!((pending.seen, pending.slot), (Some(four), Some(four)));
    assert_eq!(line(&read("completed -0.5")).seen, None, "a run of the future has not run");
}

fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let state = prop::sample::select(vec!["completed", "pending", "error", "recoverable"]);
    let other = prop::sample::select(vec!["", "", "", "", "weekly", "copy", "another's", "undated", "archived"]);
    let one = (state, -40..120_i32, other).prop_map(|(state, hours, other)| format!("{state} {hours} {other}"));
    let many = prop::collection::vec(one, 0..8);
    many.prop_map(|texts| texts.iter().enumerate().map(|(number, text)| snapshot(text, number)).collect())
}

/// How good a verdict is.
fn rank(verdict: &Verdict) -> usize {
    let order = ["never", "new", "failed", "stale", "pending", "fresh"];
    order.iter().position(|word| *word == verdict.word()).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_the_pages_and_what_they_repeat_change_nothing(
        snapshots in snapshots(), shuffle in any::<prop::sample::Index>(), again in any::<prop::sample::Index>()
    ) {
        let expected = line(&snapshots);
        let mut other = snapshots.clone();
        if !other.is_empty() {
            other.push(other[again.index(other.len())].clone());
            let by = shuffle.index(other.len());
            other.rotate_left(by);
            other.reverse();
        }
        prop_assert_eq!(line(&other), expected);
    }

    #[test]
    fn a_newer_backup_never_makes_it_worse(snapshots in snapshots(), hours in 0..120_u32, created in 0..200_u32) {
        let created = Some(ago(f64::from(created)));
        let before = verdict(&case(), &line(&snapshots), created);
        let newest = line(&snapshots).completed.map(|begun| begun.at);
        let mut more = snapshots.clone();
        more.push(snapshot(&format!("completed {hours}"), 99));
        let after = verdict(&case(), &line(&more), created);
        if newest.is_none_or(|newest| ago(f64::from(hours)) >= newest) {
            prop_assert!(rank(&after) >= rank(&before), "{before:?} became {after:?}");
        }
        prop_assert!(after.is_covered() >= before.is_covered());
    }

    #[test]
    fn fresh_is_what_has_a_backup_within_the_rpo_and_nothing_else(snapshots in snapshots()) {
        let is_backup = |snapshot: &&Snapshot| {
            snapshot.state == "completed" && !snapshot.is_copy && snapshot.owner == ACCOUNT
                && snapshot.tags.get(tag::POLICY).is_some_and(|policy| policy == "daily")
        };
        let is_within = |at: DateTime<Utc>| at >= now() - TimeDelta::hours(26) && at <= now() + TimeDelta::hours(1);
        let expected = snapshots.iter().filter(is_backup).filter_map(|one| one.started).any(is_within);
        let found = verdict(&case(), &line(&snapshots), None);
        prop_assert_eq!(found.word() == "fresh", expected);
        prop_assert!(Verdict::WORDS.contains(&found.word()));
        prop_assert!(!found.why(now()).is_empty());
    }

    #[test]
    fn what_is_fresh_by_the_newest_run_or_under_way_is_never_enqueued_again(
        snapshots in snapshots(), slot in prop::option::of(0..60_u32), is_here in any::<bool>()
    ) {
        let slot = slot.map(|hours| Slot::at(ago(f64::from(hours))));
        let case = Case { slot, ..case() };
        let line = line(&snapshots);
        let verdict = verdict(&case, &line, None);
        if is_missed(&case, &line, &verdict, None, is_here) {
            prop_assert_ne!(verdict.word(), "pending");
            prop_assert!(slot.is_none() || line.slot < slot);
        }
    }
}
