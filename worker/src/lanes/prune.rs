//! Jobs that prune: the rules are asked again, about what is there now, before each deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde::Serialize;
use shared::aws::ec2::Ec2;
use shared::rules::fate::{Undeleted, undeleted, without_lists};
use shared::rules::hold::Circuit;
use shared::rules::retention::{Case, Verdict, judge};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Holds, Presence, Snapshot};
use shared::vocabulary::job::Job;
use tracing::{info, warn};

use super::{Lanes, NOT_NOW, Outcome, Step, Turn, distinct};

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
        let snapshots = ec2.snapshots_of_volumes(&volumes).await?;
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
        judge(&case, snapshots).verdicts
    }

    /// What is to be said of one snapshot, by what is there at this moment.
    async fn look_again(&self, job: &Job, turn: &Turn, snapshot: &str) -> Result<Now, ApiError> {
        let present = self.ec2.snapshots_of_volumes(&[job.volume.clone()].into()).await?;
        let present = present.get(&job.volume).map_or(&[][..], Vec::as_slice);
        Ok(match self.verdicts(job, turn, present).into_iter().find(|verdict| verdict.snapshot == snapshot) {
            Some(verdict) if verdict.policy.as_deref() != Some(&job.policy) => {
                Now::Stays(format!("it is of policy {} since", verdict.policy.unwrap_or_default()))
            }
            Some(verdict) if verdict.expires() => Now::Goes(verdict.why().join("; ")),
            Some(verdict) => Now::Stays(format!("kept since: {}", verdict.why().join("; "))),
            None if self.ec2.is_there(snapshot).await? => Now::Stays("kept since: not ours any more".into()),
            None => Now::Gone,
        })
    }
}

/// What is to be said of a snapshot when its turn has come.
enum Now {
    /// Why.
    Goes(String),
    /// Why.
    Stays(String),
    /// Somebody else has deleted it.
    Gone,
}

impl Lanes {
    /// Deletes what no rule keeps, the oldest first, when it is the job's turn, and no more than were planned. What cannot
    /// be deleted is left with its reason. An error that EC2 has about one snapshot holds up no other: the job fails when
    /// the others are done.
    pub(super) async fn prune(&self, turn: &Turn, scene: &Scene, job: &Job) -> Step {
        let mut pruned = Pruned::default();
        let snapshots = scene.snapshots.get(&job.volume).map_or(&[][..], Vec::as_slice);
        let verdicts = scene.verdicts(job, turn, snapshots).into_iter().rev();
        let mut failed = None;
        for verdict in verdicts.filter(|verdict| verdict.policy.as_deref() == Some(&job.policy)) {
            if !self.is_to_go(&verdict, &mut pruned) {
                continue;
            }
            if job.most.is_some_and(|most| pruned.deleted.len() >= most) {
                pruned.leave(&verdict.snapshot, "more expire than were planned: the next run takes it up".into());
                continue;
            }
            match self.delete(turn, scene, job, &verdict.snapshot, &mut pruned).await {
                Ok(()) => {}
                Err(Undone::Job(step)) => return after(step, pruned.deleted.len()),
                Err(Undone::Snapshot(error)) => {
                    pruned.leave(&verdict.snapshot, error.to_string());
                    failed.get_or_insert(error);
                }
            }
        }
        let failed = failed.and_then(|error| self.failed(job, &error, &turn.clock));
        let failed = failed.map(|step| after(step, pruned.deleted.len()));
        failed.unwrap_or(Step::Finished(Outcome::Pruned(pruned)))
    }

    /// Whether the rules and the person who was shown the plan agree that it goes. Where they do not, it is named.
    fn is_to_go(&self, verdict: &Verdict, pruned: &mut Pruned) -> bool {
        let is_shown = self.shown.as_ref().map(|shown| shown.contains(&verdict.snapshot));
        let why = || verdict.why().join("; ");
        match (verdict.expires(), is_shown) {
            (true, None | Some(true)) => return true,
            (true, Some(false)) => pruned.leave(&verdict.snapshot, format!("expires since: {}", why())),
            (false, Some(true)) => pruned.leave(&verdict.snapshot, format!("kept since: {}", why())),
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

    /// Deletes one snapshot if the rules still say so when its turn has come.
    async fn delete(
        &self,
        turn: &Turn,
        scene: &Scene,
        job: &Job,
        snapshot: &str,
        pruned: &mut Pruned,
    ) -> Result<(), Undone> {
        loop {
            self.turn(turn, job).await.map_err(Undone::Job)?;
            let now = tokio::select! {
                biased;
                now = scene.look_again(job, turn, snapshot) => now,
                () = turn.stop.reached() => return Err(Undone::Job(NOT_NOW)),
            };
            let why = match now {
                Ok(Now::Goes(why)) => why,
                Ok(Now::Stays(why)) => {
                    pruned.leave(snapshot, why);
                    return Ok(());
                }
                Ok(Now::Gone) => {
                    pruned.deleted.push(snapshot.into());
                    return Ok(());
                }
                Err(error) => match self.call_failed(turn, job, &error) {
                    Some(step) => return Err(Undone::Job(step)),
                    None => continue,
                },
            };
            let Err(error) = scene.ec2.delete_snapshot(snapshot).await else {
                turn.circuit(Circuit::went_through);
                self.counts.deleted();
                self.note_deleted(snapshot);
                info!(
                    job.id,
                    policy.name = job.policy,
                    account = job.account,
                    region = job.region,
                    volume.id = job.volume,
                    snapshot.id = snapshot,
                    "deleted {snapshot}: {why}",
                );
                pruned.deleted.push(snapshot.into());
                return Ok(());
            };
            match undeleted(&error) {
                Some(Undeleted::Gone) => pruned.deleted.push(snapshot.into()),
                Some(Undeleted::Held(hold)) => pruned.leave(snapshot, hold.to_string()),
                None => match self.call_failed(turn, job, &error) {
                    None => continue,
                    // Without an answer the next call would have none either.
                    Some(step) if error.status.is_none() => return Err(Undone::Job(step)),
                    Some(_) => {
                        let message = format!("{snapshot}: {}", error.message);
                        return Err(Undone::Snapshot(ApiError { message, ..error }));
                    }
                },
            }
            return Ok(());
        }
    }
}

/// The next attempt may delete so many fewer.
fn after(step: Step, deleted: usize) -> Step {
    match step {
        Step::Again(next) => {
            let most = next.most.map(|most| most.saturating_sub(deleted));
            Step::Again(Box::new(Job { most, ..*next }))
        }
        Step::HandedBack { .. } => Step::HandedBack { deleted },
        step => step,
    }
}

/// Why a snapshot was not deleted.
enum Undone {
    /// The job ends here, like this.
    Job(Step),
    /// EC2 has an error about this one.
    Snapshot(ApiError),
}

impl Pruned {
    fn leave(&mut self, snapshot: &str, why: String) {
        warn!(snapshot.id = snapshot, "left {snapshot}: {why}");
        self.left.push(Left { snapshot: snapshot.into(), why });
    }
}
