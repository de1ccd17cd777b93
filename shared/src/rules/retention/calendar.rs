//! The periods of a calendar rule, by their keys: two times are in one period when their keys are equal.

use chrono::{DateTime, Datelike, Offset, Timelike, Utc};
use chrono_tz::Tz;

use crate::vocabulary::retain::Period;

/// What tells one period from another of the same kind, in `time_zone`. Weeks are ISO weeks, which begin on Monday and
/// belong to the year that has their Thursday; quarters begin in January, April, July and October. The hour that comes
/// twice when the clocks go back is two hours.
pub fn key(period: Period, at: DateTime<Utc>, time_zone: Tz) -> (i32, u32, i32) {
    let local = at.with_timezone(&time_zone);
    match period {
        Period::Hourly => (local.year(), local.ordinal() * 24 + local.hour(), local.offset().fix().local_minus_utc()),
        Period::Daily => (local.year(), local.ordinal(), 0),
        Period::Weekly => (local.iso_week().year(), local.iso_week().week(), 0),
        Period::Monthly => (local.year(), local.month(), 0),
        Period::Quarterly => (local.year(), local.quarter(), 0),
        Period::Yearly => (local.year(), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(period: Period, time_zone: Tz, one: &str, other: &str, are_one: bool) {
        let key = |text: &str| key(period, text.parse().unwrap(), time_zone);
        assert_eq!(key(one) == key(other), are_one, "{period} in {time_zone}: {one} and {other}");
    }

    #[test]
    fn a_period_ends_where_the_calendar_of_its_time_zone_says() {
        let (utc, zurich, howe) = (Tz::UTC, Tz::Europe__Zurich, Tz::Australia__Lord_Howe);
        check(Period::Daily, utc, "2026-11-20T00:00:00Z", "2026-11-20T23:59:59Z", true);
        check(Period::Daily, zurich, "2026-11-20T22:59:59Z", "2026-11-20T23:00:00Z", false);
        check(Period::Weekly, utc, "2026-12-28T00:00:00Z", "2027-01-03T23:59:59Z", true);
        check(Period::Weekly, utc, "2027-01-03T23:59:59Z", "2027-01-04T00:00:00Z", false);
        check(Period::Quarterly, utc, "2026-01-01T00:00:00Z", "2026-03-31T23:59:59Z", true);
        check(Period::Quarterly, utc, "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z", false);
        check(Period::Yearly, zurich, "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z", false);
        // 02:30 comes twice on 25 October 2026 in Zurich, and 01:45 on 5 April 2026 on Lord Howe Island.
        check(Period::Hourly, zurich, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", false);
        check(Period::Hourly, howe, "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", false);
        // The days with 23 and 25 hours are days like any other.
        check(Period::Daily, zurich, "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", true);
        check(Period::Daily, zurich, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", true);
    }
}
