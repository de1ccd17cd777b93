//! The jobs of a lane: what there is is looked at first, the rest is done at the lane's pace.

mod create;
mod prune;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, Stream, StreamExt};
use shared::aws::Aws;
use shared::aws::sqs::MOST_IN_BATCH;
use shared::config;
use shared::rules::fate::{Fate, TOO_LATE, class, fate, is_about_the_lane};
use shared::rules::hold::Circuit;
use shared::rules::pace::Pace;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::class::Class;
use shared::vocabulary::job::{Action, Attempt, Failure, Job, Lane};
use shared::vocabulary::policy::Role;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use self::create::Done;
use self::prune::Scene;
pub use self::prune::{Left, Pruned};
use crate::clock::{Clock, Stop};
use crate::figures::Counts;

/// Works through lanes, each at its own pace.
#[derive(Debug)]
pub struct Lanes {
    aws: Arc<Aws>,
    config: config::Lanes,
    paces: Mutex<HashMap<Lane, Pace>>,
    shown: Option<BTreeSet<String>>,
    deleted: Mutex<BTreeSet<String>>,
    counts: Counts,
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
    /// Its lane must wait until a person has mended its configuration: this job says what is wrong with it.
    Held(Box<Job>),
    /// It was not taken up, or not finished, for lack of time: to whoever takes it up next.
    HandedBack {
        /// How many snapshots it has deleted of those that were planned.
        deleted: usize,
    },
}

/// Handed back untouched.
const NOT_NOW: Step = Step::HandedBack { deleted: 0 };
/// The longest wait before a lane that is throttled when it is looked at is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created(snapshot) => write!(f, "snapshot {snapshot}"),
            Self::AlreadyThere(snapshot) => write!(f, "snapshot {snapshot}, which was there already"),
            Self::VolumeGone => f.write_str("the volume is gone"),
            Self::Pruned(Pruned { deleted, left }) => {
                write!(f, "{} snapshots deleted, {} left", deleted.len(), left.len())
            }
        }
    }
}

/// What there was when the batch began.
enum Sight {
    ToCreate(Done),
    ToPrune(Scene),
}

