//! The jobs of a lane: what there is is looked at first, the rest is done at the lane's pace.

mod create;
mod prune;

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, Stream, StreamExt};
use shared::aws::Aws;
use shared::config;
use shared::rules::fate::{Fate, fate};
use shared::rules::pace::Pace;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::{Action, Failure, Job, Lane};
use shared::vocabulary::policy::Role;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use self::create::Done;
use self::prune::Scene;
pub use self::prune::{Left, Pruned};
use crate::clock::Clock;

/// Works through lanes, each at its own pace.
#[derive(Debug)]
pub struct Lanes {
    aws: Arc<Aws>,
    config: config::Lanes,
    paces: Mutex<HashMap<Lane, Pace>>,
    shown: Option<BTreeSet<String>>,
    deleted: Mutex<BTreeSet<String>>,
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
    /// What no rule keeps is deleted, as far as it can be.
    Pruned(Pruned),
}

/// What there was when the batch began.
enum Sight {
    ToCreate(Done),
    ToPrune(Scene),
}

impl Lanes {
    /// Lanes that nobody has called in yet.
    pub fn new(aws: Arc<Aws>, config: config::Lanes) -> Self {
        Self { aws, config, paces: Mutex::default(), shown: None, deleted: Mutex::default() }
    }

    /// Lanes that delete none but these snapshots: those that a person has been shown.
    #[must_use]
    pub fn limited_to(self, shown: BTreeSet<String>) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// Those of the snapshots that a person has been shown that are deleted so far, also by attempts that failed
    /// later on.
    pub fn deleted(&self) -> BTreeSet<String> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
                Ok(Ok(sight)) => self.attempts(Turn { lane, clock, stop }, sight, jobs).boxed_local(),
                Ok(Err(error)) => {
                    let step = move |job: &Job| self.failed(job, &error, &clock).unwrap_or(NOT_NOW);
                    stream::iter(jobs).map(move |job| (job.clone(), step(&job))).boxed_local()
                }
                Err(_time_is_up) => stream::iter(jobs).map(|job| (job, NOT_NOW)).boxed_local(),
            }
        };
        begin.flatten_stream()
    }

    /// One look for the whole batch.
    async fn look(&self, lane: &Lane, role: Option<&Role>, jobs: &[Job]) -> Result<Sight, ApiError> {
        let ec2 = self.aws.ec2(role, &lane.region).await?;
        match lane.action {
            Action::Snapshot => Done::look(ec2, jobs).await.map(Sight::ToCreate),
            Action::Prune => Scene::look(ec2, jobs).await.map(Sight::ToPrune),
        }
    }

    fn attempts<'a>(&'a self, turn: Turn, sight: Sight, jobs: Vec<Job>) -> impl Stream<Item = (Job, Step)> + 'a {
        let (turn, sight) = (Arc::new(turn), Arc::new(sight));
        let attempts = jobs.into_iter().map(move |job| {
            let (turn, sight) = (Arc::clone(&turn), Arc::clone(&sight));
            async move {
                let attempt = async {
                    match sight.as_ref() {
                        Sight::ToCreate(done) => self.create(&turn, done, &job).await,
                        Sight::ToPrune(scene) => self.prune(&turn, scene, &job).await,
                    }
                };
                // A panic in one job is a failed attempt of that job alone.
                let step = match caught(&job, attempt).await {
                    Ok(step) => step,
                    Err(panic) => self.failed(&job, &panic, &turn.clock).unwrap_or(NOT_NOW),
                };
                (job, step)
            }
        });
        attempts.collect::<FuturesUnordered<_>>()
    }

    /// Waits until the lane may call again. An error is the step of a job whose turn would come too late.
    async fn turn(&self, turn: &Turn) -> Result<(), Step> {
        match self.paced(&turn.lane, |pace, now| pace.reserve(now, turn.stop.into_std())) {
            Ok(start) => {
                sleep_until(start.into()).await;
                Ok(())
            }
            Err(start) => Err(Step::HandedBack(Instant::from_std(start).duration_since(Instant::now()))),
        }
    }

    /// The lane's call failed: what becomes of its job, or nothing yet where EC2 throttles. Then the lane slows down,
    /// and the job waits in it: a throttled call did nothing, so it is safe to ask again.
    fn call_failed(&self, turn: &Turn, job: &Job, error: &ApiError) -> Option<Step> {
        let step = self.failed(job, error, &turn.clock);
        if step.is_none() {
            warn!(job.id, volume.id = job.volume, error.code, "throttled in {}, the lane slows down", turn.lane);
            self.paced(&turn.lane, Pace::throttled);
        }
        step
    }

    fn call_went_through(&self, turn: &Turn) {
        self.paced(&turn.lane, |pace, _| pace.went_through());
    }

    /// The pace of a lane that was called in.
    pub fn pace(&self, lane: &Lane) -> Option<Pace> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner).get(lane).cloned()
    }

    fn paced<T>(&self, lane: &Lane, step: impl FnOnce(&mut Pace, std::time::Instant) -> T) -> T {
        let rate = match lane.action {
            Action::Snapshot => self.config.create_rate,
            Action::Prune => self.config.delete_rate,
        };
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(lane.clone()).or_insert_with(|| Pace::new(rate));
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

/// The lane that a batch is of, and how long it has.
#[derive(Debug)]
struct Turn {
    lane: Lane,
    clock: Clock,
    stop: Instant,
}

/// The jobs' values of one kind, each once.
fn distinct<'a>(jobs: &'a [Job], of: impl Fn(&'a Job) -> &'a String) -> BTreeSet<String> {
    jobs.iter().map(|job| of(job).clone()).collect()
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
