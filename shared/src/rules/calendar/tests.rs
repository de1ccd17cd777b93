use proptest::prelude::*;

use super::*;
use crate::rules::retention;
use crate::vocabulary::inventory::{Holds, Presence};
use crate::vocabulary::orphans::Orphans;

const NOW: &str = "2026-11-20T12:00:00Z";
const ACCOUNT: &str = "123456789012";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

/// A snapshot of `daily` under `rule`, with the date that the worker would have written.
fn snapshot(started: DateTime<Utc>, state: &str, rule: &str) -> Snapshot {
    let parsed: RetainRule = rule.parse().unwrap();
    let delete_on = parsed.delete_on(Slot::at(started), Tz::UTC).map(|day| day.to_string());
    let tags = [(tag::POLICY, Some("daily".into())), (tag::RETAIN, Some(rule.into())), (tag::DELETE_ON, delete_on)];
    Snapshot {
        id: format!("snap-{}", started.timestamp()),
        volume: "vol-1".into(),
        owner: ACCOUNT.into(),
        started: Some(started),
        state: state.into(),
        tags: tags.into_iter().filter_map(|(key, value)| Some((key.into(), value?))).collect(),
        ..Snapshot::default()
    }
}

/// Snapshots at 02:00 UTC so many days ago; `error 3` and `pending 0` are not completed.
fn taken(text: &str, rule: &str) -> Vec<Snapshot> {
    let one = |word: &str| {
        let (state, ago) = word.split_once(':').unwrap_or(("completed", word));
        let today: DateTime<Utc> = "2026-11-20T02:00:00Z".parse().unwrap();
        snapshot(today - TimeDelta::days(ago.parse().unwrap()), state, rule)
    };
    text.split_whitespace().map(one).collect()
}

fn letters_in(zone: Tz, created: Option<&str>, snapshots: &[Snapshot], count: u16) -> String {
    let slots: BTreeSet<Slot> = snapshots.iter().filter_map(|snapshot| snapshot.started.map(Slot::at)).collect();
    let case = Case { account: ACCOUNT, policy: "daily", rpo: TimeDelta::hours(26), slots: &slots, zone, now: now() };
    let created = created.map(|created| created.parse().unwrap());
    let days = days(count, zone, now());
    calendar(&case, &days, "vol-1", created, snapshots).into_iter().map(Day::letter).collect()
}

/// The last twelve days, the last letter is today.
fn check(rule: &str, created: Option<&str>, text: &str, expected: &str) {
    let letters = letters_in(Tz::UTC, created, &taken(text, rule), 12);
    assert_eq!(letters, expected, "{rule}, {text}");
}

#[test]
fn a_day_with_a_snapshot_is_fresh_and_one_that_was_pruned_is_not_known() {
    check("7d", None, "0 1 2 3 4 5 6", "gggggfffffff");
    check("3", None, "0 1 2", "gggggggggfff");
    check("forever", None, "0 1 2 3 4 5 6 7 8 9 10 11", "ffffffffffff");
}

#[test]
fn a_day_without_one_is_stale_only_where_one_would_be_left() {
    check("7d", None, "0 1 4 5 6", "gggggfffssff");
    // Under a count of three the fourth newest would be gone; of two, one more would be left.
    check("3", None, "0 1 5", "ggggggfsssff");
    check("3", None, "0 5", "nnnnnnfssssf");
    check("forever", None, "0 1 11", "fsssssssssff");
    // A week keeps its newest, so that others of that week may have been there. The 20th is a Friday.
    check("daily=2 weekly=4", None, "0 1 5", "ggggggfgggff");
}

#[test]
fn what_is_missing_now_is_said_as_the_audit_says_it() {
    check("7d", None, "3 4 5 6", "gggggffffsss");
    check("7d", None, "error:0 1 2 3 4 5 6", "gggggffffffe");
    check("7d", None, "error:0 error:1 2 3 4 5 6", "gggggfffffee");
    check("7d", None, "pending:0 3 4", "ggggggnffssp");
}

#[test]
fn before_it_was_created_a_volume_was_not_there() {
    check("7d", Some("2026-11-15T10:00:00Z"), "0 1 2 3 4", "......wfffff");
    check("7d", Some("2026-11-15T10:00:00Z"), "", "......wnnnnn");
    check("7d", None, "", "nnnnnnnnnnnn");
}

#[test]
fn a_rule_of_before_is_thought_of() {
    let mut snapshots = taken("0 1", "90d");
    snapshots.extend(taken("4 5", "7d"));
    assert_eq!(letters_in(Tz::UTC, None, &snapshots, 12), "ggggggffssff");
}

#[test]
fn days_end_where_their_time_zone_says() {
    // 02:00 UTC is the evening before in New York, where a day ends at 05:00 UTC.
    let snapshots = taken("1 2", "forever");
    assert_eq!(letters_in(Tz::America__New_York, None, &snapshots, 4), "ffss");
    assert_eq!(letters_in(Tz::UTC, None, &snapshots, 4), "nffs");
    // A midnight that the clocks leave out.
    let day = NaiveDate::from_ymd_opt(2026, 4, 23).unwrap();
    assert_eq!(end_of(day, Tz::Africa__Cairo).to_rfc3339(), "2026-04-23T22:00:00+00:00");
}

#[test]
fn another_policys_snapshots_say_nothing() {
    let mut snapshots = taken("0 1 2", "7d");
    snapshots[1].tags.insert(tag::POLICY.into(), "weekly".into());
    snapshots[2].owner = "210987654321".into();
    assert_eq!(letters_in(Tz::UTC, None, &snapshots, 3), "nnf");
}

proptest! {
    /// What is taken for proof is proof: a snapshot that is said to be left would be kept by retention itself. For counts
    /// and calendars the other way round as well; the date of an age is counted from a slot that nobody knows.
    #[test]
    fn nothing_is_called_missing_that_retention_would_have_let_go(
        rule in prop::sample::select(vec!["3", "7d", "2w", "1m", "daily=3", "daily=3 weekly=2", "hourly=5 monthly=2", "forever"]),
        hours in prop::collection::btree_set(1_u32..1200, 0..25),
        missing in 1_u32..1200,
    ) {
        let at = |hours: u32| now() - TimeDelta::hours(hours.into());
        let snapshots: Vec<Snapshot> = hours.iter().filter(|hours| **hours != missing).map(|hours| snapshot(at(*hours), "completed", rule)).collect();
        let parsed: RetainRule = rule.parse().unwrap();
        let case = Case {
            account: ACCOUNT, policy: "daily", rpo: TimeDelta::hours(26),
            slots: &BTreeSet::new(), zone: Tz::UTC, now: now(),
        };
        let said = Left::of(&case, &snapshots.iter().collect::<Vec<_>>()).would_have(at(missing));
        let supposed = snapshot(at(missing), "completed", rule);
        let with: Vec<Snapshot> = snapshots.iter().cloned().chain([supposed.clone()]).collect();
        let (holds, presence, orphans) = (Holds::new(), Presence::Living, Orphans::KeepLast);
        let judged = retention::judge(&retention::Case { account: ACCOUNT, volume: "vol-1", presence, orphans, holds: &holds, now: now() }, &with);
        let verdict = judged.verdicts.iter().find(|verdict| verdict.snapshot == supposed.id).unwrap();
        prop_assert!(!said || !verdict.expires(), "{rule}: {missing} {:?}", verdict.why());
        if !matches!(parsed, RetainRule::Age(_)) {
            prop_assert_eq!(said, !verdict.expires());
        }
    }
}
