//! Jobs that people were told had failed, and that have succeeded.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::vocabulary::job::Action;
use shared::vocabulary::report::{DeadLetter, Resolved};

use super::section::{Section, Severity};
use super::text::{counted, line, named, plain, time};

/// Good news.
pub(super) fn section(reports: &[Resolved]) -> Option<Section> {
    let mut ends = BTreeMap::<&str, BTreeSet<(&str, &str, &str)>>::new();
    for report in reports {
        let volume = (report.account.as_str(), report.region.as_str(), report.volume.as_str());
        ends.entry(end(report)).or_default().insert(volume);
    }
    let parts = ends.iter().map(|(end, volumes)| format!("{} {end}", counted(volumes.len(), "volume")));
    let headline = Some(parts.collect::<Vec<_>>().join(", ")).filter(|headline| !headline.is_empty())?;
    let text = format!("Good news: {headline}. You were told that they had failed.\n\n{}", named(reports, job));
    Some(Section { severity: Severity::Info, headline, text })
}

fn end(report: &Resolved) -> &'static str {
    match report.action {
        Action::Snapshot if report.outcome.starts_with("snapshot") => "backed up after all",
        // There is nothing left to back up.
        Action::Snapshot => "settled after all",
        Action::Prune => "pruned after all",
    }
}

fn job(report: &Resolved) -> String {
    let Resolved { volume, region, account, slot, outcome, failed, at, .. } = report;
    let name = report.name.as_deref().filter(|name| name != volume);
    let name = name.map(|name| format!(" \"{}\"", plain(name, 60))).unwrap_or_default();
    let (outcome, failed, at) = (plain(outcome, 120), time(*failed), time(*at));
    line(&format!(
        "{volume}{name} in {region}, account {account}: slot {slot}, {outcome}, at {at}; had failed at {failed}"
    ))
}

/// When each job was settled.
pub(super) fn by_job(reports: &[Resolved]) -> BTreeMap<String, DateTime<Utc>> {
    reports.iter().map(|report| (report.job.clone(), report.at)).collect()
}

/// Whether the job of a dead letter was settled since.
pub(super) fn is_settled(letter: &DeadLetter, resolved: &BTreeMap<String, DateTime<Utc>>) -> bool {
    resolved.get(&letter.job).is_some_and(|at| *at >= letter.failure.last)
}
