//! What an audit has found, by place, with the first of everything named and all of it counted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::rules::coverage::{Case, Verdict};
use shared::rules::stock::Stock;
use shared::vocabulary::policy::Audit;
use shared::vocabulary::slot::Slot;

use super::Row;
use crate::place::Place;
use crate::summary::Unsent;

/// What an audit has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The policy's name.
    pub policy: String,
    /// The audit's own scheduled time.
    pub slot: Slot,
    /// How old a backup may be, such as `26h`.
    pub rpo: String,
    /// The newest run of the policy that is seen in its snapshots; none within the RPO: no run has been.
    pub run: Option<Slot>,
    /// Jobs of that run that were enqueued again; without it, of a run that takes its place.
    pub jobs: usize,
    /// Account by account, Region by Region.
    pub regions: Vec<RegionCoverage>,
    /// What stood in the way before any Region was looked at: the volumes of such an account are unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Jobs that the queue would not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsent: Vec<String>,
}

/// What was found in one Region of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RegionCoverage {
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// How many volumes have which verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Of the newest completed snapshot of each volume, when the oldest was begun.
    pub oldest: Option<DateTime<Utc>>,
    /// The first of the volumes that are not covered, the worst first.
    pub uncovered: Vec<Uncovered>,
    /// Snapshots in `error` and snapshots that do not come to their end: the first of them, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// How many there are.
    pub finding_count: usize,
    /// Of volumes that no policy of ours selects, the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unselected: Vec<Unselected>,
    /// How many there are.
    pub unselected_count: usize,
    /// Volumes whose newest backup is in the archive.
    pub archived: usize,
    /// Jobs that were enqueued again.
    pub jobs: usize,
    /// The snapshots that were read.
    #[serde(skip)]
    pub stock: Stock,
    /// Why the place could not be read to its end, so that its volumes have no verdict: they are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A volume that is not covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Uncovered {
    pub volume: String,
    pub instance: Option<String>,
    pub name: Option<String>,
    pub verdict: &'static str,
    pub why: String,
    pub since: Option<DateTime<Utc>>,
}

/// A volume that no policy of ours selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unselected {
    /// `vol-…`
    pub volume: String,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// The last backup by the policy that selects it no longer.
    pub last: Option<DateTime<Utc>>,
}

/// Of each kind that are named in each place. The rest is counted.
const MOST_NAMED: usize = 50;

impl RegionCoverage {
    /// Nothing is known yet.
    pub(super) fn of(place: &Place) -> Self {
        Self { account: place.account.clone(), region: place.region.clone(), ..Self::default() }
    }

    /// Nothing is known, and this is why.
    pub(super) fn unknown(place: &Place, error: String) -> Self {
        Self { error: Some(error), ..Self::of(place) }
    }

    pub(super) fn add(&mut self, row: &Row, now: DateTime<Utc>) {
        let Row { verdict, .. } = row;
        *self.verdicts.entry(verdict.word()).or_default() += 1;
        self.jobs += usize::from(row.is_missed);
        if !matches!(verdict, Verdict::Excluded { .. }) {
            self.oldest = self.oldest.into_iter().chain(row.newest.as_ref().map(|newest| newest.at)).min();
            self.archived += usize::from(row.newest.as_ref().is_some_and(|newest| newest.is_archived));
        }
        self.finding_count += row.findings.len();
        let room = MOST_NAMED.saturating_sub(self.findings.len());
        self.findings.extend(row.findings.iter().take(room).map(|finding| format!("{}: {finding}", row.volume)));
        if verdict.is_covered() == Some(false) {
            self.name(Uncovered {
                volume: row.volume.clone(),
                instance: row.instance.clone(),
                name: row.name.clone(),
                verdict: verdict.word(),
                why: verdict.why(now),
                since: verdict.since(),
            });
        }
    }

    /// Keeps the worst, and of two that are as bad the one whose id is lower.
    fn name(&mut self, uncovered: Uncovered) {
        let order = |one: &Uncovered| {
            let rank = Verdict::WORDS.iter().position(|word| *word == one.verdict);
            (rank, one.since, one.volume.clone())
        };
        let key = order(&uncovered);
        let at = self.uncovered.partition_point(|other| order(other) < key);
        if at < MOST_NAMED {
            self.uncovered.truncate(MOST_NAMED - 1);
            self.uncovered.insert(at.min(self.uncovered.len()), uncovered);
        }
    }

    pub(super) fn add_unselected(&mut self, unselected: Unselected) {
        self.unselected_count += 1;
        if self.unselected.len() < MOST_NAMED {
            self.unselected.push(unselected);
        }
    }

