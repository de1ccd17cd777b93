//! The jobs of a lane: what is done already is found first, the rest is done at the lane's pace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, Stream, StreamExt};
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::config;
use shared::rules::fate::{Fate, fate};
use shared::rules::pace::Pace;
use shared::rules::tags::{description, snapshot_tags};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::{Failure, Job, Lane};
use shared::vocabulary::policy::Role;
use shared::vocabulary::tag;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::clock::Clock;

/// Works through lanes, each at its own pace.
#[derive(Debug)]
pub struct Lanes {
    aws: Aws,
    config: config::Lanes,
    paces: Mutex<HashMap<Lane, Pace>>,
}

/// What becomes of a job after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It has its verdict.
    Finished(Outcome),
    /// It is tried again, as this job says, and not before its `not_before`.
    Again(Box<Job>),
    /// A person must look: this job says why.
    Dead(Box<Job>),
    /// It was not taken up, for lack of time.
    HandedBack,
}

/// What the world has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This snapshot was taken.
    Created(String),
    /// This snapshot was there: the job had been done before.
    AlreadyThere(String),
    /// The volume was deleted after planning.
    VolumeGone,
}

impl Lanes {
    /// Lanes that nobody has called in yet.
    pub fn new(aws: Aws, config: config::Lanes) -> Self {
        Self { aws, config, paces: Mutex::default() }
    }

    /// Does `jobs`, all of one `lane` and one `role`, and gives what becomes of each as it is known. Jobs whose turn
    /// would come after `stop` are handed back.
    pub fn perform<'a>(
        &'a self,
        lane: Lane,
        role: Option<Role>,
        jobs: Vec<Job>,
        clock: Clock,
        stop: Instant,
    ) -> impl Stream<Item = (Job, Step)> + 'a {
        let begin = async move {
            match self.look(&lane, role.as_ref(), &jobs).await {
                Ok((ec2, done)) => self.create_missing(lane, ec2, done, jobs, clock, stop).boxed_local(),
                Err(error) => {
                    let step =
                        move |job: Job| (job.clone(), self.failed(&job, &error, &clock).unwrap_or(Step::HandedBack));
                    stream::iter(jobs).map(step).boxed_local()
                }
            }
        };
        begin.flatten_stream()
    }

    /// One look for the whole batch: job id → snapshot. A snapshot in `error` is no backup, so its job is not done.
    async fn look(
        &self,
        lane: &Lane,
        role: Option<&Role>,
        jobs: &[Job],
    ) -> Result<(Ec2, BTreeMap<String, String>), ApiError> {
        let ec2 = self.aws.ec2(role, &lane.region).await?;
        let ids: BTreeSet<String> = jobs.iter().map(|job| job.id.clone()).collect();
        let found = ec2.snapshots_of_jobs(&ids).await?.into_iter().filter(|snapshot| snapshot.state != "error");
        let done = found.filter_map(|mut snapshot| Some((snapshot.tags.remove(tag::JOB)?, snapshot.id)));
        Ok((ec2, done.collect()))
    }

    fn create_missing<'a>(
        &'a self,
        lane: Lane,
        ec2: Ec2,
        done: BTreeMap<String, String>,
        jobs: Vec<Job>,
        clock: Clock,
        stop: Instant,
    ) -> impl Stream<Item = (Job, Step)> + 'a {
        let attempts = jobs.into_iter().map(move |job| {
            let (lane, ec2, done) = (lane.clone(), ec2.clone(), done.get(&job.id).cloned());
            async move {
                let step = match done {
                    Some(snapshot) => Step::Finished(Outcome::AlreadyThere(snapshot)),
                    None => self.create_or_panic(&lane, &ec2, &job, &clock, stop).await,
                };
                (job, step)
            }
        });
        attempts.collect::<FuturesUnordered<_>>()
    }

    /// A panic in one job is a failed attempt of that job alone.
    async fn create_or_panic(&self, lane: &Lane, ec2: &Ec2, job: &Job, clock: &Clock, stop: Instant) -> Step {
        let attempt = AssertUnwindSafe(self.create(lane, ec2, job, clock, stop)).catch_unwind().await;
        attempt.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or(panic.downcast_ref::<&str>().map(|text| String::from(*text)));
            let error = ApiError {
                operation: format!("do job {}", job.id),
                code: "Panic".into(),
                message: message.unwrap_or_else(|| "a panic without a message".into()),
                status: None,
                request_id: None,
            };
            self.failed(job, &error, clock).unwrap_or(Step::HandedBack)
        })
    }

    /// Takes the snapshot when it is the job's turn. While EC2 throttles, the lane slows down and the job waits in it:
    /// a throttled call did nothing, so it is safe to ask again.
    async fn create(&self, lane: &Lane, ec2: &Ec2, job: &Job, clock: &Clock, stop: Instant) -> Step {
        loop {
            let start = self.paced(lane, |pace, now| pace.reserve(now).into());
            if start > stop {
                return Step::HandedBack;
            }
            sleep_until(start).await;
            match ec2.create_snapshot(&job.volume, &description(job), snapshot_tags(job)).await {
                Ok(snapshot) => {
                    self.paced(lane, |pace, _| pace.went_through());
                    return Step::Finished(Outcome::Created(snapshot));
                }
                Err(error) => match self.failed(job, &error, clock) {
                    Some(step) => return step,
                    None => {
                        warn!(job.id, volume.id = job.volume, error.code, "throttled in {lane}, the lane slows down");
                        self.paced(lane, Pace::throttled);
                    }
                },
            }
        }
    }

    /// The pace of a lane that was called in.
    pub fn pace(&self, lane: &Lane) -> Option<Pace> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner).get(lane).cloned()
    }

    fn paced<T>(&self, lane: &Lane, step: impl FnOnce(&mut Pace, std::time::Instant) -> T) -> T {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(lane.clone()).or_insert_with(|| Pace::new(self.config.create_rate));
        step(pace, Instant::now().into_std())
    }

    /// What becomes of a job that failed with `error`; nothing yet where it waits in its lane.
    fn failed(&self, job: &Job, error: &ApiError, clock: &Clock) -> Option<Step> {
        let now = clock.now();
        let next = |attempt: u32, wait: Option<TimeDelta>| {
            let failure = Failure {
                code: error.code.clone(),
                message: error.message.clone(),
                request_id: error.request_id.clone(),
                first: job.failure.as_ref().map_or(now, |failure| failure.first),
                last: now,
            };
            let not_before = wait.map(|wait| now + wait);
            Box::new(Job { attempt, not_before, failure: Some(failure), ..job.clone() })
        };
        match fate(error, job.attempt, &self.config.patience, rand::random()) {
            Fate::WaitInLane => None,
            Fate::Defer(wait) => Some(Step::Again(next(job.attempt, Some(wait)))),
            Fate::Retry(wait) => Some(Step::Again(next(job.attempt + 1, Some(wait)))),
            Fate::VolumeGone => Some(Step::Finished(Outcome::VolumeGone)),
            Fate::DeadLetter => Some(Step::Dead(next(job.attempt, None))),
        }
    }
}
