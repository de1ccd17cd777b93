//! Retain rules: how long the snapshots of a policy are kept.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, Months, NaiveDate};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::slot::Slot;

/// What may stand where a retain rule is expected.
pub const ALLOWED: &str = "`7` (keep the newest 7), `7d` `4w` `12m` `2y` (keep by age), \
     `hourly=24 daily=7 weekly=4 monthly=12 quarterly=4 yearly=all` (any of them, each once), or `forever`";

const LARGEST_COUNT: u32 = 100_000;
const LONGEST_AGE_YEARS: u32 = 100;

/// A retain rule, as it stands in a policy and in the tag `snapkeep:retain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RetainRule {
    /// Keep the newest n of a volume.
    Count(u32),
    /// Keep each snapshot for this long after its slot.
    Age(Age),
    /// Keep the newest snapshot of each of the last n periods that have one.
    Calendar(Vec<(Period, Last)>),
    /// Keep until a person deletes it.
    Forever,
}

/// A length of calendar time: months and years end where the calendar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// How many units; at least 1.
    pub length: u32,
    /// Days, weeks, months or years.
    pub unit: Unit,
}

/// The unit of an [`Age`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// A calendar period, in the policy's time zone. Weeks are ISO weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Period {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Quarterly,
    Yearly,
}

/// How many of the last periods keep their newest snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// This many; at least 1.
    Periods(u32),
    /// Every one.
    All,
}

impl RetainRule {
    /// For an age rule, the day in `time_zone` on which a snapshot of `slot` is due for deletion.
    /// Other rules have no such day.
    pub fn delete_on(&self, slot: Slot, time_zone: Tz) -> Option<NaiveDate> {
        match self {
            Self::Age(age) => age.after(slot.day(time_zone)),
            Self::Count(_) | Self::Calendar(_) | Self::Forever => None,
        }
    }

    /// Whether it tells the snapshots of one hour from those of the next.
    pub fn keeps_hourly(&self) -> bool {
        matches!(self, Self::Calendar(rules) if rules.iter().any(|(period, _)| *period == Period::Hourly))
    }
}

impl Age {
    /// The day that lies this long after `day`; 31 January and one month is the last of February.
    pub fn after(self, day: NaiveDate) -> Option<NaiveDate> {
        match self.unit {
            Unit::Day => day.checked_add_days(Days::new(self.length.into())),
            Unit::Week => day.checked_add_days(Days::new(u64::from(self.length) * 7)),
            Unit::Month => day.checked_add_months(Months::new(self.length)),
            Unit::Year => day.checked_add_months(Months::new(self.length * 12)),
        }
    }

    fn is_allowed(self) -> bool {
        let units_in_a_year = match self.unit {
            Unit::Day => 366,
            Unit::Week => 53,
            Unit::Month => 12,
            Unit::Year => 1,
        };
        (1..=LONGEST_AGE_YEARS * units_in_a_year).contains(&self.length)
    }
}

impl FromStr for RetainRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rule = if text == "forever" {
            Some(Self::Forever)
        } else if text.contains('=') {
            calendar(text)
        } else if text.ends_with(|last: char| last.is_ascii_digit()) {
            count(text).map(Self::Count)
        } else {
            age(text).map(Self::Age)
        };
        rule.ok_or_else(|| format!("{text:?} is not a retain rule; allowed: {ALLOWED}"))
    }
}

fn count(text: &str) -> Option<u32> {
    number(text).filter(|count| (1..=LARGEST_COUNT).contains(count))
}

fn age(text: &str) -> Option<Age> {
    let unit = match text.chars().next_back()? {
        'd' => Unit::Day,
        'w' => Unit::Week,
        'm' => Unit::Month,
        'y' => Unit::Year,
        _ => return None,
    };
    let length = number(&text[..text.len() - 1])?;
    Some(Age { length, unit }).filter(|age| age.is_allowed())
}

