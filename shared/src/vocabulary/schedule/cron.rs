//! The fields of a cron expression, as EventBridge Scheduler has them. Its dialect is that of no crate: six fields of
//! which the last may be left out, days of the week from 1 = SUN, one of the two days always `?`, and `L`, `W` and `#`.

use std::collections::BTreeSet;

/// The times that a cron expression means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// 0 to 59.
    pub minutes: BTreeSet<u32>,
    /// 0 to 23.
    pub hours: BTreeSet<u32>,
    /// Which days.
    pub days: Days,
    /// 1 to 12.
    pub months: BTreeSet<u32>,
    /// 1970 to 2199.
    pub years: BTreeSet<u32>,
}

/// Which days: by their number in the month, or by the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// Any of these.
    OfMonth(Vec<MonthDay>),
    /// Any of these.
    OfWeek(Vec<WeekDay>),
}

/// A day of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthDay {
    /// `15`
    Day(u32),
    /// `L`: the last.
    Last,
    /// `15W`: the day from Monday to Friday that is nearest to it, in the same month.
    NearestWeekday(u32),
    /// `LW`: the last from Monday to Friday.
    LastWeekday,
}

/// A day of a week; 1 is Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeekDay {
    /// `2`, and `L` for 7.
    Every(u32),
    /// `6L`: the last Friday of the month.
    Last(u32),
    /// `3#2`: the second Tuesday of the month.
    Nth(u32, u32),
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEK: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The last year that Scheduler knows.
pub const LAST_YEAR: u32 = 2199;

/// What a field may hold: the smallest and the largest number, and names for the numbers from the smallest on.
struct Field {
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { first: 0, last: 59, names: &[] };
const HOUR: Field = Field { first: 0, last: 23, names: &[] };
const MONTH_DAY: Field = Field { first: 1, last: 31, names: &[] };
const MONTH: Field = Field { first: 1, last: 12, names: &MONTHS };
const WEEK_DAY: Field = Field { first: 1, last: 7, names: &WEEK };
const YEAR: Field = Field { first: 1970, last: LAST_YEAR, names: &[] };

impl Cron {
    /// Reads `0 5 * * ? *`. `None`: Scheduler does not document what it would mean.
    pub fn read(fields: &str) -> Option<Self> {
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let (minutes, hours, month_days, months, week_days, years) = match fields[..] {
            [minutes, hours, month_days, months, week_days] => (minutes, hours, month_days, months, week_days, "*"),
            [minutes, hours, month_days, months, week_days, years] => {
                (minutes, hours, month_days, months, week_days, years)
            }
            _ => return None,
        };
        Some(Self {
            minutes: MINUTE.set(minutes)?,
            hours: HOUR.set(hours)?,
            days: days(month_days, week_days)?,
            months: MONTH.set(months)?,
            years: YEAR.set(years)?,
        })
    }
}

/// One of the two is `?`, and the other says which.
fn days(month_days: &str, week_days: &str) -> Option<Days> {
    match (month_days, week_days) {
        ("?", "?") => None,
        (_, "?") => {
            let days = month_days.split(',').map(month_day).collect::<Option<Vec<_>>>()?;
            Some(Days::OfMonth(days.concat()))
        }
        // "You can define only one expression in the day-of-week field" with a `#`.
        ("?", _) if week_days.contains('#') && week_days.contains(',') => None,
        ("?", _) => {
            let days = week_days.split(',').map(week_day).collect::<Option<Vec<_>>>()?;
            Some(Days::OfWeek(days.concat()))
        }
        _ => None,
    }
}

fn month_day(part: &str) -> Option<Vec<MonthDay>> {
    let part = part.to_ascii_uppercase();
    match part.as_str() {
        "L" => Some(vec![MonthDay::Last]),
        "LW" => Some(vec![MonthDay::LastWeekday]),
        _ => match part.strip_suffix('W') {
            Some(day) => Some(vec![MonthDay::NearestWeekday(MONTH_DAY.number(day)?)]),
            None => Some(MONTH_DAY.part(&part)?.into_iter().map(MonthDay::Day).collect()),
        },
    }
}

fn week_day(part: &str) -> Option<Vec<WeekDay>> {
    let part = part.to_ascii_uppercase();
    if let Some((day, nth)) = part.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
        return Some(vec![WeekDay::Nth(WEEK_DAY.number(day)?, nth)]);
    }
    match part.strip_suffix('L') {
        Some("") => Some(vec![WeekDay::Every(WEEK_DAY.last)]),
        Some(day) => Some(vec![WeekDay::Last(WEEK_DAY.number(day)?)]),
        None => Some(WEEK_DAY.part(&part)?.into_iter().map(WeekDay::Every).collect()),
    }
}

