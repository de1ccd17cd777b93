//! Jobs that take a snapshot.

use std::collections::BTreeMap;

use shared::aws::ec2::Ec2;
use shared::rules::hold::Circuit;
use shared::rules::tags::{description, snapshot_tags};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::Job;
use shared::vocabulary::tag;

use super::{Lanes, Outcome, Step, Turn, distinct};

/// What is done already.
pub(super) struct Done {
    ec2: Ec2,
    /// Job id → snapshot.
    snapshots: BTreeMap<String, String>,
}

impl Done {
    /// A snapshot in `error` is no backup, so its job is not done.
    pub async fn look(ec2: Ec2, jobs: &[Job]) -> Result<Self, ApiError> {
        let found = ec2.snapshots_of_jobs(&distinct(jobs, |job| &job.id)).await?;
        let good = found.into_iter().filter(|snapshot| snapshot.state != "error");
        let snapshots = good.filter_map(|mut snapshot| Some((snapshot.tags.remove(tag::JOB)?, snapshot.id)));
        Ok(Self { snapshots: snapshots.collect(), ec2 })
    }
}

impl Lanes {
    /// Takes the snapshot when it is the job's turn.
    pub(super) async fn create(&self, turn: &Turn, done: &Done, job: &Job) -> Step {
        if let Some(snapshot) = done.snapshots.get(&job.id) {
            return Step::Finished(Outcome::AlreadyThere(snapshot.clone()));
        }
        loop {
            if let Err(step) = self.turn(turn, job).await {
                return step;
            }
            match done.ec2.create_snapshot(&job.volume, &description(job), snapshot_tags(job)).await {
                Ok(snapshot) => {
                    turn.circuit(Circuit::went_through);
                    self.counts.created();
                    return Step::Finished(Outcome::Created(snapshot));
                }
                Err(error) => match self.call_failed(turn, job, &error) {
                    Some(step) => return step,
                    None => continue,
                },
            }
        }
    }
}
