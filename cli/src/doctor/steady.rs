//! How many snapshots a policy keeps when it has run for a while.

use chrono::TimeDelta;
use shared::vocabulary::retain::{Age, Last, RetainRule, Unit};

use super::rhythms::length;

/// How many snapshots of one volume a rule keeps after `days`, where one comes each `gap`. Of a calendar rule it is the
/// most that it may be: one snapshot may stand for a day and for a week.
pub(crate) fn kept_after(rule: &RetainRule, gap: TimeDelta, days: f64) -> f64 {
    let taken = days / in_days(gap);
    match rule {
        RetainRule::Count(count) => taken.min(f64::from(*count)),
        RetainRule::Age(age) => taken.min(age_in_days(*age) / in_days(gap)),
        RetainRule::Forever => taken,
        RetainRule::Calendar(periods) => {
            let of_period = periods.iter().map(|(period, last)| {
                let has_one = days / in_days(length(*period).max(gap));
                match last {
                    Last::Periods(count) => has_one.min(f64::from(*count)),
                    Last::All => has_one,
                }
            });
            of_period.sum::<f64>().min(taken)
        }
    }
}

/// How many it keeps in the end; `None` where it never ends.
pub(crate) fn kept(rule: &RetainRule, gap: TimeDelta) -> Option<f64> {
    const CENTURIES: f64 = 400.0 * 366.0;
    let grows = match rule {
        RetainRule::Forever => true,
        RetainRule::Calendar(periods) => periods.iter().any(|(_, last)| *last == Last::All),
        RetainRule::Count(_) | RetainRule::Age(_) => false,
    };
    (!grows).then(|| kept_after(rule, gap, CENTURIES))
}

/// In days, with a fraction.
pub(crate) fn in_days(time: TimeDelta) -> f64 {
    time.as_seconds_f64() / 86_400.0
}

fn age_in_days(age: Age) -> f64 {
    let days = match age.unit {
        Unit::Day => 1.0,
        Unit::Week => 7.0,
        Unit::Month => 30.4,
        Unit::Year => 365.25,
    };
    days * f64::from(age.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "small figures")]
    fn check(rule: &str, gap_hours: i64, after_days: f64, now: i64, at_last: Option<i64>) {
        let (rule, gap) = (rule.parse().unwrap(), TimeDelta::hours(gap_hours));
        let found = kept_after(&rule, gap, after_days).round() as i64;
        assert_eq!((found, kept(&rule, gap).map(|count| count.round() as i64)), (now, at_last), "{rule}");
    }

    #[test]
    fn a_rule_comes_to_rest_or_grows() {
        check("7d", 24, 3.0, 3, Some(7));
        check("7d", 24, 30.0, 7, Some(7));
        check("7d", 1, 30.0, 168, Some(168));
        check("3", 24, 2.0, 2, Some(3));
        check("forever", 24, 30.0, 30, None);
        check("daily=7 weekly=4", 24, 7.0, 7, Some(11));
        check("hourly=24 daily=7", 1, 10.0, 31, Some(31));
        check("daily=7 yearly=all", 24, 3660.0, 17, None);
    }
}
