//! `golden.txt`: one schedule a line, and what it does.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use shared::rules::schedule::{Change, clock_changes, fires, next, rhythm};
use shared::vocabulary::schedule::Schedule;

const TABLE: &str = include_str!("golden.txt");

/// The noon in UTC before the day: the fires of the 36 hours after it are compared, on the wall and with their offset.
fn noon_before(day: &str) -> DateTime<Utc> {
    let day: chrono::NaiveDate = day.parse().unwrap();
    (day - Days::new(1)).and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap()).and_utc()
}

fn shown(schedule: &Schedule, from: DateTime<Utc>) -> String {
    let fires = fires(schedule, from, from + TimeDelta::hours(36));
    let fires = fires.map(|at| at.with_timezone(&schedule.time_zone).format("%d %H:%M%:z").to_string());
    let fires: Vec<String> = fires.collect();
    if fires.is_empty() { "nothing".into() } else { fires.join(", ") }
}

#[test]
fn schedules_fire_when_scheduler_says_they_do() {
    let mut compared = 0;
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [text, day, expected] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{line}") };
        let schedule = Schedule::typed(text).unwrap();
        assert_eq!(shown(&schedule, noon_before(day)), expected, "{line}");
        compared += 1;
    }
    assert!(compared > 30, "{compared} lines");
}

fn check_next(text: &str, now: &str, expected: Option<&str>) {
    let schedule = Schedule::typed(text).unwrap();
    let found = next(&schedule, now.parse().unwrap()).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    assert_eq!(found.as_deref(), expected, "{text} at {now}");
}

#[test]
fn the_next_fire_may_be_far_away_and_some_never_come() {
    check_next("cron(0 5 * * ? *)", "2026-11-28T05:00:00Z", Some("2026-11-28T05:00:00Z"));
    check_next("cron(0 5 * * ? *)", "2026-11-28T05:00:01Z", Some("2026-11-29T05:00:00Z"));
    check_next("cron(0 5 29 FEB ? *)", "2096-03-01T00:00:00Z", Some("2104-02-29T05:00:00Z"));
    check_next("cron(0 5 31 FEB ? *)", "2026-11-28T00:00:00Z", None);
    check_next("cron(0 5 31 4,6,9,11 ? *)", "2026-11-28T00:00:00Z", None);
    check_next("cron(0 5 * * ? 2022-2023)", "2026-11-28T00:00:00Z", None);
    check_next("cron(0 5 ? FEB MON#5 *)", "2026-11-28T00:00:00Z", Some("2044-02-29T05:00:00Z"));
    check_next("at(2026-11-20T13:00:00)", "2026-11-28T00:00:00Z", None);
    check_next("at(2026-12-20T13:00:00) Europe/Zurich", "2026-11-28T00:00:00Z", Some("2026-12-20T12:00:00Z"));
    check_next("cron(0 0 1 1 ? 2199)", "2199-01-01T00:00:01Z", None);
}

fn check_rhythm(text: &str, expected: Option<(i64, i64)>) {
    let rhythm = rhythm(&Schedule::typed(text).unwrap(), "2026-11-28T00:00:00Z".parse().unwrap());
    assert_eq!(rhythm.map(|rhythm| (rhythm.shortest.num_minutes(), rhythm.longest.num_minutes())), expected, "{text}");
}

#[test]
fn the_rhythm_is_the_shortest_and_the_longest_way_to_the_next_fire() {
    const DAY: i64 = 24 * 60;
    check_rhythm("rate(1 hour)", Some((60, 60)));
    check_rhythm("cron(0 5 * * ? *) Europe/Zurich", Some((DAY, DAY)));
    check_rhythm("cron(30 2 * * ? *) Europe/Zurich", Some((DAY, DAY)));
    check_rhythm("cron(0 * * * ? *) Europe/Zurich", Some((60, 60)));
    check_rhythm("cron(0 5 ? * MON-FRI *)", Some((DAY, 3 * DAY)));
    check_rhythm("cron(0 5 ? * SUN *)", Some((7 * DAY, 7 * DAY)));
    check_rhythm("cron(0 5,17 * * ? *)", Some((12 * 60, 12 * 60)));
    check_rhythm("cron(0 5 1 * ? *)", Some((28 * DAY, 31 * DAY)));
    check_rhythm("cron(0 5 1 1 ? *)", Some((365 * DAY, 366 * DAY)));
    check_rhythm("cron(0 5 1 1 ? 2030)", None);
    check_rhythm("at(2026-12-20T13:00:00)", None);
}

/// What clocks take away within a year from now, and the time that passes without a fire.
fn check_changes(text: &str, expected: &[(Change, &str, i64)]) {
    let now = "2026-11-28T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let changes = clock_changes(&Schedule::typed(text).unwrap(), now, now + TimeDelta::days(365));
    let changes: Vec<(Change, String, i64)> =
        changes.iter().map(|change| (change.kind, change.local.to_string(), change.gap.num_minutes())).collect();
    let changes: Vec<(Change, &str, i64)> = changes.iter().map(|(kind, at, gap)| (*kind, at.as_str(), *gap)).collect();
    assert_eq!(changes, expected, "{text}");
}

#[test]
fn a_change_of_clocks_takes_away_what_nothing_makes_up_for() {
    use Change::{Once, Skipped};
    check_changes("cron(30 2 * * ? *) Europe/Zurich", &[(Skipped, "2027-03-28 02:30:00", 47 * 60)]);
    check_changes("cron(30 2 * * ? *) America/New_York", &[(Skipped, "2027-03-14 02:30:00", 47 * 60)]);
    check_changes("cron(0 2 ? * SUN *) Europe/Zurich", &[(Skipped, "2027-03-28 02:00:00", (14 * 24 - 1) * 60)]);
    // In Lord Howe clocks are set by half an hour: from 02:00 to 02:30.
    check_changes("cron(15 2 * * ? *) Australia/Lord_Howe", &[(Skipped, "2027-10-03 02:15:00", 47 * 60 + 30)]);
    check_changes("cron(45 2 * * ? *) Australia/Lord_Howe", &[]);
    check_changes("cron(0 * * * ? *) Australia/Lord_Howe", &[]);
    check_changes("cron(0/15 * * * ? *) Australia/Lord_Howe", &[(Once, "2027-04-04 01:45:00", 45)]);
    // An hourly one misses nothing in spring; in autumn it has no second two o'clock.
    check_changes("cron(0 * * * ? *) Europe/Zurich", &[(Once, "2027-10-31 02:00:00", 120)]);
    check_changes("cron(0/15 * * * ? *) Europe/Zurich", &[(Once, "2027-10-31 02:45:00", 75)]);
    for none in ["cron(30 2 * * ? *)", "cron(0 5 * * ? *) Europe/Zurich", "rate(1 day) Europe/Zurich"] {
        check_changes(none, &[]);
    }
}

#[test]
fn start_and_end_bound_all_but_a_single_fire() {
    let bounded = |text: &str| {
        let (start, end) = ("2026-11-28T06:00:00Z".parse().ok(), "2026-11-28T09:30:00Z".parse().ok());
        shown(&Schedule { start, end, ..Schedule::typed(text).unwrap() }, noon_before("2026-11-28"))
    };
    assert_eq!(bounded("cron(0 * * * ? *)"), "28 06:00+00:00, 28 07:00+00:00, 28 08:00+00:00, 28 09:00+00:00");
    assert_eq!(bounded("rate(100 minutes)"), "28 06:00+00:00, 28 07:40+00:00, 28 09:20+00:00");
    assert_eq!(bounded("at(2026-11-28T01:00:00)"), "28 01:00+00:00");
}