    /// How many volumes have this verdict.
    pub fn count(&self, word: &str) -> usize {
        self.verdicts.get(word).copied().unwrap_or_default()
    }

    /// Volumes that are covered, and volumes that are not.
    pub fn covered(&self) -> (usize, usize) {
        let sum = |words: &[&str]| words.iter().map(|word| self.count(word)).sum();
        (sum(&["fresh", "pending"]), sum(&["stale", "never", "failed"]))
    }
}

impl Coverage {
    pub(super) fn new(audit: &Audit, case: &Case, regions: Vec<RegionCoverage>, errors: Vec<String>) -> Self {
        Self {
            policy: audit.policy.name.clone(),
            slot: audit.policy.slot,
            rpo: exactly(audit.rpo),
            run: case.slot,
            jobs: regions.iter().map(|region| region.jobs).sum(),
            regions,
            errors,
            unsent: Vec::new(),
        }
    }

    /// Volumes that are covered, and volumes that are not, in the places that are known.
    pub fn covered(&self) -> (usize, usize) {
        let each = self.regions.iter().map(RegionCoverage::covered);
        each.fold((0, 0), |(covered, not), (more, more_not)| (covered + more, not + more_not))
    }

    /// Whether a selected volume is not covered, or nobody knows.
    pub fn has_gaps(&self) -> bool {
        self.covered().1 > 0 || self.unknown_places() > 0
    }

    /// Places whose volumes nobody knows: Regions that could not be read whole, and accounts that could not be entered.
    pub fn unknown_places(&self) -> usize {
        self.regions.iter().filter(|region| region.error.is_some()).count() + self.errors.len()
    }

    /// Volumes that no policy selects.
    pub fn unselected(&self) -> usize {
        self.regions.iter().map(|region| region.unselected_count).sum()
    }

    /// When the oldest of the volumes' newest completed snapshots was begun.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.regions.iter().filter_map(|region| region.oldest).min()
    }

    /// How many volumes have this verdict.
    pub fn count(&self, word: &str) -> usize {
        self.regions.iter().map(|region| region.count(word)).sum()
    }

    /// Whether the policy selects nothing in any place, all of which are known: most likely a tag is misspelt.
    pub fn selects_nothing(&self) -> bool {
        self.unknown_places() == 0 && self.regions.iter().all(|region| region.verdicts.is_empty())
    }

    /// Whether no run of the policy was seen within the RPO, though it has volumes that are older than that.
    pub fn has_no_run(&self) -> bool {
        self.run.is_none() && self.covered().1 > 0
    }

    pub(crate) fn add_unsent(&mut self, unsent: Vec<Unsent>) {
        for Unsent { account, region, jobs, error } in unsent {
            self.jobs = self.jobs.saturating_sub(jobs);
            self.unsent.push(format!("account {account}, {region}: {jobs} jobs were not enqueued: {error}"));
        }
    }
}

/// A length of time as a policy says it.
fn exactly(length: TimeDelta) -> String {
    match length.num_minutes() {
        minutes if minutes % 60 > 0 => format!("{minutes}m"),
        minutes if minutes % (24 * 60) > 0 || minutes < 3 * 24 * 60 => format!("{}h", minutes / 60),
        minutes => format!("{}d", minutes / 60 / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncovered(number: usize, verdict: &'static str) -> Uncovered {
        Uncovered {
            volume: format!("vol-{number:05}"),
            instance: None,
            name: None,
            verdict,
            why: String::new(),
            since: None,
        }
    }

    #[test]
    fn the_rpo_is_told_as_a_policy_says_it() {
        let cases = [(90, "90m"), (26 * 60, "26h"), (24 * 60, "24h"), (8 * 24 * 60, "8d"), (200 * 60, "200h")];
        for (minutes, expected) in cases {
            assert_eq!(exactly(TimeDelta::minutes(minutes)), expected);
        }
    }

    #[test]
    fn the_worst_are_named_whatever_comes_first() {
        let words = ["stale", "never", "failed"];
        let mut all: Vec<Uncovered> = (0..200).map(|number| uncovered(number, words[number % 3])).collect();
        let mut coverage = RegionCoverage::default();
        all.iter().for_each(|one| coverage.name(one.clone()));
        let mut backwards = RegionCoverage::default();
        all.iter().rev().for_each(|one| backwards.name(one.clone()));
        assert_eq!(coverage.uncovered, backwards.uncovered);
        all.sort_by_key(|one| Verdict::WORDS.iter().position(|word| *word == one.verdict));
        assert_eq!(coverage.uncovered, all[..MOST_NAMED]);
    }
}
