//! The same once more, by looking at every minute: slow, and with nothing in it that could be clever.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use shared::vocabulary::schedule::cron::{Cron, Days, MonthDay, WeekDay};
use shared::vocabulary::schedule::{Expression, Schedule};

/// The fires between two whole minutes, of a cron expression without bounds.
pub(crate) fn fires(schedule: &Schedule, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let Expression::Cron(cron) = &schedule.expression else { panic!("only cron") };
    // Times on the wall that have been: clocks that are set back show them a second time.
    let mut shown = BTreeSet::<NaiveDateTime>::new();
    let (mut fires, mut at) = (Vec::new(), from - TimeDelta::days(1));
    while at < to {
        let wall = at.with_timezone(&schedule.time_zone).naive_local();
        let is_new = shown.insert(wall);
        if is_new && at >= from && matches(cron, wall) {
            fires.push(at);
        }
        at += TimeDelta::minutes(1);
    }
    fires
}

fn matches(cron: &Cron, wall: NaiveDateTime) -> bool {
    let year = u32::try_from(wall.year()).unwrap();
    cron.minutes.contains(&wall.minute())
        && cron.hours.contains(&wall.hour())
        && cron.months.contains(&wall.month())
        && cron.years.contains(&year)
        && days(&cron.days, wall.date()).contains(&wall.day())
}

/// The numbers of the days that are meant in the month of `day`.
fn days(days: &Days, day: NaiveDate) -> BTreeSet<u32> {
    let month: Vec<NaiveDate> = (1..=31).filter_map(|number| day.with_day(number)).collect();
    let is_weekday = |day: &&NaiveDate| day.weekday().num_days_from_monday() < 5;
    let mut found = BTreeSet::new();
    match days {
        Days::OfMonth(wanted) => {
            for wanted in wanted {
                found.extend(match wanted {
                    MonthDay::Day(number) => Some(*number),
                    MonthDay::Last => month.last().map(Datelike::day),
                    MonthDay::LastWeekday => month.iter().rfind(is_weekday).map(Datelike::day),
                    // The nearest; no two weekdays are equally near to a Saturday or a Sunday but where the month ends.
                    MonthDay::NearestWeekday(number) => month.iter().any(|day| day.day() == *number).then(|| {
                        let distance = |day: &&NaiveDate| day.day().abs_diff(*number);
                        month.iter().filter(is_weekday).min_by_key(distance).unwrap().day()
                    }),
                });
            }
        }
        Days::OfWeek(wanted) => {
            for wanted in wanted {
                let of_week = |number: u32| {
                    let is_it = move |day: &&NaiveDate| day.weekday().num_days_from_sunday() + 1 == number;
                    month.iter().filter(is_it).map(Datelike::day).collect::<Vec<_>>()
                };
                match wanted {
                    WeekDay::Every(number) => found.extend(of_week(*number)),
                    WeekDay::Last(number) => found.extend(of_week(*number).last()),
                    WeekDay::Nth(number, nth) => found.extend(of_week(*number).get(*nth as usize - 1)),
                }
            }
        }
    }
    found
}
