//! Rules that do not fit the rhythm in which backups come.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared::rules::schedule::{Rhythm, fires};
use shared::vocabulary::policy::{Policy, Retention};
use shared::vocabulary::retain::{Period, RetainRule};

use super::Looked;
use super::finding::{Finding, Severity};
use super::source::Source;
use super::words::{counted, span};
use crate::table::plain;

/// A year's fires, or so many of them, show how far apart they are.
const AHEAD: TimeDelta = TimeDelta::days(400);
const MOST_FIRES: usize = 1000;

/// All of them.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, source) in looked.sources.iter().enumerate() {
        let (Some(policy), Some(rhythm)) = (source.policy(), source.rhythm(looked.now)) else { continue };
        if let Retention::Rule(rule) = &policy.retain {
            findings.extend(too_short(source, policy, rule, looked.now));
            findings.extend(too_fine(source, policy, rule, rhythm));
        }
        findings.extend(rpo(looked, policy, rhythm));
        findings.extend(gives_up_late(source, policy, rhythm));
        findings.extend(lane(looked, index, policy, rhythm));
    }
    findings.extend(super::cap::check(looked));
    findings
}

fn finding(severity: Severity, source: &Source, what: String, why: String, advice: String) -> Finding {
    Finding { severity, check: "rhythm", what, at: source.origin.clone(), why, advice }
}

/// An audit that calls a volume stale while its next backup is not even due.
fn rpo(looked: &Looked<'_>, policy: &Policy, rhythm: Rhythm) -> Vec<Finding> {
    let audits = looked.sources.iter().filter_map(|source| Some((source, source.audit()?)));
    let too_short = audits.filter(|(_, audit)| audit.policy.name == policy.name && audit.rpo <= rhythm.longest);
    let findings = too_short.map(|(source, audit)| {
        let (name, between) = (plain(&policy.name), span(rhythm.longest));
        finding(
            Severity::Warning,
            source,
            format!(
                "the audit of {name} has an `rpo` of {}, and up to {between} pass between two backups",
                span(audit.rpo)
            ),
            "Every volume is stale before its next backup is complete, and a mail says so each time.".into(),
            format!("\"rpo\": \"{}h\"", rhythm.longest.num_hours() + 2),
        )
    });
    findings.collect()
}

/// A snapshot whose day has passed before the next one comes.
fn too_short(source: &Source, policy: &Policy, rule: &RetainRule, now: DateTime<Utc>) -> Option<Finding> {
    let (RetainRule::Age(age), Some(schedule)) = (rule, &source.schedule) else { return None };
    let days =
        fires(schedule, now, now + AHEAD).take(MOST_FIRES).map(|at| at.with_timezone(&policy.time_zone).date_naive());
    let days: Vec<NaiveDate> = days.collect();
    let too_long = days.windows(2).filter(|pair| age.after(pair[0]).is_some_and(|due| due < pair[1]));
    let longest = too_long.map(|pair| (pair[1] - pair[0]).num_days()).max()?;
    let between = span(TimeDelta::days(longest));
    Some(finding(
        Severity::Warning,
        source,
        format!("{} keeps for {rule}, and up to {between} pass between two backups", plain(&policy.name)),
        "Each snapshot is due before there is a newer one. The last stays all the same, and every prune says that backups \
         have stopped."
            .into(),
        format!("\"retain\": \"{}d\" or longer, or a schedule that comes more often", 2 * longest),
    ))
}

/// Periods of which not each has a backup: of each of the last n that have one.
fn too_fine(source: &Source, policy: &Policy, rule: &RetainRule, rhythm: Rhythm) -> Option<Finding> {
    let RetainRule::Calendar(periods) = rule else { return None };
    let (period, _) = periods.iter().find(|(period, _)| length(*period) < rhythm.shortest)?;
    let word = format!("{period:?}").to_lowercase();
    Some(finding(
        Severity::Warning,
        source,
        format!("{} keeps {word} snapshots, and a backup comes every {}", plain(&policy.name), span(rhythm.shortest)),
        format!(
            "`{word}=` counts the periods that have a backup, so that {rule} reaches much further back than it seems."
        ),
        format!("leave `{word}=` out of `retain`, or a schedule that comes more often"),
    ))
}

fn gives_up_late(source: &Source, policy: &Policy, rhythm: Rhythm) -> Option<Finding> {
    let after = source.give_up_after()?;
    (after > rhythm.shortest).then(|| {
        let minutes = (rhythm.shortest.num_minutes() * 11 / 12).max(10);
        let advice = match minutes % 60 {
            0 => format!("\"give_up_after\": \"{}h\"", minutes / 60),
            _ => format!("\"give_up_after\": \"{minutes}m\""),
        };
        finding(
            Severity::Warning,
            source,
            format!(
                "{} gives up after {}, and comes every {}",
                plain(&policy.name),
                span(after),
                span(rhythm.shortest)
            ),
            "What fails in one slot is still tried when the next begins, in the way of it.".into(),
            advice,
        )
    })
}

/// A lane that is not through when its jobs give up, or when the next slot begins.
fn lane(looked: &Looked<'_>, index: usize, policy: &Policy, rhythm: Rhythm) -> Option<Finding> {
    let source = &looked.sources[index];
    let volumes = |seen: &&super::seen::Seen| seen.policies.get(&index).map_or(0, |selected| selected.volumes);
    let seen = looked.seen.iter().max_by_key(volumes)?;
    let (count, give_up) = (volumes(&seen), source.give_up_after()?);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds of a lane")]
    let takes = TimeDelta::seconds((count as f64 / looked.create_rate).ceil() as i64);
    let (severity, bound) = match takes {
        takes if takes > give_up => (Severity::Error, format!("its jobs give up after {}", span(give_up))),
        takes if takes > rhythm.shortest * 4 / 5 => {
            (Severity::Warning, format!("the next slot begins in {}", span(rhythm.shortest)))
        }
        _ => return None,
    };
    Some(Finding {
        severity,
        check: "rate",
        what: format!("{} of {} take {}, and {bound}", counted(count, "volume"), plain(&policy.name), span(takes)),
        at: format!("{}; {}", source.origin, seen.name()),
        why: format!("A lane takes {} snapshots a second. What is late is a dead letter.", looked.create_rate),
        advice: "raise EC2's quota of CreateSnapshot and with it SNAPKEEP_CREATE_RATE, or come less often".into(),
    })
}

/// The longest that a period may be.
pub(crate) fn length(period: Period) -> TimeDelta {
    match period {
        Period::Hourly => TimeDelta::hours(1),
        Period::Daily => TimeDelta::days(1),
        Period::Weekly => TimeDelta::days(7),
        Period::Monthly => TimeDelta::days(31),
        Period::Quarterly => TimeDelta::days(92),
        Period::Yearly => TimeDelta::days(366),
    }
}