impl Lanes {
    /// Lanes that nobody has called in yet.
    pub fn new(aws: Arc<Aws>, config: config::Lanes) -> Self {
        Self { aws, config, paces: Mutex::default(), shown: None, deleted: Mutex::default(), counts: Counts::default() }
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
        stop: Stop,
    ) -> impl Stream<Item = (Job, Step)> + 'a {
        let turn = Arc::new(Turn { lane, clock, stop, circuit: Mutex::default(), gate: Gate::default() });
        let since = Instant::now();
        // SQS had no more of it than a batch that is not full: nobody takes it up next.
        let goes_on = (jobs.len() >= MOST_IN_BATCH).then(|| Arc::clone(&turn));
        let begin = async move {
            let sight = tokio::select! {
                sight = self.look_until_let(&turn.lane, role.as_ref(), &jobs) => sight,
                () = turn.stop.reached() => return stream::iter(jobs).map(|job| (job, NOT_NOW)).boxed_local(),
            };
            let steps = match sight {
                Ok(sight) => {
                    self.paced(&turn.lane, |pace, _| pace.begin_batch(since.into_std()));
                    self.attempts(Arc::clone(&turn), sight, jobs).boxed_local()
                }
                Err(error) => {
                    // Nothing was asked for any of them: no attempt is used up, whatever the error is.
                    turn.circuit(|circuit| circuit.break_with(&error));
                    stream::iter(jobs).map(move |job| (job.clone(), held(&job, &error, clock.now()))).boxed_local()
                }
            };
            single_refusals(steps, turn).boxed_local()
        };
        let leave = stream::iter(goes_on).filter_map(|turn| self.leave(turn));
        begin.flatten_stream().chain(leave)
    }

    /// Stays until the lane may be left.
    async fn leave(&self, turn: Arc<Turn>) -> Option<(Job, Step)> {
        let time = self.paced(&turn.lane, |pace, _| pace.leave())?;
        tokio::select! {
            () = sleep_until(time.into()) => {}
            () = turn.stop.reached() => {}
        }
        None
    }

    /// Throttling passes by itself: the lane waits, and looks again.
    async fn look_until_let(&self, lane: &Lane, role: Option<&Role>, jobs: &[Job]) -> Result<Sight, ApiError> {
        loop {
            match self.look(lane, role, jobs).await {
                Err(error) if class(&error) == Class::Throttle => {
                    self.counts.throttled();
                    warn!("throttled, {lane} waits: {error}");
                    sleep(LOOK_AGAIN.mul_f64(rand::random())).await;
                }
                sight => return sight,
            }
        }
    }

    /// One look for the whole batch.
    async fn look(&self, lane: &Lane, role: Option<&Role>, jobs: &[Job]) -> Result<Sight, ApiError> {
        let ec2 = self.aws.ec2(role, &lane.region).await?;
        match lane.action {
            Action::Snapshot => Done::look(ec2, jobs).await.map(Sight::ToCreate),
            Action::Prune => Scene::look(ec2, jobs).await.map(Sight::ToPrune),
        }
    }

    fn attempts<'a>(&'a self, turn: Arc<Turn>, sight: Sight, jobs: Vec<Job>) -> impl Stream<Item = (Job, Step)> + 'a {
        let sight = Arc::new(sight);
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
            .boxed_local()
        });
        attempts.collect::<FuturesUnordered<_>>()
    }

    /// Waits until the lane may call again. An error is the step of a job whose turn would come too late, or not at all
    /// while the lane is held.
    async fn turn(&self, turn: &Turn, job: &Job) -> Result<(), Step> {
        tokio::select! {
            biased;
            () = turn.stop.reached() => return Err(NOT_NOW),
            () = self.call_is_due(turn, job) => {}
        }
        let now = turn.clock.now();
        if let Some(cause) = turn.circuit(|circuit| circuit.broken().cloned()) {
            return Err(held(job, &cause, now));
        }
        match job.give_up_at.filter(|deadline| *deadline <= now) {
            Some(deadline) => Err(Step::Dead(too_late(job, deadline, now))),
            None => Ok(()),
        }
    }

    /// One after the other, in the order of the jobs: whoever waits learns it when the lane is slowed in the meantime.
    async fn call_is_due(&self, turn: &Turn, job: &Job) {
        let _first = turn.gate.lock().await;
        while let Err(due) = self.paced(&turn.lane, |pace, now| pace.start(now, job.burst)) {
            sleep_until(due.into()).await;
        }
    }

    /// The lane's call failed: what becomes of its job, or nothing yet where EC2 throttles. Then the lane slows down,
    /// and the job waits in it: a throttled call did nothing, so it is safe to ask again.
    fn call_failed(&self, turn: &Turn, job: &Job, error: &ApiError) -> Option<Step> {
        let step = self.failed(job, error, &turn.clock);
        match &step {
            None => {
                warn!(job.id, volume.id = job.volume, error.code, "throttled in {}, the lane slows down", turn.lane);
                self.counts.throttled();
                self.paced(&turn.lane, Pace::throttled);
            }
            Some(Step::Held(_)) => turn.circuit(|circuit| circuit.refused(error)),
            Some(_) => {}
        }
        step
    }

    /// What EC2 has done and refused since this was last asked.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
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

    /// What becomes of a job that failed with `error`; nothing yet where it waits in its lane. A job that would wait
    /// beyond its deadline gives up now.
    fn failed(&self, job: &Job, error: &ApiError, clock: &Clock) -> Option<Step> {
        let now = clock.now();
        let gives_up = |wait: TimeDelta| job.give_up_at.filter(|deadline| now + wait >= *deadline);
        let again = |attempt: u32, wait: TimeDelta| match gives_up(wait) {
            Some(deadline) => Step::Dead(failed_job(job, job.attempt, error, now, Some(deadline))),
            None => {
                let next = failed_job(job, attempt, error, now, None);
                Step::Again(Box::new(Job { not_before: Some(now + wait), ..*next }))
            }
        };
        // Gone is what is gone twice, and not what failed otherwise before.
        let is_known = job.failure.as_ref().is_some_and(|failure| failure.code == error.code);
        let attempt = if class(error) == Class::AlreadyDone && !is_known { 1 } else { job.attempt };
        match fate(error, attempt, &self.config.patience, rand::random()) {
            Fate::WaitInLane => None,
            Fate::Defer(wait) => Some(again(job.attempt, wait)),
            Fate::Retry(wait) => Some(again(job.attempt + 1, wait)),
            Fate::VolumeGone => Some(Step::Finished(Outcome::VolumeGone)),
            Fate::Refused => Some(held(job, error, now)),
            Fate::DeadLetter => Some(Step::Dead(failed_job(job, job.attempt, error, now, None))),
        }
    }
}

