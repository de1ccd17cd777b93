//! Dead letters that a person has dropped.

use shared::vocabulary::report::Dropped;

use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, MOST_NAMED, counted, named, plain, time};

/// Who dropped what, and why.
pub(super) fn section(reports: &[Dropped]) -> Option<Section> {
    let count: usize = reports.iter().map(|report| report.count).fold(0, usize::saturating_add);
    let headline = format!("{} dropped", counted(count, "dead letter"));
    let texts: Vec<String> = reports.iter().take(MOST_NAMED).map(drop).collect();
    let more = reports.len().saturating_sub(MOST_NAMED);
    let rest = if more > 0 { format!("\nAnd {more} more times.\n") } else { String::new() };
    let text = format!("{}{rest}", texts.join("\n"));
    (!reports.is_empty()).then_some(Section { severity: Severity::Warning, headline, text })
}

fn drop(Dropped { reason, by, count, jobs, at, .. }: &Dropped) -> String {
    let (by, reason, letters) = (plain(by, 60), plain(reason, LONGEST_REASON), counted(*count, "dead letter"));
    let shown = &jobs[..jobs.len().min(MOST_NAMED)];
    let lines = named(shown, |job| format!("job {}", plain(job, 100)));
    let more = count.saturating_sub(shown.len());
    let rest = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    format!(
        "{by} has dropped {letters} at {}: {reason}\nNobody does what they asked for; the next run plans anew.\n{lines}{rest}",
        time(*at)
    )
}
