//! A slot: the scheduled time of a run, and so its identity.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, DurationRound, NaiveDate, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::problem::shortened;

/// The scheduled time of a run, in UTC, to the second. The same slot planned twice is the same jobs.
///
/// EventBridge Scheduler puts it into the input as `<aws.scheduler.scheduled-time>`, the same over its retries:
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slot(DateTime<Utc>);

impl Slot {
    /// The slot at `time`, cut to the second.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(0))
    }

    /// The slot of a run that nobody scheduled: `now`, cut to the minute.
    pub fn of_now(now: DateTime<Utc>) -> Self {
        Self(now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now))
    }

    /// The instant, in UTC.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }

    /// So long after the slot; or after `now`, where a person takes up a slot that is longer ago than that.
    pub fn deadline(self, after: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
        let of_slot = self.0 + after;
        if of_slot > now { of_slot } else { now + after }
    }

    /// The calendar day of the slot in `time_zone`.
    pub fn day(self, time_zone: Tz) -> NaiveDate {
        self.0.with_timezone(&time_zone).date_naive()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
        // Of an offset from UTC may come a year that cannot be written as it is read.
        let time = time.ok().filter(|time| (0..=9999).contains(&time.year()));
        let shown = shortened(text, 60);
        time.map(Self::at).ok_or_else(|| format!("{shown:?} is not a time such as 2026-11-20T02:00:00Z"))
    }
}

impl TryFrom<String> for Slot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_written_in_utc_to_the_second() {
        let slot: Slot = "2026-11-20T03:00:00.250+01:00".parse().unwrap();
        assert_eq!(slot.to_string(), "2026-11-20T02:00:00Z");
    }

    #[test]
    fn a_slot_that_is_read_is_written_as_it_can_be_read() {
        for text in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "+10000-01-01T00:00:00Z"] {
            assert!(text.parse::<Slot>().is_err(), "{text}");
        }
        for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2016-12-31T23:59:60Z"] {
            let slot: Slot = text.parse().unwrap();
            assert_eq!(slot.to_string().parse(), Ok(slot), "{text}");
        }
    }

    #[test]
    fn a_run_that_nobody_scheduled_has_the_minute_as_its_slot() {
        let now = "2026-11-20T02:00:59Z".parse().unwrap();
        assert_eq!(Slot::of_now(now).to_string(), "2026-11-20T02:00:00Z");
    }

    #[test]
    fn a_deadline_counts_from_the_slot_and_for_an_old_slot_from_now() {
        let slot: Slot = "2026-11-20T02:00:00Z".parse().unwrap();
        let deadline = |now: &str| slot.deadline(TimeDelta::hours(23), now.parse().unwrap()).to_rfc3339();
        assert_eq!(deadline("2026-11-20T02:00:05Z"), "2026-11-21T01:00:00+00:00");
        assert_eq!(deadline("2026-11-25T12:00:00Z"), "2026-11-26T11:00:00+00:00");
    }

    #[test]
    fn the_day_of_a_slot_is_the_day_in_its_time_zone() {
        let slot: Slot = "2026-11-19T23:30:00Z".parse().unwrap();
        assert_eq!(slot.day(Tz::Europe__Zurich).to_string(), "2026-11-20");
        assert_eq!(slot.day(Tz::UTC).to_string(), "2026-11-19");
    }
}
