//! The checks that no small world can show: large fleets, full Regions, long rhythms.

use planner::place::Place;
use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use super::seen::{Seen, Selected, Snapshots};
use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn policy(retain: &str) -> Value {
    json!({"action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": retain})
}

fn source(event: &Value, schedule: &str) -> Source {
    Source::of_event("daily.json", event, Some(schedule), now()).unwrap()
}

/// A Region in which the first source selects so many volumes, and so many snapshots are there, all of them its own.
fn region(sources: &[Source], volumes: usize, snapshots: usize) -> Seen {
    let place = Place { account: "123456789012".into(), role: None, region: "eu-central-1".into() };
    let mut seen = Seen::new(place, [(0, Selected { volumes, exact: volumes, job: None })].into());
    seen.sources = (0..sources.len()).collect();
    seen.snapshots = Snapshots { all: snapshots, ours: [("daily".into(), snapshots)].into(), ..Snapshots::default() };
    seen
}

/// What `check` finds, each with its severity.
fn found(
    sources: &[Source],
    volumes: usize,
    snapshots: usize,
    check: fn(&Looked<'_>) -> Vec<Finding>,
) -> Vec<(Severity, String)> {
    let seen = [region(sources, volumes, snapshots)];
    let looked = Looked { sources, seen: &seen, create_rate: 4.5, now: now() };
    check(&looked).into_iter().map(|finding| (finding.severity, finding.what)).collect()
}

fn check_rhythm(event: Value, schedule: &str, volumes: usize, expected: &[&str]) {
    let sources = [source(&event, schedule)];
    let found = found(&sources, volumes, 0, rhythms::check);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((_, what), words) in found.iter().zip(expected) {
        assert!(what.contains(words), "{words}: {what}");
    }
}

#[test]
fn a_rule_that_fits_its_schedule_is_not_told() {
    check_rhythm(policy("7d"), "cron(0 5 * * ? *) Europe/Zurich", 100, &[]);
    check_rhythm(policy("1d"), "cron(0 5 * * ? *)", 100, &[]);
    check_rhythm(policy("7d"), "cron(0 5 ? * SUN *)", 100, &[]);
    check_rhythm(policy("3d"), "cron(0 5 ? * MON-FRI *)", 100, &[]);
    check_rhythm(policy("hourly=24 daily=7"), "cron(0 * * * ? *) Europe/Zurich", 100, &[]);
    check_rhythm(policy("daily=7 monthly=12"), "rate(1 day)", 100, &[]);
    check_rhythm(policy("7"), "cron(0 5 1 * ? *)", 100, &[]);
    check_rhythm(policy("1m"), "cron(0 5 1 * ? *)", 100, &[]);
    check_rhythm(policy("forever"), "cron(0 5 ? * SUN *)", 100, &[]);
}

#[test]
fn a_rule_that_does_not_fit_is_told_with_what_to_write() {
    check_rhythm(policy("1d"), "cron(0 5 ? * SUN *)", 1, &["keeps for 1d, and up to 7 days pass"]);
    check_rhythm(policy("2d"), "cron(0 5 ? * MON-FRI *)", 1, &["up to 3 days pass"]);
    check_rhythm(policy("4w"), "cron(0 5 1 * ? *)", 1, &["up to 31 days pass"]);
    check_rhythm(
        policy("hourly=24"),
        "cron(0 5 * * ? *)",
        1,
        &["keeps hourly snapshots, and a backup comes every 24 hours"],
    );
    check_rhythm(policy("daily=7 weekly=4"), "cron(0 5 ? * SUN *)", 1, &["keeps daily snapshots"]);
    check_rhythm(policy("7d"), "rate(6 hours)", 1, &["gives up after 23 hours, and comes every 6 hours"]);
    let mut hourly = policy("7d");
    hourly["give_up_after"] = json!("50m");
    check_rhythm(hourly, "rate(1 hour)", 1, &[]);
}

#[test]
fn a_lane_that_is_not_through_in_time_is_told() {
    check_rhythm(policy("hourly=24"), "rate(1 hour)", 10_000, &[]);
    check_rhythm(
        policy("hourly=24"),
        "rate(1 hour)",
        13_500,
        &["13,500 volumes of daily take 50 minutes, and the next slot begins in 1 hour"],
    );
    check_rhythm(
        policy("hourly=24"),
        "rate(1 hour)",
        20_000,
        &["20,000 volumes of daily take 75 minutes, and its jobs give up after 55 minutes"],
    );
}

#[test]
fn an_audit_whose_rpo_no_backup_can_meet_is_told() {
    let check = |schedule: &str, rpo: &str, expected: usize| {
        let mut audit = policy("7d");
        audit["action"] = json!("audit");
        audit["rpo"] = json!(rpo);
        let sources = [source(&policy("30d"), schedule), source(&audit, "rate(1 day)")];
        let found = found(&sources, 1, 0, rhythms::check);
        assert_eq!(found.len(), expected, "{schedule} {rpo}: {found:?}");
    };
    check("cron(0 5 * * ? *)", "26h", 0);
    check("cron(0 5 * * ? *)", "24h", 1);
    check("cron(0 5 ? * SUN *)", "26h", 1);
    check("cron(0 5 ? * MON-FRI *)", "26h", 1);
    check("cron(0 5 ? * MON-FRI *)", "74h", 0);
}

#[test]
fn a_cap_is_told_where_a_steady_state_trips_it() {
    let check = |retain: &str, schedule: &str, volumes: usize, expected: &[&str]| {
        let prune = json!({"action": "prune"});
        let sources = [source(&policy(retain), schedule), source(&prune, "rate(1 day)")];
        let found = found(&sources, volumes, 0, cap::check);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|((_, what), words)| what.contains(words)), "{found:?}");
    };
    // README: a steady rule of n a day lets one of n + 1 expire; below 4, or hourly, the cap must be raised.
    check("7d", "rate(1 day)", 1000, &[]);
    check("4d", "rate(1 day)", 1000, &[]);
    check("3d", "rate(1 day)", 1000, &["about 1,000 of 4,000 snapshots expire in each prune, and its cap allows 800"]);
    check("3d", "rate(1 day)", 100, &[]);
    check("2d", "rate(1 hour)", 1000, &["about 24,000 of 72,000 snapshots"]);
    check("forever", "rate(1 day)", 1000, &[]);
}

