//! When snapshots will go, if backups come as they have come so far.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::retention::{Case, Finding, is_good, judge};
use crate::vocabulary::inventory::{Presence, Snapshot};
use crate::vocabulary::retain::RetainRule;
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// How many backups, or days, are looked ahead.
const AHEAD: usize = 800;
/// How many of the last gaps between two backups are looked at.
const GAPS: usize = 8;
/// What is no pace: two begun together, or so far apart that looking ahead would leave the calendar.
const SHORTEST_GAP: TimeDelta = TimeDelta::minutes(1);
const LONGEST_GAP: TimeDelta = TimeDelta::days(3660);
const AHEAD_ID: &str = "ahead-";

/// For each snapshot of the volume that a rule will let go: the first time at which it does, if the backups of each
/// policy go on at the pace of the last few, under the rule of the newest. Of a volume that is gone none come. What does
/// not go within 800 backups or days is not named; where backups have stopped, nothing is.
pub fn forecast(case: &Case<'_>, snapshots: &[Snapshot]) -> BTreeMap<String, DateTime<Utc>> {
    forecast_until(case, snapshots, DateTime::<Utc>::MAX_UTC)
}

/// The same, of what goes until then: for thousands of volumes, whose last yearly snapshot nobody wants to know.
pub fn forecast_until(
    case: &Case<'_>,
    snapshots: &[Snapshot],
    until: DateTime<Utc>,
) -> BTreeMap<String, DateTime<Utc>> {
    let mut goes = BTreeMap::new();
    if judge(case, snapshots).findings.iter().any(|finding| matches!(finding, Finding::Stopped { .. })) {
        return goes;
    }
    let (mut present, mut coming) = (snapshots.to_vec(), coming(case, snapshots));
    let mut now = case.now;
    for number in 0..AHEAD {
        if now > until {
            break;
        }
        let judgement = judge(&Case { now, ..*case }, &present);
        let gone = judgement.verdicts.iter().filter(|verdict| verdict.expires());
        let gone: Vec<&str> = gone.map(|verdict| verdict.snapshot.as_str()).collect();
        present.retain(|snapshot| !gone.contains(&snapshot.id.as_str()));
        goes.extend(gone.into_iter().map(|snapshot| (String::from(snapshot), now)));
        if present.iter().all(|snapshot| snapshot.id.starts_with(AHEAD_ID)) {
            break;
        }
        match coming.iter_mut().min_by_key(|coming| coming.at) {
            None => now += TimeDelta::days(1),
            Some(coming) => {
                now = coming.at;
                present.push(next(&coming.like, now, number));
                coming.at += coming.gap;
            }
        }
    }
    goes.retain(|snapshot, _| !snapshot.starts_with(AHEAD_ID));
    goes
}

/// The next backup of a policy.
struct Coming {
    at: DateTime<Utc>,
    gap: TimeDelta,
    like: Snapshot,
}

/// The next backup of each policy of a volume that is there.
fn coming(case: &Case<'_>, snapshots: &[Snapshot]) -> Vec<Coming> {
    let mut policies = BTreeMap::<&str, Vec<&Snapshot>>::new();
    let is_followed = |snapshot: &&Snapshot| case.presence == Presence::Living && is_good(snapshot, case.now);
    for snapshot in snapshots.iter().filter(is_followed) {
        if let Some(policy) = snapshot.tags.get(tag::POLICY) {
            policies.entry(policy).or_default().push(snapshot);
        }
    }
    policies.into_values().filter_map(|of_policy| next_of(case, of_policy)).collect()
}

