//! The jobs of a lane: what is done already is found first, the rest is done at the lane's pace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use crate::clock::Clock;

/// Works through lanes, each at its own pace.
#[derive(Debug)]
pub struct Lanes {
    aws: Arc<Aws>,
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
    /// It was not taken up, for lack of time; its lane may go on after this long.
    HandedBack(Duration),
}

/// Handed back, to whoever takes it up next.
const NOT_NOW: Step = Step::HandedBack(Duration::ZERO);

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
    pub fn new(aws: Arc<Aws>, config: config::Lanes) -> Self {
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
            match timeout_at(stop, self.look(&lane, role.as_ref(), &jobs)).await {
                Ok(Ok((ec2, done))) => self.create_missing(lane, ec2, done, jobs, clock, stop).boxed_local(),
                Ok(Err(error)) => {
                    let step = move |job: &Job| self.failed(job, &error, &clock).unwrap_or(NOT_NOW);
                    stream::iter(jobs).map(move |job| (job.clone(), step(&job))).boxed_local()
                }
                Err(_time_is_up) => stream::iter(jobs).map(|job| (job, NOT_NOW)).boxed_local(),
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
        match caught(job, self.create(lane, ec2, job, clock, stop)).await {
            Ok(step) => step,
            Err(panic) => self.failed(job, &panic, clock).unwrap_or(NOT_NOW),
        }
    }

    /// Takes the snapshot when it is the job's turn. While EC2 throttles, the lane slows down and the job waits in it:
    /// a throttled call did nothing, so it is safe to ask again.
    async fn create(&self, lane: &Lane, ec2: &Ec2, job: &Job, clock: &Clock, stop: Instant) -> Step {
        loop {
            match self.paced(lane, |pace, now| pace.reserve(now, stop.into_std())) {
                Ok(start) => sleep_until(start.into()).await,
                Err(start) => return Step::HandedBack(Instant::from_std(start).duration_since(Instant::now())),
            }
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

/// What `attempt` comes to, or the panic that ended it, as an error that is tried again.
async fn caught<T>(job: &Job, attempt: impl Future<Output = T>) -> Result<T, ApiError> {
    AssertUnwindSafe(attempt).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        ApiError {
            operation: format!("do job {}", job.id),
            code: "Panic".into(),
            message: text.unwrap_or("a panic without a message").into(),
            status: None,
            request_id: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::rules::fate::{Class, class};

    #[tokio::test]
    async fn a_panic_in_one_job_is_a_failed_attempt_of_that_job_alone() {
        let job = Job::parse(
            r#"{"version":1,"action":"snapshot","job":"j-1","policy":"daily","slot":"2026-11-20T02:00:00Z",
            "account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0","retain":"7d"}"#,
        )
        .unwrap();
        let panics = async { panic!("index {} out of range", 7) };
        let (panicked, went_on) = tokio::join!(caught::<()>(&job, panics), caught(&job, async { 42 }));
        let panicked = panicked.unwrap_err();
        assert_eq!((panicked.code.as_str(), panicked.message.as_str()), ("Panic", "index 7 out of range"));
        assert_eq!(class(&panicked), Class::Transient, "it is tried again, and at last dead-lettered");
        assert_eq!(went_on, Ok(42));
    }
}
