//! What an audit has found: which volumes could not be restored to within the RPO, and what nobody knows.

use std::fmt::Write;

use shared::vocabulary::report::{Coverage, Uncovered};

use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, command, counted, line, listed, name, named, plain, time, word};

/// Volumes that are named: each says what is wrong with it.
const MOST_VOLUMES: usize = 50;

/// The newest audit speaks for those before it: the same invocation tried again says the same once more.
pub(super) fn section(policy: &str, reports: &[Coverage]) -> Option<Section> {
    let report = reports.iter().max_by_key(|report| (report.slot, report.at))?;
    let places = report.unknown.len();
    let headline = [
        (report.uncovered > 0).then(|| format!("{} not covered", counted(report.uncovered, "volume"))),
        (places > 0).then(|| format!("{} unknown", counted(places, "place"))),
        (report.finding_count > 0).then(|| counted(report.finding_count, "bad snapshot")),
        (report.unselected_count > 0).then(|| format!("{} in no policy", counted(report.unselected_count, "volume"))),
        (!report.unsent.is_empty()).then(|| "missed jobs not enqueued".into()),
        report.selects_nothing.then(|| "the policy selects nothing".into()),
    ];
    let is_bad = report.uncovered > 0 || places > 0;
    Some(Section {
        severity: if is_bad { Severity::Error } else { Severity::Warning },
        headline: headline.into_iter().flatten().collect::<Vec<String>>().join(", "),
        text: text(policy, report),
    })
}

fn text(policy: &str, report: &Coverage) -> String {
    let Coverage { covered, uncovered, .. } = report;
    let known = covered.saturating_add(*uncovered);
    let rpo = plain(&report.rpo, 12);
    let mut text = format!(
        "Audit of {}, {}: {covered} of {} can be restored to within {rpo}.\n",
        plain(policy, 127),
        report.slot,
        counted(known, "volume")
    );
    let file = word(policy, "policy");
    if report.selects_nothing {
        text.push_str("\nThe policy selects no volume in any place. Tags are case-sensitive; see what it selects:\n");
        command(&mut text, &format!("snapkeep plan --file {file}.json"));
    }
    if report.no_run {
        let _ = writeln!(
            text,
            "\nNo run of the policy was seen within {rpo}: its schedule does not fire, or its planner fails."
        );
        text.push_str("Look whether it is there and enabled, and what the planner says:\n");
        command(&mut text, "aws scheduler list-schedules --query \"Schedules[?contains(Name,'snapkeep')]\"");
    }
    unknown(&mut text, report);
    volumes(&mut text, report);
    unsent(&mut text, report);
    findings(&mut text, report);
    unselected(&mut text, report);
    text.push_str("\nSee all of it, as it is now:\n");
    command(&mut text, &format!("snapkeep coverage --file {file}.json --rpo {}", word(&report.rpo, "26h")));
    text
}

fn unknown(text: &mut String, report: &Coverage) {
    if report.unknown.is_empty() {
        return;
    }
    text.push_str(
        "\nOf these places nothing is known. They could not be read to the end, and half a list proves nothing:\n\n",
    );
    text.push_str(&named(&report.unknown, |place| plain(place, LONGEST_REASON)));
}

fn volumes(text: &mut String, report: &Coverage) {
    let Coverage { volumes, uncovered, .. } = report;
    if volumes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nNot covered, {}:\n", counted(*uncovered, "volume"));
    let shown = &volumes[..volumes.len().min(MOST_VOLUMES)];
    text.push_str(&listed(shown, MOST_VOLUMES, volume));
    let more = uncovered.saturating_sub(shown.len());
    let _ = (more > 0).then(|| writeln!(text, "  and {more} more"));
    text.push_str("\nLook at one of them: its snapshots, and which policies select it:\n");
    command(text, &format!("snapkeep explain VOLUME --regions {}", word(&volumes[0].region, "REGION")));
    match report.enqueued {
        0 => text
            .push_str("Nothing was enqueued again: what is missing is under way, or dead letters say why it failed:\n"),
        jobs => {
            let _ = writeln!(text, "{} enqueued again. What fails once more is a dead letter:", were(jobs));
        }
    }
    command(text, &format!("snapkeep dlq list --policy {}", name(&report.policy, "POLICY")));
}

fn volume(volume: &Uncovered) -> String {
    let known_as = volume.name.as_ref().map(|name| format!(" ({})", plain(name, 60))).unwrap_or_default();
    let instance = volume.instance.as_ref().map(|id| format!(" of {}", plain(id, 30))).unwrap_or_default();
    let since = volume.since.map(|since| format!(" [{}]", time(since))).unwrap_or_default();
    let Uncovered { account, region, volume: id, verdict, why, .. } = volume;
    let (verdict, id) = (plain(verdict, 12), plain(id, 30));
    line(&format!("{verdict:<7} {id}{known_as}{instance} in {region}, account {account}: {why}{since}"))
}

fn were(jobs: usize) -> String {
    format!("{} {}", counted(jobs, "job"), if jobs == 1 { "was" } else { "were" })
}

fn unsent(text: &mut String, report: &Coverage) {
    if !report.unsent.is_empty() {
        text.push_str(
            "\nWhat the last run has missed could not all be enqueued again. The next audit tries once more:\n\n",
        );
        text.push_str(&named(&report.unsent, |place| plain(place, LONGEST_REASON)));
    }
}

fn findings(text: &mut String, report: &Coverage) {
    if report.findings.is_empty() {
        return;
    }
    text.push_str("\nSnapshots that ended in error, or do not come to their end:\n\n");
    text.push_str(&counted_list(&report.findings, report.finding_count));
}

fn unselected(text: &mut String, report: &Coverage) {
    if report.unselected.is_empty() {
        return;
    }
    text.push_str("\nVolumes that no policy selects, so that nothing backs them up:\n\n");
    text.push_str(&counted_list(&report.unselected, report.unselected_count));
    text.push_str("  Tag them as a policy asks for; or, where no backup is wanted, with a tag of \"exclude_tags\".\n");
}

/// The first, and how many more there are than were named.
fn counted_list(first: &[String], count: usize) -> String {
    let shown = &first[..first.len().min(super::text::MOST_NAMED)];
    let more = count.max(first.len()) - shown.len();
    let rest = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    named(shown, |sentence| plain(sentence, LONGEST_REASON)) + &rest
}
