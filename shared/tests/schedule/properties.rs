//! Random schedules, around the nights on which clocks change and around ends of months.

use chrono::{DateTime, Days, TimeDelta, Utc};
use proptest::prelude::*;
use shared::rules::schedule::{Change, clock_changes, fires, rhythm};
use shared::vocabulary::schedule::Schedule;

use crate::naive;

fn minutes() -> impl Strategy<Value = String> {
    prop_oneof![Just("0".into()), Just("30".into()), Just("0/15".into()), Just("*/7".into()), (0..60).prop_map(text)]
}

fn hours() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".into()), Just("1-3".into()), Just("0/5".into()), Just("2".into()), (0..24).prop_map(text)]
}

fn days() -> impl Strategy<Value = String> {
    let of_month = prop_oneof![
        Just("*".into()),
        Just("L".into()),
        Just("LW".into()),
        Just("2/3".into()),
        (1..=31).prop_map(text),
        (1..=31).prop_map(|day| format!("{day}W")),
        (1..=25, 26..=31).prop_map(|(first, last)| format!("{first}-{last}")),
    ];
    let of_week = prop_oneof![
        Just("*".into()),
        Just("MON-FRI".into()),
        Just("L".into()),
        (1..=7).prop_map(text),
        (1..=7).prop_map(|day| format!("{day}L")),
        (1..=7, 1..=5).prop_map(|(day, nth)| format!("{day}#{nth}")),
    ];
    let months = || prop_oneof![3 => Just("*"), 1 => Just("3,10"), 1 => Just("FEB-APR")];
    let of_month = (of_month, months()).prop_map(|(day, months): (String, _)| format!("{day} {months} ?"));
    let of_week = (of_week, months()).prop_map(|(day, months): (String, _)| format!("? {months} {day}"));
    prop_oneof![of_month, of_week]
}

fn text(number: i32) -> String {
    number.to_string()
}

fn schedules() -> impl Strategy<Value = String> {
    const ZONES: [&str; 6] =
        ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"];
    let zones = proptest::sample::select(&ZONES[..]);
    (minutes(), hours(), days(), zones).prop_map(|(m, h, d, zone)| format!("cron({m} {h} {d} *) {zone}"))
}

/// Near the nights on which clocks change, ends of months, and leap days.
fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    const DAYS: [&str; 9] = [
        "2027-03-14",
        "2027-03-28",
        "2027-04-03",
        "2027-09-04",
        "2027-10-02",
        "2027-10-31",
        "2027-11-07",
        "2028-02-27",
        "2026-12-30",
    ];
    let days = proptest::sample::select(&DAYS[..]);
    (days, 0..48i64).prop_map(|(day, hours)| {
        let day: chrono::NaiveDate = day.parse().unwrap();
        (day - Days::new(1)).and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(hours)
    })
}

proptest! {
    #[test]
    fn a_schedule_fires_at_the_minutes_that_a_slow_reading_finds(text in schedules(), from in moments()) {
        let schedule = Schedule::typed(&text).unwrap();
        let to = from + TimeDelta::hours(80);
        let found: Vec<_> = fires(&schedule, from, to).collect();
        prop_assert_eq!(&found, &naive::fires(&schedule, from, to), "{} from {}", text, from);
    }

    #[test]
    fn a_time_that_is_skipped_does_not_fire_and_its_gap_is_longer_than_others(text in schedules(), from in moments()) {
        let schedule = Schedule::typed(&text).unwrap();
        let changes = clock_changes(&schedule, from, from + TimeDelta::hours(80));
        for change in changes {
            let around = change.local.and_utc();
            let (first, last) = (around - TimeDelta::days(1), around + TimeDelta::days(1));
            let at = fires(&schedule, first, last).map(|at| at.with_timezone(&schedule.time_zone).naive_local());
            let times = at.filter(|at| *at == change.local).count();
            prop_assert_eq!(times, usize::from(change.kind == Change::Once), "{} {:?}", &text, change);
            if let Some(rhythm) = rhythm(&schedule, from - TimeDelta::days(400)) {
                prop_assert!(change.gap > rhythm.shortest, "{} {:?} {:?}", &text, change, rhythm);
            }
        }
    }
}