fn calendar(text: &str) -> Option<RetainRule> {
    let mut periods = Vec::new();
    for part in text.split_whitespace() {
        let (name, last) = part.split_once('=')?;
        let period = PERIODS.iter().find(|(_, known)| *known == name)?.0;
        if periods.iter().any(|(named, _)| *named == period) {
            return None;
        }
        periods.push((period, if last == "all" { Last::All } else { Last::Periods(count(last)?) }));
    }
    periods.sort_by_key(|(period, _)| *period);
    Some(RetainRule::Calendar(periods))
}

/// Digits only: `+7` is no number here, and neither is ` 7`.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

const PERIODS: [(Period, &str); 6] = [
    (Period::Hourly, "hourly"),
    (Period::Daily, "daily"),
    (Period::Weekly, "weekly"),
    (Period::Monthly, "monthly"),
    (Period::Quarterly, "quarterly"),
    (Period::Yearly, "yearly"),
];

impl fmt::Display for RetainRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Age(age) => write!(f, "{age}"),
            Self::Forever => f.write_str("forever"),
            Self::Calendar(periods) => {
                let parts: Vec<String> = periods.iter().map(|(period, last)| format!("{period}={last}")).collect();
                f.write_str(&parts.join(" "))
            }
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Day => 'd',
            Unit::Week => 'w',
            Unit::Month => 'm',
            Unit::Year => 'y',
        };
        write!(f, "{}{unit}", self.length)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PERIODS[*self as usize].1)
    }
}

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Periods(count) => write!(f, "{count}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl TryFrom<String> for RetainRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RetainRule> for String {
    fn from(rule: RetainRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, canonical: &str) {
        let rule: RetainRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(rule), "the tag must read back as the same rule");
    }

    #[test]
    fn a_rule_reads_back_from_its_tag() {
        check("7", "7");
        check(" 7d ", "7d");
        check("4w", "4w");
        check("12m", "12m");
        check("2y", "2y");
        check("forever", "forever");
        check("daily=7", "daily=7");
        check("yearly=all  hourly=24 weekly=4", "hourly=24 weekly=4 yearly=all");
    }

    #[test]
    fn what_is_not_a_rule_is_refused_with_what_is() {
        for text in [
            "",
            "0",
            "0d",
            "-7",
            "+7",
            "7 days",
            "7D",
            "d",
            "7h",
            "1.5d",
            "101y",
            "99999999999d",
            "daily",
            "daily=",
            "daily=0",
            "daily=x",
            "daily=7,weekly=4",
            "daily=7 daily=8",
            "fortnightly=2",
            "ever",
            "７d",
            "=",
        ] {
            let error = text.parse::<RetainRule>().unwrap_err();
            assert!(error.contains("keep the newest 7"), "{text:?}: {error}");
        }
    }

    fn check_delete_on(rule: &str, slot: &str, time_zone: Tz, expected: Option<&str>) {
        let rule: RetainRule = rule.parse().unwrap();
        let day = rule.delete_on(slot.parse().unwrap(), time_zone);
        assert_eq!(day.map(|day| day.to_string()).as_deref(), expected, "{rule} after {slot}");
    }

    #[test]
    fn only_an_age_has_a_day_of_deletion() {
        check_delete_on("7d", "2026-11-20T02:00:00Z", Tz::UTC, Some("2026-11-27"));
        check_delete_on("7d", "2026-11-19T23:30:00Z", Tz::Europe__Zurich, Some("2026-11-27"));
        check_delete_on("1m", "2027-01-31T02:00:00Z", Tz::UTC, Some("2027-02-28"));
        check_delete_on("1y", "2028-02-29T02:00:00Z", Tz::UTC, Some("2029-02-28"));
        check_delete_on("2w", "2026-12-25T02:00:00Z", Tz::UTC, Some("2027-01-08"));
        check_delete_on("7", "2026-11-20T02:00:00Z", Tz::UTC, None);
        check_delete_on("daily=7", "2026-11-20T02:00:00Z", Tz::UTC, None);
        check_delete_on("forever", "2026-11-20T02:00:00Z", Tz::UTC, None);
    }
}
