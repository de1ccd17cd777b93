//! On which days a cron expression falls.

use chrono::{Datelike, Days, NaiveDate};

use crate::vocabulary::schedule::cron::{self, Cron, MonthDay, WeekDay};

/// Whether `day` is one of the expression's.
pub(super) fn falls_on(cron: &Cron, day: NaiveDate) -> bool {
    let year = u32::try_from(day.year()).unwrap_or_default();
    let is_of_month = || match &cron.days {
        cron::Days::OfMonth(days) => days.iter().any(|wanted| is_month_day(*wanted, day)),
        cron::Days::OfWeek(days) => days.iter().any(|wanted| is_week_day(*wanted, day)),
    };
    cron.years.contains(&year) && cron.months.contains(&day.month()) && is_of_month()
}

fn is_month_day(wanted: MonthDay, day: NaiveDate) -> bool {
    match wanted {
        MonthDay::Day(number) => day.day() == number,
        MonthDay::Last => day.day() == last_day(day),
        MonthDay::NearestWeekday(number) => day.with_day(number).is_some_and(|wanted| nearest_weekday(wanted) == day),
        MonthDay::LastWeekday => day.with_day(last_day(day)).is_some_and(|last| nearest_weekday(last) == day),
    }
}

fn is_week_day(wanted: WeekDay, day: NaiveDate) -> bool {
    let is_it = |number: u32| day.weekday().number_from_sunday() == number;
    match wanted {
        WeekDay::Every(number) => is_it(number),
        WeekDay::Last(number) => is_it(number) && day.day() + 7 > last_day(day),
        WeekDay::Nth(number, nth) => is_it(number) && day.day0() / 7 + 1 == nth,
    }
}

fn last_day(day: NaiveDate) -> u32 {
    day.num_days_in_month().into()
}

/// From Saturday the Friday before, from Sunday the Monday after, but never in another month.
fn nearest_weekday(day: NaiveDate) -> NaiveDate {
    let (is_first, is_last) = (day.day() == 1, day.day() == last_day(day));
    let moved = match day.weekday().number_from_monday() {
        6 if is_first => day.checked_add_days(Days::new(2)),
        6 => day.checked_sub_days(Days::new(1)),
        7 if is_last => day.checked_sub_days(Days::new(2)),
        7 => day.checked_add_days(Days::new(1)),
        _ => Some(day),
    };
    moved.unwrap_or(day)
}
