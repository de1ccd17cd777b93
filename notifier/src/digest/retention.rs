//! What a run that prunes has found, by Region.

use std::fmt::Write;

use shared::vocabulary::report::Retention;

use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, MOST_NAMED, counted, named, plain, word};

/// What the cap has stopped, and what a person should look at.
pub(super) fn section(reports: &[Retention]) -> Option<Section> {
    reports.first()?;
    let is_capped = reports.iter().any(|report| report.capped.is_some());
    let findings = reports.iter().map(|report| report.count.max(report.findings.len()));
    let findings: usize = findings.fold(0, usize::saturating_add);
    let capped = is_capped.then(|| "stopped by the cap, nothing deleted".into());
    let found = (findings > 0).then(|| counted(findings, "finding"));
    let headline = capped.into_iter().chain(found).collect::<Vec<String>>().join(", ");
    let severity = if is_capped { Severity::Error } else { Severity::Warning };
    Some(Section { severity, headline, text: reports.iter().map(of_region).collect() })
}

fn of_region(report: &Retention) -> String {
    let Retention { account, region, slot, capped, would_delete, findings, count, .. } = report;
    let (region, account) = (word(region, "REGION"), plain(account, 12));
    let mut text = format!("Pruning in {region}, account {account}, slot {slot}:\n\n");
    if let Some(capped) = capped {
        let _ = writeln!(text, "  {}.\n", plain(capped, LONGEST_REASON));
        text.push_str(&named(would_delete, |line| plain(line, LONGEST_REASON)));
        let _ = writeln!(text, "\n  See all of it, and why: snapkeep prune --dry-run --regions {region}");
        text.push_str("  If it is meant, raise \"cap\" in the schedule's policy; or once: look with --cap N, which\n");
        text.push_str("  prints the plan's hash, and then the same command with --plan HASH --yes\n\n");
    }
    if !findings.is_empty() {
        text.push_str("  A person should look at these:\n\n");
        let shown = &findings[..findings.len().min(MOST_NAMED)];
        text.push_str(&named(shown, |finding| plain(finding, LONGEST_REASON)));
        let more = count.max(&findings.len()) - shown.len();
        let _ = (more > 0).then(|| writeln!(text, "  and {more} more"));
        let _ = writeln!(text, "  Look: snapkeep explain VOLUME --regions {region}\n");
    }
    text
}
