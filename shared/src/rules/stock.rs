//! How many snapshots a Region has, held against its quota, and where that goes.
//!
//! A simple forecast, and an honest one: what was begun in the last seven days and is still there, less what a
//! `DeleteOn` lets go in the next seven. A rule that counts is taken to be full, so that each of its snapshots lets another
//! one go. Of what is kept for good, or was made by another tool, nobody here knows that it ever goes.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::retain::RetainRule;
use crate::vocabulary::tag;

/// Snapshots in one Region of one account by default: Service Quotas' L-309BACF6.
/// <https://docs.aws.amazon.com/general/latest/gr/ebs-service.html>
pub const DEFAULT_QUOTA: usize = 100_000;

/// What there is, and how much of it came in the last seven days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// All of them.
    pub snapshots: usize,
    /// Begun in the last seven days, and to go on a day of their own.
    pub dated: usize,
    /// Begun in the last seven days, under a rule that counts.
    pub counted: usize,
    /// Begun in the last seven days, and kept for good or made by another tool.
    pub kept: usize,
    /// To go in the next seven days by a day of their own.
    pub due: usize,
}

impl Stock {
    /// Takes note of a snapshot, whoever made it.
    pub fn add(&mut self, snapshot: &Snapshot, now: DateTime<Utc>) {
        let week = TimeDelta::days(7);
        self.snapshots += 1;
        let day = day_of(snapshot);
        let today = now.date_naive();
        self.due += usize::from(day.is_some_and(|day| day > today && day <= today + week));
        if snapshot.started.is_none_or(|started| started <= now - week) {
            return;
        }
        let is_counted = matches!(rule_of(snapshot), Some(RetainRule::Count(_) | RetainRule::Calendar(_)));
        match day {
            Some(_) => self.dated += 1,
            None if is_counted => self.counted += 1,
            None => self.kept += 1,
        }
    }

    /// By how many it grows in a week; less than nothing where it shrinks.
    pub fn weekly(&self) -> i64 {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        count(self.dated + self.kept) - count(self.due)
    }

    /// In how many days it reaches `quota` if it goes on like this; `None` where it does not grow, or not in ten years.
    pub fn days_until(&self, quota: usize) -> Option<usize> {
        let weekly = usize::try_from(self.weekly()).ok().filter(|weekly| *weekly > 0)?;
        let days = quota.saturating_sub(self.snapshots).saturating_mul(7) / weekly;
        (days <= 3650).then_some(days)
    }
}

fn rule_of(snapshot: &Snapshot) -> Option<RetainRule> {
    let is_kept = snapshot.tags.contains_key(tag::KEEP_FOREVER);
    snapshot.tags.get(tag::RETAIN).filter(|_| is_ours(snapshot) && !is_kept)?.parse().ok()
}

/// The day in `DeleteOn`. On what is not ours nobody obeys it.
fn day_of(snapshot: &Snapshot) -> Option<NaiveDate> {
    let is_kept = snapshot.tags.contains_key(tag::KEEP_FOREVER);
    snapshot.tags.get(tag::DELETE_ON).filter(|_| is_ours(snapshot) && !is_kept)?.parse().ok()
}

fn is_ours(snapshot: &Snapshot) -> bool {
    snapshot.tags.contains_key(tag::POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T06:00:00Z".parse().unwrap()
    }

    /// So many days ago one was begun, with these tags.
    fn stock(made: impl IntoIterator<Item = (i64, &'static str)>) -> Stock {
        let mut stock = Stock::default();
        for (days, tags) in made {
            let started = Some(now() - TimeDelta::days(days));
            let pairs = tags.split_whitespace().filter_map(|pair| pair.split_once('='));
            let tags = pairs.map(|(key, value)| (key.into(), value.into())).collect();
            stock.add(&Snapshot { started, tags, ..Snapshot::default() }, now());
        }
        stock
    }

    #[test]
    fn a_policy_that_keeps_by_age_or_count_does_not_grow() {
        const DAYS: [&str; 7] = ["21", "22", "23", "24", "25", "26", "27"];
        let by_age = (0..7).map(|ago| {
            let tags = format!("snapkeep:policy=daily snapkeep:retain=7d DeleteOn=2026-11-{}", DAYS[6 - ago as usize]);
            (ago, &*tags.leak())
        });
        let stock = stock(by_age.chain((0..7).map(|ago| (ago, "snapkeep:policy=daily snapkeep:retain=7"))));
        assert_eq!((stock.snapshots, stock.weekly(), stock.days_until(100)), (14, 0, None));
    }

    #[test]
    fn what_nobody_lets_go_grows_until_the_quota() {
        let kept =
            ["snapkeep:policy=x snapkeep:retain=forever", "", "snapkeep:policy=x snapkeep:retain=7 KeepForever="];
        let stock = stock(kept.into_iter().flat_map(|tags| (0..14).map(move |ago| (ago, tags))));
        assert_eq!((stock.snapshots, stock.kept, stock.weekly()), (42, 21, 21));
        assert_eq!((stock.days_until(63), stock.days_until(42), stock.days_until(10)), (Some(7), Some(0), Some(0)));
        assert_eq!(stock.days_until(1_000_000), None, "not in ten years");
    }

    #[test]
    fn what_goes_in_the_next_days_makes_room() {
        let stock = stock((10..13).map(|ago| (ago, "snapkeep:policy=x snapkeep:retain=14d DeleteOn=2026-11-24")));
        assert_eq!((stock.weekly(), stock.days_until(3)), (-3, None));
    }
}