/// The lane that a batch is of, how long it has, and what it has shown of its lane.
#[derive(Debug)]
struct Turn {
    lane: Lane,
    clock: Clock,
    stop: Stop,
    circuit: Mutex<Circuit>,
    gate: Gate,
}

/// Held by the job whose call is next.
type Gate = tokio::sync::Mutex<()>;

impl Turn {
    fn circuit<T>(&self, look: impl FnOnce(&mut Circuit) -> T) -> T {
        look(&mut self.circuit.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The same steps; but refusals are kept until the others are known, because only all of them together tell whether the
/// lane must wait or a single volume is refused, which a person must look at.
fn single_refusals<'a>(
    steps: impl Stream<Item = (Job, Step)> + Unpin + 'a,
    turn: Arc<Turn>,
) -> impl Stream<Item = (Job, Step)> + 'a {
    stream::unfold((steps, Vec::new(), turn), |(mut steps, mut refused, turn)| async move {
        while let Some((job, step)) = steps.next().await {
            match step {
                Step::Held(next) => refused.push((job, next, turn.circuit(|circuit| circuit.is_served()))),
                step => return Some(((job, step), (steps, refused, turn))),
            }
        }
        let (job, next, was_served) = refused.pop()?;
        let step = match turn.circuit(|circuit| circuit.is_open()) {
            true => Step::Held(next),
            false if was_served => Step::Dead(next),
            // Others are served since: perhaps it was mended in between. It is tried once more.
            false => Step::Again(once_more(*next, turn.clock.now())),
        };
        Some(((job, step), (steps, refused, turn)))
    })
}

/// The wait before a volume is tried once more that was refused before others were served.
const ONCE_MORE: TimeDelta = TimeDelta::seconds(15);

fn once_more(job: Job, now: DateTime<Utc>) -> Box<Job> {
    Box::new(Job { attempt: job.attempt + 1, not_before: Some(now + ONCE_MORE), ..job })
}

/// Whether it is tried once more by now, and is refused as it was.
fn is_refused_again(job: &Job, error: &ApiError) -> bool {
    let last = job.failure.as_ref().and_then(|failure| failure.attempts.last());
    let may_be_of_the_volume = class(error) == Class::Configuration && !is_about_the_lane(&error.code);
    may_be_of_the_volume && last.is_some_and(|last| last.code == error.code && last.attempt < job.attempt)
}

/// A lane that is held is tried for the last time so long before its jobs give up, so that they can say why.
pub(crate) const LAST_TRY: TimeDelta = TimeDelta::minutes(1);

/// `job` must wait with its lane, because of `error`; or gives up, where it could not be tried again in time.
fn held(job: &Job, error: &ApiError, now: DateTime<Utc>) -> Step {
    match job.give_up_at.filter(|deadline| now + LAST_TRY >= *deadline) {
        Some(deadline) => Step::Dead(failed_job(job, job.attempt, error, now, Some(deadline))),
        None if is_refused_again(job, error) => Step::Dead(failed_job(job, job.attempt, error, now, None)),
        None => Step::Held(failed_job(job, job.attempt, error, now, None)),
    }
}

/// `job` with what is wrong with it.
fn failed_job(
    job: &Job,
    attempt: u32,
    error: &ApiError,
    now: DateTime<Utc>,
    gave_up: Option<DateTime<Utc>>,
) -> Box<Job> {
    let before = job.failure.as_ref();
    let mut attempts = before.map(|failure| failure.attempts.clone()).unwrap_or_default();
    attempts.push(Attempt {
        attempt: job.attempt,
        at: now,
        code: error.code.clone(),
        request_id: error.request_id.clone(),
    });
    attempts.drain(..attempts.len().saturating_sub(Failure::MOST_ATTEMPTS));
    let failure = Failure {
        class: Some(class(error)),
        code: error.code.clone(),
        message: error.message.clone(),
        request_id: error.request_id.clone(),
        first: before.map_or(now, |failure| failure.first),
        last: now,
        attempts,
        gave_up,
    };
    Box::new(Job { attempt, not_before: None, failure: Some(failure), ..job.clone() })
}

/// `job`, whose turn comes after its deadline: with what it failed with before, or with what kept it from being tried.
fn too_late(job: &Job, deadline: DateTime<Utc>, now: DateTime<Utc>) -> Box<Job> {
    let failure = job.failure.clone().map(|failure| Failure { gave_up: Some(deadline), ..failure });
    let never_tried = || Failure {
        class: Some(Class::Throttle),
        code: TOO_LATE.into(),
        message: format!(
            "its turn came after its deadline, {}: its lane was held, or has more jobs than its calls a second can do",
            deadline.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        request_id: None,
        first: now,
        last: now,
        attempts: Vec::new(),
        gave_up: Some(deadline),
    };
    Box::new(Job { not_before: None, failure: Some(failure.unwrap_or_else(never_tried)), ..job.clone() })
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

    fn job(fields: &str) -> Job {
        let body = format!(
            r#"{{"version":1,"action":"snapshot","job":"j-1","policy":"daily","slot":"2026-11-20T02:00:00Z",
            "account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0","retain":"7d"{fields}}}"#
        );
        Job::parse(&body).unwrap()
    }

