//! Jobs that prune: the rules are asked again, about what is there now, before each deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde::Serialize;
use shared::aws::ec2::Ec2;
use shared::rules::fate::{Undeleted, undeleted, without_lists};
use shared::rules::retention::{Case, Verdict, judge};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Holds, Presence, Snapshot};
use shared::vocabulary::job::Job;
use tracing::{info, warn};

use super::{Lanes, Outcome, Step, Turn, distinct};

/// What became of the snapshots of one volume and policy that no rule keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Deleted now, or gone already.
    pub deleted: Vec<String>,
    /// Not deleted.
    pub left: Vec<Left>,
}

/// A snapshot that was to be deleted, and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// `snap-…`
    pub snapshot: String,
    /// Why, in words.
    pub why: String,
}

/// The volumes of a batch, as they were when it began.
pub(super) struct Scene {
    ec2: Ec2,
    snapshots: BTreeMap<String, Vec<Snapshot>>,
    living: BTreeSet<String>,
    holds: Holds,
}

impl Scene {
    /// Looks at all volumes of the batch at once.
    pub async fn look(ec2: Ec2, jobs: &[Job]) -> Result<Self, ApiError> {
        let volumes = distinct(jobs, |job| &job.volume);
        let found = ec2.snapshots_of_volumes(&volumes).await?;
        let mut snapshots = BTreeMap::<String, Vec<Snapshot>>::new();
        for snapshot in found {
            snapshots.entry(snapshot.volume.clone()).or_default().push(snapshot);
        }
        let living = ec2.living(&volumes).await?;
        let (holds, errors) = ec2.holds().await;
        // The planner has told the people what could not be listed.
        without_lists(errors)?;
        Ok(Self { ec2, snapshots, living, holds })
    }

    /// What the rules say of the snapshots of `job`'s volume and policy.
    fn verdicts(&self, job: &Job, turn: &Turn, snapshots: &[Snapshot]) -> Vec<Verdict> {
        let presence = if self.living.contains(&job.volume) { Presence::Living } else { Presence::Gone };
        let case = Case {
            account: &job.account,
            volume: &job.volume,
            presence,
            orphans: job.orphans,
            holds: &self.holds,
            now: turn.clock.now(),
        };
        let verdicts = judge(&case, snapshots).verdicts;
        verdicts.into_iter().filter(|verdict| verdict.policy.as_deref() == Some(&job.policy)).collect()
    }

    /// The verdict on one snapshot, by what is there at this moment; `None` if it is not there any more.
    async fn verdict_now(&self, job: &Job, turn: &Turn, snapshot: &str) -> Result<Option<Verdict>, ApiError> {
        let present = self.ec2.snapshots_of_volumes(&[job.volume.clone()].into()).await?;
        Ok(self.verdicts(job, turn, &present).into_iter().find(|verdict| verdict.snapshot == snapshot))
    }
}

impl Lanes {
    /// Deletes what no rule keeps, the oldest first, when it is the job's turn. What cannot be deleted is left with its
    /// reason, and holds up nothing.
    pub(super) async fn prune(&self, turn: &Turn, scene: &Scene, job: &Job) -> Step {
        let mut pruned = Pruned::default();
        let snapshots = scene.snapshots.get(&job.volume).map_or(&[][..], Vec::as_slice);
        let mut verdicts = scene.verdicts(job, turn, snapshots);
        verdicts.reverse();
        for verdict in verdicts {
            if self.is_to_go(&verdict, &mut pruned)
                && let Err(step) = self.delete(turn, scene, job, &verdict.snapshot, &mut pruned).await
            {
                return step;
            }
        }
        Step::Finished(Outcome::Pruned(pruned))
    }

    /// Whether the rules and the person who was shown the plan agree that it goes. Where they do not, it is named.
    fn is_to_go(&self, verdict: &Verdict, pruned: &mut Pruned) -> bool {
        let is_shown = self.shown.as_ref().map(|shown| shown.contains(&verdict.snapshot));
        let mut leave = |why: String| pruned.left.push(Left { snapshot: verdict.snapshot.clone(), why });
        match (verdict.expires(), is_shown) {
            (true, None | Some(true)) => return true,
            (true, Some(false)) => leave(format!("expires since: {}", verdict.why().join("; "))),
            (false, Some(true)) => leave(format!("kept since: {}", verdict.why().join("; "))),
            (false, _) => {}
        }
        false
    }

    /// Only where somebody was shown a plan is there somebody to tell, and an end to the list.
    fn note_deleted(&self, snapshot: &str) {
        if self.shown.is_some() {
            self.deleted.lock().unwrap_or_else(PoisonError::into_inner).insert(snapshot.into());
        }
    }

    /// Deletes one snapshot if the rules still say so when its turn has come. An error is what becomes of the job.
    async fn delete(
        &self,
        turn: &Turn,
        scene: &Scene,
        job: &Job,
        snapshot: &str,
        pruned: &mut Pruned,
    ) -> Result<(), Step> {
        loop {
            self.turn(turn).await?;
            let look = scene.verdict_now(job, turn, snapshot).await;
            let why = match look {
                Ok(Some(verdict)) if verdict.expires() => verdict.why().join("; "),
                Ok(verdict) => {
                    pruned.note_change(snapshot, verdict);
                    return Ok(());
                }
                Err(error) => match self.call_failed(turn, job, &error) {
                    Some(step) => return Err(step),
                    None => continue,
                },
            };
            match scene.ec2.delete_snapshot(snapshot).await {
                Ok(()) => {
                    self.call_went_through(turn);
                    info!(
                        job.id,
                        policy.name = job.policy,
                        account = job.account,
                        region = job.region,
                        volume.id = job.volume,
                        snapshot.id = snapshot,
                        "deleted {snapshot}: {why}",
                    );
                    self.note_deleted(snapshot);
                    pruned.deleted.push(snapshot.into());
                    return Ok(());
                }
                Err(error) => {
                    if let Some(undeleted) = undeleted(&error) {
                        pruned.note_refusal(snapshot, undeleted);
                        return Ok(());
                    }
                    if let Some(step) = self.call_failed(turn, job, &error) {
                        return Err(step);
                    }
                }
            }
        }
    }
}

impl Pruned {
    /// Between the look at the batch and the snapshot's turn somebody else has deleted it, or given it a reason to stay.
    fn note_change(&mut self, snapshot: &str, verdict: Option<Verdict>) {
        match verdict {
            None => self.deleted.push(snapshot.into()),
            Some(verdict) => self.leave(snapshot, format!("kept since: {}", verdict.why().join("; "))),
        }
    }

    fn note_refusal(&mut self, snapshot: &str, undeleted: Undeleted) {
        match undeleted {
            Undeleted::Gone => self.deleted.push(snapshot.into()),
            Undeleted::Held(hold) => self.leave(snapshot, hold.to_string()),
        }
    }

    fn leave(&mut self, snapshot: &str, why: String) {
        warn!(snapshot.id = snapshot, "left {snapshot}: {why}");
        self.left.push(Left { snapshot: snapshot.into(), why });
    }
}
