//! What a run has planned: the planner's answer.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::vocabulary::slot::Slot;

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
    pub instances: usize,
    /// Volumes that the policy matches: each has a job or is skipped.
    pub volumes: usize,
    /// Jobs.
    pub jobs: usize,
    /// Matching volumes that got no job, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, usize>,
    /// Tags that could not be read, tags for which there was no room: the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Why the Region could not be read to its end, or not all of its jobs enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
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

impl Summary {
    /// Everything that is wrong, a sentence each. Empty: the run is planned whole.
    pub fn problems(&self) -> Vec<String> {
        let of_regions = self.regions.iter().filter_map(|region| {
            region.error.as_ref().map(|error| format!("account {}, {}: {error}", region.account, region.region))
        });
        self.errors.iter().cloned().chain(of_regions).collect()
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
