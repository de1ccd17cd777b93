//! What an audit tells people: one report, where there is something to say.

use chrono::{DateTime, Utc};
use shared::vocabulary::report;

use super::{Coverage, RegionCoverage, Uncovered, Unselected};

/// Of each kind that are named in a report. The rest is counted.
const MOST_TOLD: usize = 50;
/// Places that are named in a report.
const MOST_PLACES: usize = 100;

impl Coverage {
    /// The report for people; `None` where everything is as it should be. A volume that is new, pending or excluded is
    /// nothing to be woken for. Whether `unselected` volumes are told of, the policy says.
    pub fn report(&self, unselected: bool, at: DateTime<Utc>) -> Option<report::Coverage> {
        let (covered, uncovered) = self.covered();
        let report = report::Coverage {
            version: report::VERSION,
            policy: self.policy.clone(),
            slot: self.slot,
            rpo: self.rpo.clone(),
            covered,
            uncovered,
            no_run: self.has_no_run(),
            selects_nothing: self.selects_nothing(),
            volumes: self.of_regions(|region| region.uncovered.iter().map(|volume| told(region, volume)).collect()),
            unknown: self.unknown().take(MOST_PLACES).collect(),
            findings: self.of_regions(|region| with_region(region, &region.findings)),
            finding_count: self.regions.iter().map(|region| region.finding_count).sum(),
            unselected: match unselected {
                true => self.of_regions(|region| with_region(region, &region.unselected)),
                false => Vec::new(),
            },
            unselected_count: if unselected { self.unselected() } else { 0 },
            enqueued: self.jobs,
            unsent: self.unsent.clone(),
            at,
        };
        let is_something = uncovered > 0
            || !report.unknown.is_empty()
            || report.finding_count > 0
            || report.unselected_count > 0
            || !report.unsent.is_empty()
            || report.selects_nothing;
        is_something.then_some(report)
    }

    /// Why the volumes of some places are unknown, a sentence each.
    pub fn unknown(&self) -> impl Iterator<Item = String> {
        let of_regions = self.regions.iter().filter_map(|region| {
            Some(format!("account {}, {}: {}", region.account, region.region, region.error.as_ref()?))
        });
        self.errors.iter().cloned().chain(of_regions)
    }

    /// The first of what each place names, in turns: a place with thousands does not hide another's only one.
    fn of_regions<T>(&self, named: impl Fn(&RegionCoverage) -> Vec<T>) -> Vec<T> {
        let mut each: Vec<_> = self.regions.iter().map(|region| named(region).into_iter()).collect();
        let mut first = Vec::new();
        while first.len() < MOST_TOLD {
            let turn: Vec<T> = each.iter_mut().filter_map(Iterator::next).collect();
            if turn.is_empty() {
                break;
            }
            first.extend(turn.into_iter().take(MOST_TOLD - first.len()));
        }
        first
    }
}

fn told(region: &RegionCoverage, volume: &Uncovered) -> report::Uncovered {
    report::Uncovered {
        account: region.account.clone(),
        region: region.region.clone(),
        volume: volume.volume.clone(),
        instance: volume.instance.clone(),
        name: volume.name.clone(),
        verdict: volume.verdict.into(),
        why: volume.why.clone(),
        since: volume.since,
    }
}

fn with_region<T: ToString>(region: &RegionCoverage, sentences: &[T]) -> Vec<String> {
    sentences.iter().map(|sentence| format!("{}: {}", region.region, sentence.to_string())).collect()
}

impl std::fmt::Display for Unselected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.volume)?;
        self.name.iter().try_for_each(|name| write!(f, " ({name})"))?;
        match self.last {
            None => Ok(()),
            Some(last) => write!(f, ", last backed up {}, and no longer selected", last.format("%Y-%m-%d %H:%M UTC")),
        }
    }
}
