//! When a schedule fires: what EventBridge Scheduler documents, evaluated ahead.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
//!
//! Where clocks are set forward, a time that does not exist is skipped; where they are set back, the first of two equal
//! times fires and the second does not. A rate knows no clocks.

mod days;

use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use self::days::falls_on;
use crate::vocabulary::schedule::cron::{Cron, LAST_YEAR};
use crate::vocabulary::schedule::{Expression, Schedule};

/// How far ahead the rhythm is looked at: a year, and the nights on which clocks change.
const AHEAD: TimeDelta = TimeDelta::days(400);
/// More fires than this say nothing new about the rhythm.
const MOST_FIRES: usize = 10_000;
/// Nobody sets a clock by more than this at once, but who moves across the date line.
const LONGEST_CHANGE: TimeDelta = TimeDelta::hours(3);

/// The times from one fire to the next, as the clock on the wall counts them: nights on which clocks change are told by
/// [`clock_changes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// From one fire to the next, at the least.
    pub shortest: TimeDelta,
    /// At the most.
    pub longest: TimeDelta,
}

/// A fire that a change of clocks takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    /// The time on the wall that does not exist, or comes a second time.
    pub local: NaiveDateTime,
    /// Which of the two.
    pub kind: Change,
    /// From the fire before to the fire after it.
    pub gap: TimeDelta,
}

/// What becomes of a time on the wall when clocks change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It does not exist, and does not fire.
    Skipped,
    /// It comes twice, and fires once.
    Once,
}

/// The fires from `from` on and before `to`, in order, whether or not the schedule is enabled. `StartDate` and `EndDate`
/// bound them, but for [`Expression::At`], for which Scheduler ignores them.
pub fn fires(
    schedule: &Schedule,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Box<dyn Iterator<Item = DateTime<Utc>> + '_> {
    let zone = schedule.time_zone;
    let starts = schedule.start.map_or(from, |start| start.max(from));
    let is_over = move |at: &DateTime<Utc>| schedule.end.is_some_and(|end| *at > end) || *at >= to;
    match &schedule.expression {
        Expression::At(local) => {
            let at = zone.from_local_datetime(local).earliest().map(|at| at.to_utc());
            Box::new(at.into_iter().filter(move |at| (from..to).contains(at)))
        }
        Expression::Rate(rate) => {
            let first = schedule.start.or(schedule.made).unwrap_or(from);
            Box::new(every(first, *rate, starts).take_while(move |at| !is_over(at)))
        }
        Expression::Cron(cron) => {
            let local_fires = local_fires(cron, (starts - LONGEST_CHANGE).with_timezone(&zone).naive_local());
            let fires = local_fires.filter_map(move |local| zone.from_local_datetime(&local).earliest());
            let fires = fires.map(|at| at.to_utc()).skip_while(move |at| *at < starts);
            Box::new(fires.take_while(move |at| !is_over(at)))
        }
    }
}

/// The first fire at `now` or after it; `None`: it never fires again, were it enabled or not.
pub fn next(schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    fires(schedule, now, DateTime::<Utc>::MAX_UTC).next()
}

/// How a schedule fires; `None` where it does at most once more.
pub fn rhythm(schedule: &Schedule, now: DateTime<Utc>) -> Option<Rhythm> {
    let fires: Vec<NaiveDateTime> = match &schedule.expression {
        Expression::At(_) => return None,
        Expression::Rate(rate) => return Some(Rhythm { shortest: *rate, longest: *rate }),
        Expression::Cron(cron) => {
            let from = schedule.start.map_or(now, |start| start.max(now)).with_timezone(&schedule.time_zone);
            let last = schedule.end.map(|end| end.with_timezone(&schedule.time_zone).naive_local());
            let until = from.naive_local() + AHEAD;
            let fires = local_fires(cron, from.naive_local()).take(MOST_FIRES);
            let fires = fires.take_while(move |at| last.is_none_or(|last| *at <= last));
            // A rhythm of years has three fires all the same.
            let ahead = fires.enumerate().take_while(|(number, at)| *number < 3 || *at < until);
            ahead.map(|(_, at)| at).collect()
        }
    };
    let gaps = fires.windows(2).map(|pair| pair[1] - pair[0]);
    Some(Rhythm { shortest: gaps.clone().min()?, longest: gaps.max()? })
}