#[test]
fn a_quota_is_told_when_it_is_full_nearly_full_or_going_to_be() {
    let check = |retain: &str, volumes: usize, snapshots: usize, expected: Option<(Severity, &str)>| {
        let sources = [source(&policy(retain), "rate(1 day)")];
        let found = found(&sources, volumes, snapshots, quota::check);
        let found = found.first().map(|(severity, what)| (*severity, what.as_str()));
        assert_eq!(found, expected, "{retain}");
    };
    check("7d", 1000, 7000, None);
    check("30d", 3000, 0, None);
    check("30d", 1000, 85_000, Some((Severity::Warning, "85,000 snapshots of 100,000")));
    check("7d", 1000, 100_000, Some((Severity::Error, "100,000 snapshots of 100,000")));
    check(
        "forever",
        1000,
        90_000,
        Some((Severity::Warning, "90,000 snapshots of 100,000: full about 2026-12-08, if these policies go on")),
    );
    check(
        "90d",
        2000,
        10_000,
        Some((Severity::Warning, "10,000 snapshots of 100,000: full about 2027-01-12, if these policies go on")),
    );
}

#[test]
fn what_was_read_in_part_is_no_verdict() {
    let sources = [source(&policy("forever"), "rate(1 day)")];
    let mut seen = [region(&sources, 0, 100_000)];
    let error = shared::vocabulary::api_error::ApiError {
        operation: "list volumes in eu-central-1".into(),
        code: "RequestExpired".into(),
        message: String::new(),
        status: None,
        request_id: None,
    };
    seen[0].errors.push(("ec2:DescribeVolumes", error));
    let looked = Looked { sources: &sources, seen: &seen, create_rate: 4.5, now: now() };
    assert_eq!((selectors::check(&looked), quota::check(&looked)), (Vec::new(), Vec::new()));
    assert_eq!(quota::figures(&looked, 5), Vec::<String>::new());
    let (findings, unseen) = permissions::check(&seen, &[]);
    assert_eq!((findings.len(), unseen.len()), (0, 1));
}