/// The middle one of the last gaps after the newest, and not in the past.
fn next_of(case: &Case<'_>, mut snapshots: Vec<&Snapshot>) -> Option<Coming> {
    snapshots.sort_by_key(|snapshot| Reverse(snapshot.started));
    // What a job has taken twice is one backup.
    let mut jobs = HashSet::new();
    let starts = snapshots.iter().copied().filter_map(|snapshot| {
        let is_another = snapshot.tags.get(tag::JOB).is_none_or(|job| jobs.insert(job));
        snapshot.started.filter(|_| is_another)
    });
    let starts: Vec<DateTime<Utc>> = starts.take(GAPS + 1).collect();
    let mut gaps: Vec<TimeDelta> = starts.windows(2).map(|pair| pair[0] - pair[1]).collect();
    gaps.sort();
    let gap = gaps.get(gaps.len() / 2).copied().filter(|gap| (SHORTEST_GAP..=LONGEST_GAP).contains(gap))?;
    // A person who takes the keyword's tag off the newest means that one only.
    let has_its_keyword =
        |snapshot: &&&Snapshot| snapshot.tags.get(tag::KEYWORD).is_none_or(|key| snapshot.tags.contains_key(key));
    let like = snapshots.iter().find(has_its_keyword)?;
    let newest = *starts.first()?;
    #[expect(clippy::cast_possible_truncation, reason = "gaps of a minute and more, in some years")]
    let missed = ((case.now - newest).as_seconds_f64() / gap.as_seconds_f64()).floor() as i32;
    Some(Coming { at: newest + gap * (missed + 1), gap, like: (*like).clone() })
}