/// The fires that changes of clocks take away between `from` and `to`, as far as anybody would miss them: where an
/// hourly schedule has no two o'clock because the hour does not exist, the one at three is an hour after the one at one.
pub fn clock_changes(schedule: &Schedule, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<ClockChange> {
    let Expression::Cron(cron) = &schedule.expression else { return Vec::new() };
    let zone = schedule.time_zone;
    let (first, last) = (from.with_timezone(&zone).naive_local(), to.with_timezone(&zone).naive_local());
    let nights = changing_days(zone, first.date(), last.date()).into_iter();
    let fires = nights.flat_map(|day| local_fires(cron, midnight(day)).take_while(move |at| at.date() == day));
    let fires = fires.filter(|local| (first..last).contains(local));
    let changes = fires.filter_map(|local| match zone.from_local_datetime(&local) {
        LocalResult::Single(_) => None,
        LocalResult::None => skipped(zone, cron, local),
        LocalResult::Ambiguous(_, _) => once(zone, cron, local),
    });
    changes.collect()
}

/// The days from `first` to `last` around which a clock on the wall is set.
fn changing_days(zone: Tz, first: NaiveDate, last: NaiveDate) -> Vec<NaiveDate> {
    let offset = |day: NaiveDate| zone.offset_from_utc_datetime(&midnight(day)).fix();
    let changes = |day: &NaiveDate| {
        let (before, after) = (day.pred_opt(), day.checked_add_days(Days::new(2)));
        before.zip(after).is_some_and(|(before, after)| offset(before) != offset(after))
    };
    first.iter_days().take_while(move |day| *day <= last).filter(changes).collect()
}

/// A time that does not exist, if the fires around it are further apart than they are on other days.
fn skipped(zone: Tz, cron: &Cron, local: NaiveDateTime) -> Option<ClockChange> {
    let at = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    let before = fires_before(cron, local);
    let after = local_fires(cron, local + TimeDelta::seconds(1)).take(MOST_FIRES);
    let gap = after.clone().find_map(at)? - before.iter().rev().copied().find_map(at)?;
    let usual = (local - *before.last()?).max(after.clone().next()? - local);
    (gap > usual).then_some(ClockChange { local, kind: Change::Skipped, gap })
}

/// A time that comes twice, if another fire is due before it has come a second time.
fn once(zone: Tz, cron: &Cron, local: NaiveDateTime) -> Option<ClockChange> {
    let at = |local: NaiveDateTime| zone.from_local_datetime(&local).earliest();
    let after = local_fires(cron, local + TimeDelta::seconds(1)).next()?;
    let gap = at(after)? - at(local)?;
    (gap >= (after - local) * 2).then_some(ClockChange { local, kind: Change::Once, gap })
}

/// The last fires before `local` on the wall; as many days are looked back as it takes to find two.
fn fires_before(cron: &Cron, local: NaiveDateTime) -> Vec<NaiveDateTime> {
    let from = [1, 8, 60, 800].into_iter().filter_map(|days| local.checked_sub_days(Days::new(days)));
    let mut found = from.map(|from| local_fires(cron, from).take_while(|at| *at < local).collect::<Vec<_>>());
    found.find(|fires| fires.len() > 1).unwrap_or_default()
}

fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::MIN)
}

/// The times on the wall from `from` on, in order.
fn local_fires(cron: &Cron, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + Clone + '_ {
    let in_reach = |day: &NaiveDate| day.year() <= i32::try_from(LAST_YEAR).unwrap_or(i32::MAX);
    let days = from.date().iter_days().take_while(in_reach).filter(move |day| falls_on(cron, *day));
    let times = days.flat_map(move |day| {
        let hours = cron.hours.iter();
        hours.flat_map(move |hour| cron.minutes.iter().filter_map(move |minute| day.and_hms_opt(*hour, *minute, 0)))
    });
    times.skip_while(move |at| *at < from)
}

/// `first`, and each time that `rate` has passed since, from `from` on.
fn every(first: DateTime<Utc>, rate: TimeDelta, from: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let missed = match from > first {
        true => (from - first).num_milliseconds().div_euclid(rate.num_milliseconds().max(1)),
        false => 0,
    };
    let start = i32::try_from(missed).ok().and_then(|missed| first.checked_add_signed(rate.checked_mul(missed)?));
    let all = std::iter::successors(start, move |at| at.checked_add_signed(rate));
    all.skip_while(move |at| *at < from)
}
