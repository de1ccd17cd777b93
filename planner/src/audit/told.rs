//! What an audit tells people: one report, where there is something to say.

use chrono::{DateTime, Utc};
use shared::vocabulary::problem::shortened;
use shared::vocabulary::report;

use super::{Coverage, RegionCoverage, Uncovered, Unselected};

/// Of each kind that are named in a report. The rest is counted.
const MOST_TOLD: usize = 50;
/// Places that are named in a report.
const MOST_PLACES: usize = 100;
/// AWS's words may be long, and a report is one message of SQS.
const LONGEST_REASON: usize = 500;

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
            unknown: self.unknown().take(MOST_PLACES).map(|why| shortened(&why, LONGEST_REASON)).collect(),
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
        why: shortened(&volume.why, LONGEST_REASON),
        since: volume.since,
    }
}

fn with_region<T: ToString>(region: &RegionCoverage, sentences: &[T]) -> Vec<String> {
    let told = |sentence: &T| shortened(&format!("{}: {}", region.region, sentence.to_string()), LONGEST_REASON);
    sentences.iter().map(told).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str, verdicts: &[(&'static str, usize)], named: usize) -> RegionCoverage {
        let uncovered = |number: usize| Uncovered {
            volume: format!("vol-{number}"),
            instance: None,
            name: None,
            verdict: "never",
            why: "x".repeat(10_000),
            since: None,
        };
        RegionCoverage {
            account: "123456789012".into(),
            region: name.into(),
            verdicts: verdicts.iter().copied().collect(),
            uncovered: (0..named).map(uncovered).collect(),
            ..RegionCoverage::default()
        }
    }

    fn coverage(regions: Vec<RegionCoverage>) -> Coverage {
        let slot = "2026-11-20T06:00:00Z".parse().unwrap();
        let (policy, rpo) = ("daily".into(), "26h".into());
        Coverage { policy, slot, rpo, run: Some(slot), jobs: 0, regions, errors: vec![], unsent: vec![] }
    }

    fn report(regions: Vec<RegionCoverage>) -> Option<report::Coverage> {
        coverage(regions).report(true, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn nobody_is_woken_for_what_is_covered_new_or_left_out() {
        assert_eq!(report(vec![region("a", &[("fresh", 3), ("pending", 1), ("new", 2), ("excluded", 5)], 0)]), None);
    }

    #[test]
    fn what_is_not_covered_not_known_or_in_no_policy_is_told() {
        let fresh = || region("a", &[("fresh", 3)], 0);
        let is_told = |change: fn(&mut RegionCoverage)| {
            let mut other = region("b", &[("fresh", 1)], 0);
            change(&mut other);
            report(vec![fresh(), other]).is_some()
        };
        assert!(!is_told(|_| {}));
        assert!(is_told(|region| region.verdicts.extend([("stale", 1)])));
        assert!(is_told(|region| region.error = Some("down".into())));
        assert!(is_told(|region| region.finding_count = 1));
        assert!(is_told(|region| region.unselected_count = 1));
        assert!(report(vec![]).is_some_and(|report| report.selects_nothing));
    }

    #[test]
    fn where_another_audit_tells_of_volumes_in_no_policy_this_one_does_not() {
        let stray = RegionCoverage { unselected_count: 1, ..region("a", &[("fresh", 3)], 0) };
        assert_eq!(coverage(vec![stray]).report(false, DateTime::UNIX_EPOCH), None);
    }

    /// SQS takes a message of 1 MiB.
    #[test]
    fn a_place_with_thousands_does_not_hide_another_and_a_report_stays_one_message() {
        let regions = vec![region("a", &[("never", 5000)], 50), region("b", &[("never", 1)], 1)];
        let mut coverage = coverage(regions);
        coverage.errors = vec!["y".repeat(10_000); 300];
        let report = coverage.report(true, DateTime::UNIX_EPOCH).unwrap();
        let second = report.volumes.get(1).map(|volume| volume.region.as_str());
        assert_eq!((report.uncovered, report.volumes.len(), second), (5001, MOST_TOLD, Some("b")));
        assert_eq!(report.unknown.len(), MOST_PLACES);
        assert!(report::Report::Coverage(report).body().len() < 200_000);
    }
}