impl Field {
    fn set(&self, text: &str) -> Option<BTreeSet<u32>> {
        let parts = text.split(',').map(|part| self.part(&part.to_ascii_uppercase()));
        Some(parts.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// `*`, `5`, `5-10`, and each of them with a step: `*/5` is `first/5`, and `5/10` goes on to the last.
    fn part(&self, part: &str) -> Option<Vec<u32>> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None if step.is_some() => (self.number(range)?, self.last),
            None => (self.number(range)?, self.number(range)?),
        };
        (first <= last).then(|| (first..=last).step_by(step.unwrap_or(1)).collect())
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().zip(self.first..).find(|(name, _)| **name == text);
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.map(|(_, number)| number).or_else(|| text.parse().ok().filter(|_| is_number));
        number.filter(|number| (self.first..=self.last).contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &str, expected: Option<Days>) {
        assert_eq!(Cron::read(fields).map(|cron| cron.days), expected, "{fields}");
    }

    fn check_minutes(field: &str, expected: &[u32]) {
        let found = Cron::read(&format!("{field} 5 * * ? *")).map(|cron| cron.minutes.into_iter().collect::<Vec<_>>());
        assert_eq!(found.as_deref(), (!expected.is_empty()).then_some(expected), "{field}");
    }

    #[test]
    fn a_field_is_numbers_ranges_steps_and_names() {
        check_minutes("5", &[5]);
        check_minutes("1,3,5-7", &[1, 3, 5, 6, 7]);
        check_minutes("*/20", &[0, 20, 40]);
        check_minutes("1/20", &[1, 21, 41]);
        check_minutes("10-30/10", &[10, 20, 30]);
        for refused in ["60", "-1", "+5", "5-", "7-5", "1/0", "", "L", "JAN", "?"] {
            check_minutes(refused, &[]);
        }
        let cron = Cron::read("0 5 ? jan-mar,DEC MON-FRI 2027-2028").unwrap();
        assert_eq!(cron.months, [1, 2, 3, 12].into());
        assert_eq!(cron.years, [2027, 2028].into());
    }

    #[test]
    fn days_are_of_the_month_or_of_the_week_and_never_of_both() {
        use Days::{OfMonth, OfWeek};
        check("0 5 L * ? *", Some(OfMonth(vec![MonthDay::Last])));
        check("0 5 LW * ? *", Some(OfMonth(vec![MonthDay::LastWeekday])));
        check("0 5 3W,15 * ? *", Some(OfMonth(vec![MonthDay::NearestWeekday(3), MonthDay::Day(15)])));
        check("0 5 ? * 6L *", Some(OfWeek(vec![WeekDay::Last(6)])));
        check("0 5 ? * L *", Some(OfWeek(vec![WeekDay::Every(7)])));
        check("0 5 ? * MON#1 *", Some(OfWeek(vec![WeekDay::Nth(2, 1)])));
        check("0 5 ? * SUN,TUE", Some(OfWeek(vec![WeekDay::Every(1), WeekDay::Every(3)])));
        for refused in
            ["* * * *", "? * ? *", "1 * MON *", "? * 3#1,6#3 *", "? * 3#6 *", "32 * ? *", "? * 0 *", "0W * ? *"]
        {
            check(&format!("0 5 {refused}"), None);
        }
        check("0 5 * *", None);
        check("0 5 * * ? * *", None);
    }
}
