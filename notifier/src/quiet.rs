//! The rule that keeps mailboxes quiet: one message about a policy, and no other for five minutes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

/// What was told when. It lives as long as the function's environment, and a new one begins with nothing.
#[derive(Debug)]
pub(crate) struct Quiet {
    interval: TimeDelta,
    told: BTreeMap<String, DateTime<Utc>>,
}

impl Quiet {
    pub fn new(interval: TimeDelta) -> Self {
        Self { interval, told: BTreeMap::new() }
    }

    /// How long the reports of this policy must wait; nothing when they may be told.
    pub fn left(&self, policy: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
        let left = self.interval - (now - *self.told.get(policy)?);
        // A clock that was set back must not make anybody wait for longer.
        (left > TimeDelta::zero()).then(|| left.min(self.interval))
    }

    /// A message about this policy has gone out.
    pub fn told(&mut self, policy: &str, now: DateTime<Utc>) {
        self.told.retain(|_, at| now - *at < self.interval);
        self.told.insert(policy.into(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        "2026-11-20T02:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
    }

    fn quiet(told: &[(&str, i64)]) -> Quiet {
        let mut quiet = Quiet::new(TimeDelta::minutes(5));
        told.iter().for_each(|(policy, seconds)| quiet.told(policy, at(*seconds)));
        quiet
    }

    #[track_caller]
    fn check(told: &[(&str, i64)], policy: &str, now: i64, expected: Option<i64>) {
        assert_eq!(quiet(told).left(policy, at(now)), expected.map(TimeDelta::seconds));
    }

    #[test]
    fn the_first_message_goes_out_at_once() {
        check(&[], "daily", 0, None);
    }

    #[test]
    fn the_second_waits_until_five_minutes_are_over() {
        check(&[("daily", 0)], "daily", 0, Some(300));
        check(&[("daily", 0)], "daily", 1, Some(299));
        check(&[("daily", 0)], "daily", 299, Some(1));
        check(&[("daily", 0)], "daily", 300, None);
        check(&[("daily", 0), ("daily", 300)], "daily", 301, Some(299));
    }

    #[test]
    fn one_policy_does_not_wait_for_another() {
        check(&[("daily", 0)], "hourly", 1, None);
        check(&[("daily", 0), ("hourly", 100)], "daily", 200, Some(100));
        check(&[("daily", 0), ("", 100)], "", 200, Some(200));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_longer() {
        check(&[("daily", 3600)], "daily", 0, Some(300));
    }

    #[test]
    fn what_was_told_long_ago_is_forgotten() {
        let told: Vec<(String, i64)> = (0..1000).map(|n| (format!("policy-{n}"), n * 10)).collect();
        let told: Vec<(&str, i64)> = told.iter().map(|(policy, at)| (policy.as_str(), *at)).collect();
        assert_eq!(quiet(&told).told.len(), 30);
    }
}
