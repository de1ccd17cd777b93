//! Schedules that never fire, that clocks take a run from, or whose runs are all the same slot.

use chrono::{DateTime, TimeDelta, Utc};
use shared::rules::schedule::{Change, ClockChange, clock_changes, next};
use shared::vocabulary::schedule::{Expression, Schedule};

use super::Looked;
use super::finding::{Finding, Severity};
use super::source::Source;
use super::words::span;
use crate::table::plain;

/// What EventBridge Scheduler fills the slot in for.
const SLOT: &str = "<aws.scheduler.scheduled-time>";
/// An end that is nearer than this is told.
const SOON: TimeDelta = TimeDelta::days(30);
/// Each change of clocks of the next year, with a few weeks to spare.
const A_YEAR: TimeDelta = TimeDelta::days(380);

/// All of them.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    looked.sources.iter().flat_map(|source| of_source(source, looked.now)).collect()
}

/// A group that nothing is scheduled in.
pub(crate) fn none(group: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        check: "schedules",
        what: format!("the group {} has no schedules", plain(group)),
        at: format!("schedule group {}", plain(group)),
        why: "No policy is deployed beside the stack, so that nothing is planned.".into(),
        advice: "deploy infra/policy.yaml, once for each policy (infra/README.md)".into(),
    }
}

fn of_source(source: &Source, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(problem) = &source.input {
        findings.push(Finding {
            severity: Severity::Error,
            check: "policies",
            what: format!("the planner refuses this policy: {}", plain(&problem.to_string())),
            at: source.origin.clone(),
            why: "Each run of it fails, and nothing is backed up.".into(),
            advice: "mend the policy's stack, or: aws scheduler update-schedule".into(),
        });
    }
    let Some(schedule) = &source.schedule else { return findings };
    match dead(source, schedule, now) {
        Some(dead) => findings.push(dead),
        None => {
            findings.extend(ends(source, schedule, now));
            findings.extend(clocks(source, schedule, now));
            findings.extend(window(source, schedule, now));
            findings.extend(slot(source, now));
        }
    }
    findings
}

/// It does not run, whatever the reason.
fn dead(source: &Source, schedule: &Schedule, now: DateTime<Utc>) -> Option<Finding> {
    let never = Finding {
        severity: Severity::Error,
        check: "schedules",
        what: String::new(),
        at: source.origin.clone(),
        why: "Nothing is planned any more, and no call fails: only its silence tells.".into(),
        advice: "give it an expression that comes again, such as cron(0 5 * * ? *)".into(),
    };
    if let Some(end) = schedule.end.filter(|end| *end <= now && !matches!(schedule.expression, Expression::At(_))) {
        let what = format!("its end has passed: {}", day(end));
        return Some(Finding { what, advice: "take the EndDate off the schedule".into(), ..never });
    }
    if next(schedule, now).is_none() {
        let what = match schedule.expression {
            Expression::At(_) => "it was for one time, which has passed",
            _ => "it never fires: no date is what its expression says",
        };
        return Some(Finding { what: what.into(), ..never });
    }
    (!schedule.is_enabled).then(|| Finding {
        severity: Severity::Warning,
        what: "it is DISABLED".into(),
        why: "It takes no snapshots. Those that are there go by their rule as before.".into(),
        advice: "deploy the policy's stack with State=ENABLED".into(),
        ..never
    })
}

fn ends(source: &Source, schedule: &Schedule, now: DateTime<Utc>) -> Option<Finding> {
    let end = schedule.end.filter(|end| *end - now < SOON && !matches!(schedule.expression, Expression::At(_)))?;
    Some(Finding {
        severity: Severity::Warning,
        check: "schedules",
        what: format!("it ends on {}", day(end)),
        at: source.origin.clone(),
        why: "After that nothing is planned, and no call fails.".into(),
        advice: "take the EndDate off the schedule, if that is not meant".into(),
    })
}

/// The next fire that a change of clocks takes away; of each kind one.
fn clocks(source: &Source, schedule: &Schedule, now: DateTime<Utc>) -> Vec<Finding> {
    let changes = clock_changes(schedule, now, now + A_YEAR);
    let first = |kind: Change| changes.iter().find(move |change| change.kind == kind);
    let of = |change: &ClockChange| {
        let (zone, gap) = (schedule.time_zone, span(change.gap));
        let local = change.local.format("%Y-%m-%d %H:%M");
        let (severity, what, why) = match change.kind {
            Change::Skipped => (
                Severity::Warning,
                format!("it skips {local}: clocks in {zone} are set forward over it"),
                format!("Scheduler leaves out a time that does not exist: {gap} pass without a run."),
            ),
            Change::Once => (
                Severity::Notice,
                format!("it fires once at {local}, which comes twice in {zone}"),
                format!("Where clocks are set back Scheduler fires the first time only: {gap} pass without a run."),
            ),
        };
        let at = source.origin.clone();
        let advice = "a time outside the hours that are set (not 01:00 to 03:00), or the time zone UTC".into();
        Finding { severity, check: "clocks", what, at, why, advice }
    };
    [Change::Skipped, Change::Once].into_iter().filter_map(first).map(of).collect()
}

fn window(source: &Source, schedule: &Schedule, now: DateTime<Utc>) -> Option<Finding> {
    let rhythm = source.rhythm(now)?;
    (schedule.window >= rhythm.shortest).then(|| Finding {
        severity: Severity::Warning,
        check: "schedules",
        what: format!("its flexible window of {} is as long as its rhythm", span(schedule.window)),
        at: source.origin.clone(),
        why: format!("It comes every {}: one run may begin when the next is due.", span(rhythm.shortest)),
        advice: "deploy the policy's stack with a smaller FlexibleMinutes".into(),
    })
}

/// Only snapshots have a slot that matters.
fn slot(source: &Source, now: DateTime<Utc>) -> Option<Finding> {
    let is_asked = source.is_deployed && source.policy().is_some();
    let (severity, what, why) = match source.scheduled_time.as_deref() {
        _ if !is_asked => return None,
        Some(SLOT) => return None,
        None => (
            Severity::Warning,
            "its input has no `scheduled_time`".into(),
            "An invocation that is tried again is then another slot, and takes all snapshots again.",
        ),
        Some(fixed) if source.rhythm(now).is_some() => (
            Severity::Error,
            format!("its `scheduled_time` is always {}", plain(fixed)),
            "All its runs are one slot: the first takes snapshots, and no other does.",
        ),
        Some(_) => return None,
    };
    let advice = format!("write \"scheduled_time\": \"{SLOT}\" into the input");
    Some(Finding { severity, check: "schedules", what, at: source.origin.clone(), why: why.into(), advice })
}

fn day(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}
