//! Coverage for people: a line for each policy and place, then the volumes, then what else a person should look at.

use chrono::{DateTime, Utc};
use planner::audit::{Coverage, RegionCoverage};
use shared::rules::coverage::span;
use shared::rules::stock::Stock;

use super::Audited;
use crate::plan::{MOST_ROWS, volumes};
use crate::table::{plain, table};

/// Sentences of a kind that are shown for each place.
const MOST_NAMED: usize = 10;

pub(super) fn text(all: &[Audited], quota: usize, now: DateTime<Utc>) -> String {
    let mut parts = vec![places(all, quota, now), String::new()];
    parts.extend(listed(all, now));
    for Audited { coverage, .. } in all {
        parts.extend(notes(coverage, quota));
    }
    parts.push(last_line(all));
    parts.join("\n")
}

fn places(all: &[Audited], quota: usize, now: DateTime<Utc>) -> String {
    let rows = all.iter().flat_map(|Audited { coverage, .. }| {
        coverage.regions.iter().map(move |region| {
            let count = |word: &str| match (region.error.is_some(), region.count(word)) {
                (true, _) => "?".into(),
                (false, 0) => "·".into(),
                (false, count) => count.to_string(),
            };
            let oldest = region.oldest.map(|oldest| span(now - oldest)).unwrap_or_default();
            [
                plain(&coverage.policy),
                region.region.clone(),
                region.account.clone(),
                count("fresh"),
                count("pending"),
                count("new"),
                count("stale"),
                count("never"),
                count("failed"),
                count("excluded"),
                oldest,
                snapshots(region, quota),
            ]
        })
    });
    let heads = [
        "Policy",
        "Region",
        "Account",
        "Fresh",
        "Pending",
        "New",
        "Stale",
        "Never",
        "Failed",
        "Excluded",
        "Worst age",
        "Snapshots",
    ];
    table(heads, &heads[3..], rows.collect())
}

/// `81200 (81%)` of the quota.
fn snapshots(region: &RegionCoverage, quota: usize) -> String {
    let count = region.stock.snapshots;
    match region.error {
        Some(_) => "?".into(),
        None => format!("{count} ({}%)", count * 100 / quota.max(1)),
    }
}

fn listed(all: &[Audited], now: DateTime<Utc>) -> Vec<String> {
    let shown = all.iter().flat_map(|audited| audited.rows.iter().map(move |row| (&audited.coverage.policy, row)));
    let count: usize = all.iter().map(|audited| audited.rows.len()).sum();
    let rows: Vec<_> = shown
        .take(MOST_ROWS)
        .map(|(policy, row)| {
            let age = row.newest.as_ref().map(|newest| span(now - newest.at)).unwrap_or_default();
            let archived = row.newest.as_ref().is_some_and(|newest| newest.is_archived);
            let archived = if archived { " (archived: a restore waits up to 72h)" } else { "" };
            [
                row.verdict.word().into(),
                plain(policy),
                row.region.clone(),
                row.volume.clone(),
                row.name.as_deref().map(plain).unwrap_or_default(),
                row.instance.clone().unwrap_or_default(),
                age,
                plain(&row.verdict.why(now)) + archived,
            ]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let more = count - rows.len();
    let heads = ["Verdict", "Policy", "Region", "Volume", "Name", "Instance", "Backup", "Why"];
    let rest = (more > 0).then(|| format!(" and {more} more; `--output json` or `--output csv` has them all\n"));
    std::iter::once(table(heads, &["Backup"], rows)).chain(rest).collect()
}

/// What should be looked at besides, a line each.
fn notes(coverage: &Coverage, quota: usize) -> Vec<String> {
    let policy = plain(&coverage.policy);
    let unknown = coverage.unknown().map(|why| format!("unknown: {policy}: {}", plain(&why)));
    let no_run = coverage.has_no_run().then(|| {
        format!("warning: {policy}: no run was seen within {}: look whether its schedule fires", coverage.rpo)
    });
    let nothing = coverage.selects_nothing().then(|| {
        format!("warning: {policy}: selects nothing. Tags are case-sensitive; see: snapkeep plan --file {policy}.json")
    });
    let each = coverage.regions.iter().flat_map(|region| of_region(region, quota));
    unknown.chain(no_run).chain(nothing).chain(each).collect()
}

fn of_region(region: &RegionCoverage, quota: usize) -> Vec<String> {
    let name = &region.region;
    let mut notes =
        first(&region.findings, region.finding_count, |finding| format!("warning: {name}: {}", plain(finding)));
    notes.extend(first(&region.unselected, region.unselected_count, |volume| {
        format!("in no policy: {name}: {}", plain(&volume.to_string()))
    }));
    let archived = region.archived;
    notes.extend((archived > 0).then(|| {
        format!("warning: {name}: the newest backup of {} is archived: a restore waits up to 72h", volumes(archived))
    }));
    notes.extend(forecast(region.stock, quota).map(|forecast| format!("warning: {name}: {forecast}")));
    notes
}

fn first<T>(items: &[T], count: usize, line: impl Fn(&T) -> String) -> Vec<String> {
    let more = count.saturating_sub(items.len().min(MOST_NAMED));
    let rest = (more > 0).then(|| format!(" and {more} more"));
    items.iter().take(MOST_NAMED).map(line).chain(rest).collect()
}

/// Said when the quota is near: four fifths of it are there, or it is full in three months.
fn forecast(stock: Stock, quota: usize) -> Option<String> {
    let days = stock.days_until(quota);
    let is_near = stock.snapshots >= quota / 5 * 4 || days.is_some_and(|days| days < 90);
    let when = match days {
        Some(days) => format!("at {} more in a week it is full in {days} days", stock.weekly()),
        None => "it does not grow, as far as the rules say".into(),
    };
    is_near.then(|| {
        let there = stock.snapshots;
        format!("{there} snapshots of a quota of {quota}: {when}; raise L-309BACF6, or keep fewer")
    })
}

fn last_line(all: &[Audited]) -> String {
    let covered: usize = all.iter().map(|one| one.coverage.covered().0).sum();
    let uncovered: usize = all.iter().map(|one| one.coverage.covered().1).sum();
    let unknown: usize = all.iter().map(|one| one.coverage.unknown_places()).sum();
    let places = match unknown {
        0 => String::new(),
        1 => ", and one place is unknown".into(),
        many => format!(", and {many} places are unknown"),
    };
    let known = covered + uncovered;
    format!("{covered} of {} can be restored to within their RPO{places}.", volumes(known))
}
