//! What a run has planned: the planner's answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shared::vocabulary::metric::Metric;
use shared::vocabulary::slot::Slot;

use crate::place::Place;

/// What a run has planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The policy's name.
    pub policy: String,
    /// The run's slot.
    pub slot: Slot,
    /// All jobs.
    pub jobs: usize,
    /// Account by account, Region by Region.
    pub regions: Vec<RegionSummary>,
    /// What stood in the way before any Region was looked at, such as a role that cannot be assumed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// What was found in one Region of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RegionSummary {
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Instances that the policy selects; where it selects volumes, all that were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<usize>,
    /// Volumes that the policy matches: each has a job or is skipped. Of a run that prunes, volumes with snapshots of
    /// ours, whether they are there or gone.
    pub volumes: usize,
    /// What a run that prunes has found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneSummary>,
    /// Jobs.
    pub jobs: usize,
    /// Matching volumes that got no job, by reason; of a run that prunes, snapshots that no rule keeps and that cannot
    /// be deleted all the same.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, usize>,
    /// Tags that could not be read, tags for which there was no room, backups that have stopped: the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Why the Region could not be read to its end, or not all of its jobs enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a run that prunes has found in one Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PruneSummary {
    /// Snapshots of ours.
    pub snapshots: usize,
    /// Those that no rule keeps and nothing holds.
    pub expiring: usize,
    /// Snapshots of other tools that the policy wants to be ours. Only a person adopts them.
    #[serde(skip_serializing_if = "is_zero")]
    pub adoptable: usize,
    /// Volumes whose backups have stopped, and tags that could not be read. The warnings name the first.
    #[serde(skip_serializing_if = "is_zero")]
    pub findings: usize,
    /// More would expire than the cap allows, so that nothing is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capped: Option<Capped>,
}

/// A run that the cap has stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Capped {
    /// How many might have gone.
    pub most: usize,
    /// What it would have deleted, volume by volume: the first hundred.
    pub would_delete: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Jobs of one Region that the queue did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// How many.
    pub jobs: usize,
    /// Why.
    pub error: String,
}

const MOST_WARNINGS: usize = 100;

impl RegionSummary {
    /// Nothing is known yet.
    pub(crate) fn of(place: &Place) -> Self {
        Self { account: place.account.clone(), region: place.region.clone(), ..Self::default() }
    }

    /// The first hundred, and how many more there are.
    pub(crate) fn set_warnings(&mut self, warnings: BTreeSet<String>) {
        let more = warnings.len().saturating_sub(MOST_WARNINGS);
        self.warnings = warnings.into_iter().take(MOST_WARNINGS).collect();
        if more > 0 {
            self.warnings.push(format!("and {more} more warnings"));
        }
    }
}

impl Summary {
    /// Everything that is wrong, a sentence each. Empty: the run is planned whole.
    pub fn problems(&self) -> Vec<String> {
        let of_regions = self.regions.iter().filter_map(|region| {
            region.error.as_ref().map(|error| format!("account {}, {}: {error}", region.account, region.region))
        });
        self.errors.iter().cloned().chain(of_regions).collect()
    }

    /// What CloudWatch is told: two metrics for each policy.
    pub(crate) fn metrics(&self) -> [Metric; 2] {
        let failed = self.regions.iter().filter(|region| region.error.is_some()).count();
        [("JobsPlanned", self.jobs), ("PlacesFailed", failed + self.errors.len())]
            .map(|(name, count)| Metric::count(name, count).of("Policy", &self.policy))
    }

    pub(crate) fn add_unsent(&mut self, unsent: Vec<Unsent>) {
        for Unsent { account, region, jobs, error } in unsent {
            let found = self.regions.iter_mut().find(|found| found.account == account && found.region == region);
            let Some(found) = found else { continue };
            found.jobs -= jobs;
            self.jobs -= jobs;
            let error = format!("{jobs} jobs were not enqueued: {error}");
            found.error = Some(found.error.take().map_or(error.clone(), |first| format!("{first}; {error}")));
        }
    }
}
