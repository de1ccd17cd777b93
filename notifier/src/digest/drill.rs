//! Drills: snapshots that were made into volumes, to see whether they can be.

use std::fmt::Write;

use shared::vocabulary::report::{Drill, DrillFailure};

use super::section::{DRILL, Section, Severity};
use super::text::{LONGEST_REASON, counted, line, listed, plain, time, word};

/// Failures that are named for each drill.
const MOST_NAMED: usize = 10;

/// A drill that went well is one line; of one that failed, each snapshot, why, and what to type.
pub(super) fn section(reports: &[Drill]) -> Option<Section> {
    reports.first()?;
    let failed: usize = reports.iter().map(|report| report.failed.len()).fold(0, usize::saturating_add);
    let succeeded: usize = reports.iter().map(|report| report.succeeded).fold(0, usize::saturating_add);
    let all = counted(succeeded.saturating_add(failed), "snapshot");
    let (severity, headline) = match failed {
        0 => (Severity::Info, format!("{DRILL}{all} restored and deleted again")),
        _ => (Severity::Error, format!("{DRILL}{failed} of {all} could not be restored")),
    };
    Some(Section { severity, headline, text: reports.iter().map(of_drill).collect() })
}

fn of_drill(report: &Drill) -> String {
    let Drill { drill, seed, succeeded, failed, at, .. } = report;
    let (drill, all) = (word(drill, "DRILL"), counted(succeeded.saturating_add(failed.len()), "snapshot"));
    let mut text =
        format!("Drill {drill} at {}, seed {}: {succeeded} of {all} became volumes.\n", time(*at), plain(seed, 60));
    if !failed.is_empty() {
        text.push_str("\nThese did not, so that nothing can be restored from them as it is now:\n\n");
        text.push_str(&listed(failed, MOST_NAMED, of_failure));
        let first = &failed[0];
        let (region, snapshot, volume) =
            (word(&first.region, "REGION"), word(&first.snapshot, "SNAPSHOT"), word(&first.volume, "VOLUME"));
        let _ = writeln!(text, "\n  Look: aws ec2 describe-snapshots --region {region} --snapshot-ids {snapshot}");
        let _ = writeln!(text, "  Try it by hand: snapkeep restore {snapshot} --regions {region}");
        let _ = writeln!(text, "  What else there is of it: snapkeep explain {volume} --regions {region}\n");
    }
    text
}

fn of_failure(failure: &DrillFailure) -> String {
    let DrillFailure { account, region, snapshot, volume, reason } = failure;
    line(&format!("{snapshot} of {volume}, {region}, account {account}: {}", plain(reason, LONGEST_REASON)))
}