    fn error(code: &str) -> ApiError {
        let (operation, message) = ("look".into(), String::new());
        ApiError { operation, code: code.into(), message, status: Some(500), request_id: None }
    }

    /// What becomes of a job at its second attempt, whose first failed with `before`, when its lane cannot be served.
    fn second_time(before: &str, code: &str) -> Step {
        let at = "2026-11-20T02:00:05Z";
        let failure = format!(
            r#","attempt":2,"failure":{{"code":"{before}","message":"","first":"{at}","last":"{at}",
            "attempts":[{{"attempt":1,"at":"{at}","code":"{before}"}}]}}"#
        );
        held(&job(&failure), &error(code), at.parse().unwrap())
    }

    #[test]
    fn a_volume_that_is_refused_once_more_is_dead_and_one_whose_lane_fails_waits() {
        assert!(matches!(second_time("UnauthorizedOperation", "UnauthorizedOperation"), Step::Dead(_)));
        assert!(matches!(second_time("InternalError", "UnauthorizedOperation"), Step::Held(_)));
        assert!(matches!(second_time("InternalError", "InternalError"), Step::Held(_)), "an outage is no refusal");
        assert!(matches!(second_time("AuthFailure", "AuthFailure"), Step::Held(_)), "nor is what holds all");
    }

    #[tokio::test]
    async fn a_panic_in_one_job_is_a_failed_attempt_of_that_job_alone() {
        let job = job("");
        let panics = async { panic!("index {} out of range", 7) };
        let (panicked, went_on) = tokio::join!(caught::<()>(&job, panics), caught(&job, async { 42 }));
        let panicked = panicked.unwrap_err();
        assert_eq!((panicked.code.as_str(), panicked.message.as_str()), ("Panic", "index 7 out of range"));
        assert_eq!(class(&panicked), Class::Transient, "it is tried again, and at last dead-lettered");
        assert_eq!(went_on, Ok(42));
    }
}
