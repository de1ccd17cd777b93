//! When snapshots will go, if backups come as they have come so far.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::retention::{Case, judge};
use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::retain::RetainRule;
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// How many backups are looked ahead.
const AHEAD: i32 = 800;
/// How many of the last gaps between two backups are looked at.
const GAPS: usize = 8;

/// For each snapshot of the volume that a rule will let go: the first time at which it does, if backups go on at the
/// pace of the last few, under the rule of the newest. What does not go within 800 backups is not named.
pub fn forecast(case: &Case<'_>, snapshots: &[Snapshot]) -> BTreeMap<String, DateTime<Utc>> {
    let mut goes = BTreeMap::new();
    let mut policies = BTreeMap::<&str, Vec<Snapshot>>::new();
    for snapshot in snapshots {
        let policy = snapshot.tags.get(tag::POLICY).map_or("", String::as_str);
        policies.entry(policy).or_default().push(snapshot.clone());
    }
    for mut present in policies.into_values() {
        let expire = |case: &Case<'_>, present: &[Snapshot]| {
            let verdicts = judge(case, present).verdicts.into_iter();
            verdicts.filter(|verdict| verdict.expires()).map(|verdict| verdict.snapshot).collect::<Vec<_>>()
        };
        goes.extend(expire(case, &present).into_iter().map(|snapshot| (snapshot, case.now)));
        let Some((newest, gap)) = rhythm(case, &present) else { continue };
        let first = newest.started.unwrap_or(case.now);
        for number in 1..=AHEAD {
            let started = first + gap * number;
            if started < case.now {
                continue;
            }
            present.push(next(&newest, started, number));
            let gone = expire(&Case { now: started, ..*case }, &present);
            present.retain(|snapshot| !gone.contains(&snapshot.id));
            for snapshot in gone {
                goes.entry(snapshot).or_insert(started);
            }
            if present.iter().all(|snapshot| snapshot.id.starts_with(AHEAD_ID)) {
                break;
            }
        }
    }
    goes.retain(|snapshot, _| !snapshot.starts_with(AHEAD_ID));
    goes
}

const AHEAD_ID: &str = "ahead-";

/// The newest completed snapshot, and the middle one of the last gaps.
fn rhythm(case: &Case<'_>, snapshots: &[Snapshot]) -> Option<(Snapshot, TimeDelta)> {
    let is_good = |snapshot: &&Snapshot| {
        snapshot.state == "completed" && snapshot.started.is_some_and(|started| started <= case.now)
    };
    let mut good: Vec<&Snapshot> = snapshots.iter().filter(is_good).collect();
    good.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.started));
    let starts: Vec<DateTime<Utc>> = good.iter().filter_map(|snapshot| snapshot.started).take(GAPS + 1).collect();
    let mut gaps: Vec<TimeDelta> = starts.windows(2).map(|pair| pair[0] - pair[1]).collect();
    gaps.sort();
    let gap = gaps.get(gaps.len() / 2).copied().filter(|gap| *gap >= TimeDelta::minutes(1))?;
    Some(((*good.first()?).clone(), gap))
}

/// The snapshot that the same policy takes at `started`.
fn next(newest: &Snapshot, started: DateTime<Utc>, number: i32) -> Snapshot {
    let mut next = Snapshot { id: format!("{AHEAD_ID}{number}"), started: Some(started), ..newest.clone() };
    next.tags.remove(tag::KEEP_FOREVER);
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
    use crate::vocabulary::inventory::{Holds, Presence};
    use crate::vocabulary::orphans::Orphans;

    /// Daily snapshots under `rule` up to `now`, and when they go.
    fn check(rule: &str, now: &str, days: i64, expected: &[&str]) {
        let now: DateTime<Utc> = now.parse().unwrap();
        let parsed: RetainRule = rule.parse().unwrap();
        let made = (0..days).rev().map(|day| {
            let started = now - TimeDelta::days(day) - TimeDelta::hours(1);
            let delete_on = parsed.delete_on(Slot::at(started), chrono_tz::UTC);
            let tags = [("snapkeep:policy", Some("daily".into())), ("snapkeep:retain", Some(rule.into()))];
            let tags = tags.into_iter().chain([("DeleteOn", delete_on.map(|day| day.to_string()))]);
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
        let made: Vec<Snapshot> = made.collect();
        let holds = Holds::new();
        let (presence, orphans) = (Presence::Living, Orphans::default());
        let case = Case { account: "123456789012", volume: "vol-1", presence, orphans, holds: &holds, now };
        let goes = forecast(&case, &made);
        let goes: Vec<String> =
            goes.iter().map(|(snapshot, time)| format!("{snapshot} {}", time.format("%Y-%m-%d"))).collect();
        assert_eq!(goes, expected, "{rule}");
    }

    #[test]
    fn a_rule_says_when_each_snapshot_goes_if_backups_go_on() {
        let now = "2026-11-20T03:00:00Z";
        check("3", now, 3, &["snap-0 2026-11-23", "snap-1 2026-11-22", "snap-2 2026-11-21"]);
        check("7d", now, 3, &["snap-0 2026-11-27", "snap-1 2026-11-26", "snap-2 2026-11-25"]);
        check("2", now, 3, &["snap-0 2026-11-22", "snap-1 2026-11-21", "snap-2 2026-11-20"]);
        // The 20th is a Friday: the 19th goes tomorrow, and the 20th when Saturday's is the week's newest.
        check("daily=1 weekly=2", now, 2, &["snap-0 2026-11-21", "snap-1 2026-11-20"]);
        check("forever", now, 3, &[]);
        // From one alone nobody knows the pace.
        check("3", now, 1, &[]);
    }
}
