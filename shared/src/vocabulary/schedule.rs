//! A schedule of EventBridge Scheduler: when a policy runs.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>

pub mod cron;

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use self::cron::Cron;
use super::problem::Problem;

/// What may stand where a schedule's expression is expected.
pub const ALLOWED: &str = "`cron(0 5 * * ? *)` (minutes hours day-of-month month day-of-week year), `rate(1 hour)`, or `at(2026-11-20T05:00:00)`";

/// When a policy runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The times that it means.
    pub expression: Expression,
    /// Whose hours these are.
    pub time_zone: Tz,
    /// Whether Scheduler acts upon it.
    pub is_enabled: bool,
    /// It does not run before this time.
    pub start: Option<DateTime<Utc>>,
    /// Nor after this one.
    pub end: Option<DateTime<Utc>>,
    /// By how much Scheduler may be late: its flexible window.
    pub window: TimeDelta,
    /// When it was made, where anybody knows.
    pub made: Option<DateTime<Utc>>,
}

/// The times that a schedule means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// By the calendar and the clock on the wall.
    Cron(Cron),
    /// Each time that so much has passed, by a clock that nobody sets.
    Rate(TimeDelta),
    /// Once, at this time on the wall.
    At(NaiveDateTime),
}

/// A schedule as Scheduler has it, before anything of it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// Its name inside its group.
    pub name: String,
    /// Such as `cron(0 5 * * ? *)`.
    pub expression: String,
    /// Such as `Europe/Zurich`; none is UTC.
    pub time_zone: Option<String>,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// `StartDate`
    pub start: Option<DateTime<Utc>>,
    /// `EndDate`
    pub end: Option<DateTime<Utc>>,
    /// The flexible window; zero where it is off.
    pub window: TimeDelta,
    /// When it was made.
    pub made: Option<DateTime<Utc>>,
    /// What its target is invoked with: the policy.
    pub input: String,
}

impl Schedule {
    /// What somebody types: an expression, and a time zone after it where it is not UTC.
    pub fn typed(text: &str) -> Result<Self, Problem> {
        let (expression, time_zone) = match text.trim().split_once(')') {
            Some((expression, zone)) => (format!("{expression})"), Some(zone.trim()).filter(|zone| !zone.is_empty())),
            None => (text.into(), None),
        };
        let time_zone = time_zone.map(String::from);
        Self::read(&Deployed { expression, time_zone, state: ENABLED.into(), ..Deployed::default() })
    }

    /// What Scheduler has.
    pub fn read(deployed: &Deployed) -> Result<Self, Problem> {
        const ZONE: &str = "a time zone such as Europe/Zurich or UTC";
        let expression = &deployed.expression;
        let zone = deployed.time_zone.as_deref().unwrap_or("UTC");
        Ok(Self {
            expression: expression.parse().map_err(|()| Problem::value("schedule", expression, ALLOWED))?,
            time_zone: zone.parse().map_err(|_| Problem::value("time zone", &zone, ZONE))?,
            is_enabled: deployed.state == ENABLED,
            start: deployed.start,
            end: deployed.end,
            window: deployed.window,
            made: deployed.made,
        })
    }
}

const ENABLED: &str = "ENABLED";
/// Rates that are longer than this are nobody's.
const LONGEST_RATE_DAYS: i64 = 36_500;

impl FromStr for Expression {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, rest) = text.trim().split_once('(').ok_or(())?;
        let fields = rest.strip_suffix(')').ok_or(())?;
        match kind {
            "cron" => Cron::read(fields).map(Self::Cron).ok_or(()),
            "rate" => rate(fields).map(Self::Rate).ok_or(()),
            "at" => NaiveDateTime::parse_from_str(fields.trim(), "%Y-%m-%dT%H:%M:%S").map(Self::At).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

/// A number and a unit.
fn rate(fields: &str) -> Option<TimeDelta> {
    let (number, unit) = fields.trim().split_once(char::is_whitespace)?;
    let number = number.parse().ok().filter(|number| (1..=LONGEST_RATE_DAYS * 24 * 60).contains(number))?;
    let rate = match unit.trim() {
        "minute" | "minutes" => TimeDelta::try_minutes(number),
        "hour" | "hours" => TimeDelta::try_hours(number),
        "day" | "days" => TimeDelta::try_days(number),
        _ => None,
    };
    rate.filter(|rate| rate.num_days() <= LONGEST_RATE_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str) {
        let problem = Schedule::typed(text).unwrap_err();
        assert!(problem.found.contains(text.split(')').next_back().unwrap_or_default().trim()), "{problem}");
    }

    #[test]
    fn what_is_typed_has_a_zone_after_it_or_none() {
        let zurich = Schedule::typed("cron(0 5 * * ? *) Europe/Zurich").unwrap();
        assert_eq!((zurich.time_zone, zurich.is_enabled), (Tz::Europe__Zurich, true));
        assert_eq!(Schedule::typed("rate(1 hour)").unwrap().time_zone, Tz::UTC);
        let at = "at(2026-11-20T13:00:00)".parse();
        assert_eq!(at, Ok(Expression::At("2026-11-20T13:00:00".parse().unwrap())));
        for (text, minutes) in [("rate(1 minute)", 1), ("rate(90 minutes)", 90), ("rate(2 days)", 2880)] {
            assert_eq!(text.parse(), Ok(Expression::Rate(TimeDelta::minutes(minutes))));
        }
    }

    #[test]
    fn what_scheduler_does_not_take_is_refused() {
        for text in ["daily", "cron()", "cron(0 5 * * ?", "rate(0 hours)", "rate(5)", "rate(1 week)", "at(noon)"] {
            check_refused(text);
        }
        check_refused("rate(1 hour) Europe/Nowhere");
        check_refused("rate(9999999999999999 days)");
    }
}