/// The snapshot that the same policy takes at `started`.
fn next(newest: &Snapshot, started: DateTime<Utc>, number: usize) -> Snapshot {
    let mut next = Snapshot { id: format!("{AHEAD_ID}{number}"), started: Some(started), ..newest.clone() };
    // A person's order on that one, and the job that made it: the next is another's.
    for key in [tag::KEEP_FOREVER, tag::JOB, tag::SLOT] {
        next.tags.remove(key);
    }
    let rule: Option<RetainRule> = next.tags.get(tag::RETAIN).and_then(|rule| rule.parse().ok());
    let zone = next.tags.get(tag::TIME_ZONE).and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::UTC);
    if let Some(day) = rule.and_then(|rule| rule.delete_on(Slot::at(started), zone)) {
        next.tags.insert(tag::DELETE_ON.into(), day.to_string());
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::inventory::Holds;

    const NOW: &str = "2026-11-20T03:00:00Z";

    /// Daily snapshots of `policy` under `rule`; `snap-0` is an hour old.
    fn daily(policy: &str, rule: &str, days: std::ops::Range<i64>) -> Vec<Snapshot> {
        let parsed: RetainRule = rule.parse().unwrap();
        let now: DateTime<Utc> = NOW.parse().unwrap();
        let made = days.map(|day| {
            let started = now - TimeDelta::days(day) - TimeDelta::hours(1);
            let delete_on = parsed.delete_on(Slot::at(started), chrono_tz::UTC);
            let tags = [(tag::POLICY, Some(policy.into())), (tag::RETAIN, Some(rule.into()))];
            let tags = tags.into_iter().chain([(tag::DELETE_ON, delete_on.map(|day| day.to_string()))]);
            Snapshot {
                id: format!("snap-{day}"),
                volume: "vol-1".into(),
                owner: "123456789012".into(),
                started: Some(started),
                state: "completed".into(),
                tags: tags.filter_map(|(key, value)| Some((key.into(), value?))).collect(),
                ..Snapshot::default()
            }
        });
        made.collect()
    }

    fn check(snapshots: &[Snapshot], presence: Presence, orphans: &str, expected: &[&str]) {
        let (holds, orphans) = (Holds::new(), orphans.parse().unwrap());
        let now = NOW.parse().unwrap();
        let case = Case { account: "123456789012", volume: "vol-1", presence, orphans, holds: &holds, now };
        let goes = forecast(&case, snapshots);
        let goes: Vec<String> =
            goes.iter().map(|(snapshot, time)| format!("{snapshot} {}", time.format("%Y-%m-%d"))).collect();
        assert_eq!(goes, expected);
    }

    fn check_living(rule: &str, days: i64, expected: &[&str]) {
        check(&daily("daily", rule, 0..days), Presence::Living, "keep-last", expected);
    }

    #[test]
    fn a_rule_says_when_each_snapshot_goes_if_backups_go_on() {
        check_living("3", 3, &["snap-0 2026-11-23", "snap-1 2026-11-22", "snap-2 2026-11-21"]);
        check_living("7d", 3, &["snap-0 2026-11-27", "snap-1 2026-11-26", "snap-2 2026-11-25"]);
        check_living("2", 3, &["snap-0 2026-11-22", "snap-1 2026-11-21", "snap-2 2026-11-20"]);
        // The 20th is a Friday: the 19th goes now, and the 20th when Saturday's is the week's newest.
        check_living("daily=1 weekly=2", 2, &["snap-0 2026-11-21", "snap-1 2026-11-20"]);
        check_living("forever", 3, &[]);
        // From one alone nobody knows the pace.
        check_living("3", 1, &[]);
    }

    #[test]
    fn what_goes_until_a_day_is_the_beginning_of_what_goes_at_all() {
        let (holds, now) = (Holds::new(), NOW.parse().unwrap());
        let (presence, orphans) = (Presence::Living, "keep-last".parse().unwrap());
        let case = Case { account: "123456789012", volume: "vol-1", presence, orphans, holds: &holds, now };
        for rule in ["3", "7d", "daily=2 weekly=3"] {
            let snapshots = daily("daily", rule, 0..9);
            for days in 0..9 {
                let until = now + TimeDelta::days(days);
                let mut expected = forecast(&case, &snapshots);
                expected.retain(|_, goes| *goes <= until);
                assert_eq!(forecast_until(&case, &snapshots, until), expected, "{rule}, {days} days");
            }
        }
    }

    #[test]
    fn of_a_volume_that_is_gone_no_backups_come() {
        let (gone, three) = (Presence::Gone, daily("daily", "7d", 0..3));
        check(&three, gone, "keep-last", &["snap-1 2026-11-26", "snap-2 2026-11-25"]);
        check(&three, gone, "by-rule", &["snap-0 2026-11-27", "snap-1 2026-11-26", "snap-2 2026-11-25"]);
        let counted = daily("daily", "2", 0..3);
        check(&counted, gone, "keep-last", &["snap-2 2026-11-20"]);
        check(&counted, gone, "90d", &["snap-0 2027-02-18", "snap-1 2027-02-18", "snap-2 2026-11-20"]);
    }

    #[test]
    fn where_backups_have_stopped_nothing_goes() {
        check(&daily("daily", "7d", 20..24), Presence::Living, "keep-last", &[]);
    }

    #[test]
    fn another_policy_that_goes_on_is_no_stop() {
        let mut snapshots = daily("weekly", "7d", 8..10);
        snapshots.extend(daily("daily", "forever", 0..3));
        let goes = ["snap-8 2026-11-21", "snap-9 2026-11-20"];
        check(&snapshots, Presence::Living, "keep-last", &goes);
    }

    #[test]
    fn backups_that_are_centuries_apart_have_no_pace() {
        let mut snapshots = daily("daily", "3", 0..2);
        snapshots[1].started = "0125-07-24T15:20:42Z".parse().ok();
        check(&snapshots, Presence::Living, "keep-last", &[]);
    }

    #[test]
    fn what_was_taken_twice_goes_now_and_says_nothing_of_the_pace() {
        for (rule, goes) in [("2", "snap-0 2026-11-22"), ("7d", "snap-0 2026-11-27")] {
            let mut snapshots = daily("daily", rule, 0..1);
            let slot = Slot::at(snapshots[0].started.unwrap());
            snapshots[0].tags.extend([(tag::JOB.into(), "job-0".into()), (tag::SLOT.into(), slot.to_string())]);
            let started = snapshots[0].started.map(|started| started - TimeDelta::seconds(30));
            snapshots.push(Snapshot { id: "snap-double".into(), started, ..snapshots[0].clone() });
            snapshots.extend(daily("daily", rule, 1..2));
            let other = if rule == "2" { "snap-1 2026-11-21" } else { "snap-1 2026-11-26" };
            check(&snapshots, Presence::Living, "keep-last", &[goes, other, "snap-double 2026-11-20"]);
        }
    }

    #[test]
    fn a_keyword_taken_off_the_newest_keeps_that_one_only() {
        let mut snapshots = daily("Nightly", "2", 0..3);
        for snapshot in &mut snapshots {
            snapshot.tags.extend([(tag::KEYWORD.into(), "Nightly".into()), ("Nightly".into(), "2".into())]);
        }
        snapshots[0].tags.remove("Nightly");
        check(&snapshots, Presence::Living, "keep-last", &["snap-1 2026-11-22", "snap-2 2026-11-21"]);
    }
}
