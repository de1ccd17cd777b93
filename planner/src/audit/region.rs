//! One place: its volumes, each with its verdict.

use std::pin::pin;

use futures::TryStreamExt;
use shared::aws::ec2::Ec2;
use shared::rules::coverage::{Case, GRACE, Line, Verdict, findings, is_missed, verdict};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::Volume;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::Policy;
use shared::vocabulary::selection::{Resource, TagMatch};
use shared::vocabulary::tag;
use tokio::sync::Semaphore;

use super::{Known, RegionCoverage, Row, Unselected, Wanted};
use crate::place::Place;
use crate::plan::read_instances;
use crate::survey::{Found, Survey};

/// What is known of a place so far.
pub(super) struct Region<'a> {
    policy: &'a Policy,
    place: Place,
    case: Case,
    known: Known,
    /// Whether the last run has come to this place.
    is_here: bool,
    /// What is told when all is read, where somebody listens.
    rows: Vec<Row>,
    coverage: RegionCoverage,
}

impl<'a> Region<'a> {
    pub fn new(policy: &'a Policy, place: Place, case: Case, known: Known) -> Self {
        let is_here = case.slot.is_some() && known.lines.seen() >= case.slot;
        let coverage = RegionCoverage { stock: known.stock, ..RegionCoverage::of(&place) };
        Self { policy, place, case, known, is_here, rows: Vec::new(), coverage }
    }

    /// The verdicts, which are told when the place is read whole. The jobs of what was missed are not held back: all
    /// snapshots are known, so that each can only add what is missing.
    pub async fn judge(mut self, lists: &Semaphore, wanted: &Wanted) -> RegionCoverage {
        let ec2 = self.known.ec2.clone();
        match self.read(&ec2, lists, wanted).await {
            Err(error) => {
                let jobs = self.coverage.jobs;
                RegionCoverage { jobs, ..RegionCoverage::unknown(&self.place, error.to_string()) }
            }
            Ok(()) => {
                for row in self.rows {
                    let Some(rows) = &wanted.rows else { break };
                    // Who has stopped listening wants to see no more.
                    let _ = rows.send(row).await;
                }
                self.coverage
            }
        }
    }

    /// All volumes, so that those are seen as well that no policy selects. What EC2's filters would have left out, the
    /// survey leaves out: it looks at everything again.
    async fn read(&mut self, ec2: &Ec2, lists: &Semaphore, wanted: &Wanted) -> Result<(), ApiError> {
        let mut survey = Survey::new(self.policy, self.place.clone());
        let instance_tags = match self.policy.select.resource {
            Resource::Instance => &self.policy.select.tags,
            Resource::Volume(_) => &TagMatch::default(),
        };
        read_instances(ec2, instance_tags, &mut survey, lists).await?;
        let _held = lists.acquire().await.ok();
        let mut volumes = pin!(ec2.volumes(&TagMatch::default(), None));
        while let Some(page) = volumes.try_next().await? {
            for volume in &page {
                self.add(&mut survey, volume, wanted).await;
            }
        }
        for volume in &survey.unlisted_volumes() {
            self.add(&mut survey, volume, wanted).await;
        }
        Ok(())
    }

    async fn add(&mut self, survey: &mut Survey<'_>, volume: &Volume, wanted: &Wanted) {
        let Some(found) = survey.judge(volume) else { return };
        wanted.meter.add_volume();
        let line = self.known.lines.take(&volume.id);
        let (verdict, job) = match found {
            Found::Outside => return self.add_unselected(volume, &line),
            Found::Skipped(why) => (Verdict::Excluded { why }, None),
            Found::Selected(job) => (verdict(&self.case, &line, volume.created), Some(job)),
        };
        let is_missed = job.is_some() && is_missed(&self.case, &line, &verdict, volume.created, self.is_here);
        let row = self.row(volume, job.as_deref(), line, verdict, is_missed);
        self.coverage.add(&row, self.case.now);
        if wanted.rows.is_some() {
            self.rows.push(row);
        }
        if let Some(job) = job.filter(|_| is_missed) {
            // The receiver lives as long as the audit does; were it gone, nobody would want the job.
            let _ = wanted.jobs.send(*job).await;
        }
    }

    fn row(&self, volume: &Volume, job: Option<&Job>, line: Line, verdict: Verdict, is_missed: bool) -> Row {
        let name = job.and_then(|job| job.tags.get(tag::NAME)).or(volume.tags.get(tag::NAME));
        Row {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            volume: volume.id.clone(),
            instance: job.and_then(|job| job.instance.clone()),
            name: name.filter(|name| **name != volume.id).cloned(),
            created: volume.created,
            findings: findings(&self.case, &line, &verdict),
            verdict,
            newest: line.completed,
            is_missed,
        }
    }

    /// A volume that the policy is not about. Where another policy of ours has a snapshot of it, that one's audit
    /// speaks of it. Where only this policy has, and not for the RPO any more, it has dropped out of the selection.
    fn add_unselected(&mut self, volume: &Volume, line: &Line) {
        let Case { now, rpo, .. } = self.case;
        let is_there = matches!(volume.state.as_str(), "available" | "in-use");
        let is_young = volume.created.is_some_and(|created| now < created + GRACE);
        let is_left_out = self.policy.select.exclude_tags.any(&volume.tags).is_some();
        let last = line.completed.as_ref().map(|begun| begun.at);
        let is_covered = line.is_of_others || line.pending.is_some() || last.is_some_and(|last| now - last <= rpo);
        if !is_there || is_young || is_left_out || is_covered {
            return;
        }
        let name = volume.tags.get(tag::NAME).cloned();
        self.coverage.add_unselected(Unselected { volume: volume.id.clone(), name, last });
    }
}
