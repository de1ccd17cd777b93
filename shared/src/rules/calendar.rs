//! A volume's calendar: what [`coverage`] would have said at the end of each day, as far as what is left can tell.
//!
//! EC2 has no history. A snapshot that covered a day three weeks ago has been pruned since, and nobody can know from EC2
//! that it was there. So a day on which nothing is left is called stale or never only where a snapshot of that day would
//! have been kept by the rules: then its absence is proof. Everything else is [`Day::Gone`].

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::coverage::{self, GRACE, Lines, Verdict, verdict};
use super::retention::{is_good, key, policy_of};
use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::retain::{Last, RetainRule};
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// What a volume's calendar depends on, besides its snapshots.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Whose snapshots are ours: twelve digits.
    pub account: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// How old the newest backup may be.
    pub rpo: TimeDelta,
    /// The slots that are seen in any snapshot of the policy.
    pub slots: &'a BTreeSet<Slot>,
    /// Whose midnights end the days.
    pub zone: Tz,
    /// In UTC.
    pub now: DateTime<Utc>,
}

/// A day of a volume. The first seven are the verdicts of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Fresh,
    Pending,
    New,
    Stale,
    Never,
    Failed,
    Excluded,
    /// The volume was not there.
    Absent,
    /// Nothing is left of it, and nothing would be.
    Gone,
}

impl Day {
    /// As it stands in a report's data.
    pub fn letter(self) -> char {
        match self {
            Self::Fresh => 'f',
            Self::Pending => 'p',
            Self::New => 'w',
            Self::Stale => 's',
            Self::Never => 'n',
            Self::Failed => 'e',
            Self::Excluded => 'x',
            Self::Absent => '.',
            Self::Gone => 'g',
        }
    }
}

impl From<&Verdict> for Day {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Fresh { .. } => Self::Fresh,
            Verdict::Pending { .. } => Self::Pending,
            Verdict::New { .. } => Self::New,
            Verdict::Stale { .. } => Self::Stale,
            Verdict::Never => Self::Never,
            Verdict::Failed { .. } => Self::Failed,
            Verdict::Excluded { .. } => Self::Excluded,
        }
    }
}

/// The last `count` days in `zone`, the oldest first; the last is today.
pub fn days(count: u16, zone: Tz, now: DateTime<Utc>) -> Vec<NaiveDate> {
    let today = now.with_timezone(&zone).date_naive();
    (0..i64::from(count)).rev().filter_map(|ago| today.checked_sub_signed(TimeDelta::days(ago))).collect()
}

/// What is said of each of `days` of a selected volume, which was created at `created`: at the day's end, and of today as
/// of now, where it is the audit's own verdict.
pub fn calendar(
    case: &Case<'_>,
    days: &[NaiveDate],
    volume: &str,
    created: Option<DateTime<Utc>>,
    snapshots: &[Snapshot],
) -> Vec<Day> {
    let is_of_policy = |snapshot: &&Snapshot| policy_of(case.account, volume, snapshot) == Ok(case.policy);
    let snapshots: Vec<&Snapshot> = snapshots.iter().filter(is_of_policy).collect();
    let left = Left::of(case, &snapshots);
    days.iter().map(|day| on(case, end_of(*day, case.zone), volume, created, &snapshots, &left)).collect()
}

fn on(
    case: &Case<'_>,
    end: DateTime<Utc>,
    volume: &str,
    created: Option<DateTime<Utc>>,
    snapshots: &[&Snapshot],
    left: &Left<'_>,
) -> Day {
    let (is_over, at) = (end <= case.now, end.min(case.now));
    if is_over && created.is_some_and(|created| created >= at) {
        return Day::Absent;
    }
    let mut lines = Lines::new(case.account, case.policy, at);
    let was_begun = |snapshot: &&&Snapshot| !is_over || snapshot.started.is_some_and(|started| started < at);
    snapshots.iter().filter(was_begun).for_each(|snapshot| lines.add(snapshot));
    let slot = case.slots.range(..=Slot::at(at)).next_back().copied();
    let day = Day::from(&verdict(&coverage::Case { rpo: case.rpo, slot, now: at }, &lines.take(volume), created));
    let is_certain = !is_over || matches!(day, Day::Fresh | Day::Pending);
    // None was begun within the RPO before the end: one is missing only if, whenever it was begun, it would be left.
    match is_certain || [at - TimeDelta::seconds(1), at - case.rpo].into_iter().all(|begun| left.would_have(begun)) {
        true => day,
        false => Day::Gone,
    }
}

/// Midnight at the end of `day` in `zone`; where the clocks go forward just then, the first moment after it.
pub fn end_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
    let quarters = (0..=12).map(|quarter| midnight + TimeDelta::minutes(15 * quarter));
    let local = quarters.filter_map(|time| zone.from_local_datetime(&time).earliest()).next();
    local.map_or_else(|| midnight.and_utc(), |local| local.to_utc())
}

/// What of the past would be left today.
struct Left<'a> {
    /// Every rule that they were made under: one that is missing was made under one of these, as far as anybody knows.
    /// One that cannot be read lets nothing go.
    rules: Vec<(RetainRule, Tz)>,
    /// When the completed ones were begun.
    begun: Vec<DateTime<Utc>>,
    case: &'a Case<'a>,
}

impl<'a> Left<'a> {
    fn of(case: &'a Case<'a>, snapshots: &[&Snapshot]) -> Self {
        let mut rules = Vec::new();
        for snapshot in snapshots {
            let rule: Option<RetainRule> = snapshot.tags.get(tag::RETAIN).and_then(|rule| rule.parse().ok());
            let zone = snapshot.tags.get(tag::TIME_ZONE).and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
            if let Some(rule) = rule.map(|rule| (rule, zone)).filter(|rule| !rules.contains(rule)) {
                rules.push(rule);
            }
        }
        let good = snapshots.iter().filter(|snapshot| is_good(snapshot, case.now));
        Self { rules, begun: good.filter_map(|snapshot| snapshot.started).collect(), case }
    }

    /// Whether a completed snapshot that was begun then would still be there by each of the rules.
    fn would_have(&self, begun: DateTime<Utc>) -> bool {
        let later = || self.begun.iter().copied().filter(move |later| *later > begun);
        // The newest is never deleted.
        later().next().is_none()
            || self.rules.iter().all(|(rule, zone)| keeps(rule, *zone, begun, &later, self.case.now))
    }
}

/// Whether `rule` would keep a snapshot that was begun then, with these `later` ones; as
/// [`judge`](super::retention::judge) has it, to which a test holds it.
fn keeps<I: Iterator<Item = DateTime<Utc>>>(
    rule: &RetainRule,
    zone: Tz,
    begun: DateTime<Utc>,
    later: &impl Fn() -> I,
    now: DateTime<Utc>,
) -> bool {
    let day = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
    match rule {
        RetainRule::Forever => true,
        // The date that a snapshot bears is counted from its slot.
        RetainRule::Age(age) => age.after(day(begun - GRACE)).is_none_or(|due| due > day(now)),
        RetainRule::Count(count) => later().count() < *count as usize,
        RetainRule::Calendar(periods) => periods.iter().any(|(period, last)| {
            let keys: BTreeSet<_> = later().map(|later| key(*period, later, zone)).collect();
            let has_place = match last {
                Last::All => true,
                Last::Periods(count) => keys.len() < *count as usize,
            };
            has_place && !keys.contains(&key(*period, begun, zone))
        }),
    }
}

#[cfg(test)]
mod tests;
