//! The worker: a batch of jobs in, snapshots out.
//!
//! [`Worker::handle`] is the Lambda: it reads messages, and settles with SQS what becomes of each. [`lanes`] is what it
//! does with the jobs in between, and what the operator's tool does without a queue.

mod clock;
mod figures;
pub mod lanes;
mod settle;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, Utc};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use lambda_runtime::Diagnostic;
use rand::seq::SliceRandom;
use shared::aws::Aws;
use shared::aws::sqs::Received;
use shared::config;
use shared::stdout::emit;
use shared::vocabulary::job::{GIVE_UP_AFTER, Job, Lane};
use shared::vocabulary::metric::Namespace;
use shared::vocabulary::policy::Role;
use shared::vocabulary::problem::Problem;

pub use crate::clock::{Clock, Stop};
use crate::lanes::{Lanes, Outcome, Step};
use crate::settle::Settlement;
use crate::verdict::Settled;

/// The worker: the Lambda, or a process that polls the queue itself.
#[derive(Debug)]
pub struct Worker {
    lanes: Lanes,
    settlement: Settlement,
    metrics: Option<Namespace>,
}

/// The id of a message.
pub type MessageId = String;

/// How much of a batch's time there is to begin calls in. No job is taken up in the last seconds before the deadline: a
/// call may take 20, and settling a few more.
pub fn time_to_begin(time: Duration) -> Duration {
    const LAST_SECONDS: Duration = Duration::from_secs(25);
    time.saturating_sub(LAST_SECONDS.min(time / 2))
}

impl Worker {
    /// Reads the environment and makes the clients: once for each cold start.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let config = config::Worker::from_env()?;
        Ok(Self::new(Aws::from_env().await, &config))
    }

    /// A worker with these clients.
    pub fn new(aws: Aws, config: &config::Worker) -> Self {
        let settlement = Settlement::new(&aws, config);
        Self { lanes: Lanes::new(Arc::new(aws), config.lanes), settlement, metrics: config.metrics.clone() }
    }

    /// The Lambda: works through a batch within `remaining`, and answers with the messages that must come again.
    pub async fn handle(
        &self,
        event: SqsEvent,
        now: DateTime<Utc>,
        remaining: Duration,
    ) -> Result<SqsBatchResponse, Diagnostic> {
        let clock = Clock::start(now);
        let stop = Stop::at(clock.after(time_to_begin(remaining)));
        let received = event.records.into_iter().map(received).collect::<Result<Vec<_>, _>>()?;
        let mut response = SqsBatchResponse::default();
        for message_id in self.work(received, clock, stop).boxed_local().await {
            response.add_failure(message_id);
        }
        Ok(response)
    }

    /// Works through a batch, takes up no job after `stop`, and gives the messages that must come again.
    ///
    /// A message is left out of these, and may be deleted, only when what becomes of its job is written down elsewhere:
    /// a snapshot, a message for the next attempt, or a dead letter and a report.
    ///
    /// A message outside the lanes that comes again may be what a worker died with. It is taken up last and alone, when
    /// all others are settled and deleted, so that it takes nobody with it.
    pub async fn work(&self, batch: Vec<Received>, clock: Clock, stop: Stop) -> BTreeSet<MessageId> {
        let (began, messages) = (clock.now(), batch.len());
        let (mut suspects, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_suspect);
        let handles = if suspects.is_empty() { Vec::new() } else { handles_of(&others) };
        let mut settled = self.work_together(others, clock, &stop).await;
        self.settlement.delete(&handles, &settled.unsettled).await;
        // In any order: of those that came with a deadly one, each is before it sooner or later.
        suspects.shuffle(&mut rand::rng());
        for suspect in suspects {
            let handles = handles_of(std::slice::from_ref(&suspect));
            let alone = self.work_together(vec![suspect], clock, &stop).await;
            self.settlement.delete(&handles, &alone.unsettled).await;
            settled.add(alone);
        }
        let metrics = figures::metrics(&settled, self.lanes.counts(), clock.now() - began);
        emit(self.metrics.as_ref(), clock.now(), &metrics, &figures::properties(messages, &settled));
        settled.unsettled
    }

    /// The same for whoever has received the batch itself: what need not come again is deleted. Gives how many that were.
    pub async fn work_and_delete(&self, batch: Vec<Received>, clock: Clock, stop: Stop) -> usize {
        let handles = handles_of(&batch);
        let unsettled = self.work(batch, clock, stop).await;
        self.settlement.delete(&handles, &unsettled).await;
        handles.iter().filter(|(id, _)| !unsettled.contains(id)).count()
    }

    async fn work_together(&self, batch: Vec<Received>, clock: Clock, stop: &Stop) -> Settled {
        let now = clock.now();
        let mut settled = Settled::default();
        let mut work = Work::default();
        for message in batch {
            // Before its body is read: whatever a worker died with must not hold up its lane.
            if self.settlement.was_let_go(&message, now).await {
                settled.add(self.settlement.leave_lane(&message, &clock).await);
                continue;
            }
            match Job::parse(&message.body) {
                Err(problem) => settled.add(self.settlement.unreadable(&message, &problem, &clock).await),
                Ok(job) if job.not_before.is_some_and(|time| time > now) => {
                    settled.add(self.settlement.wait(&message, &job, &clock).await);
                }
                Ok(job) => work.add(taken_up(job, &message, now), message),
            }
        }
        settled.add(self.perform(work, clock, stop).await);
        settled
    }

    /// Does the jobs, and settles each as soon as it is known what becomes of it.
    async fn perform(&self, work: Work, clock: Clock, stop: &Stop) -> Settled {
        let Work { groups, mut messages } = work;
        let mut settled = Settled::default();
        let steps = groups
            .into_iter()
            .map(|((lane, role), jobs)| Box::pin(self.lanes.perform(lane, role, jobs, clock, stop.clone())));
        let mut steps = stream::select_all(steps);
        let mut settling = FuturesUnordered::new();
        let mut lanes = HeldLanes::default();
        loop {
            tokio::select! {
                Some((job, step)) = steps.next() => {
                    let of_job = messages.remove(&job.id).unwrap_or_default();
                    match step {
                        Step::Held(next) => {
                            lanes.held.entry(job.lane()).or_default().push(Held { messages: of_job, job, next });
                        }
                        step => {
                            lanes.note(&of_job, &job, &step);
                            settling.push(self.settlement.settle(of_job, job, step, &clock));
                        }
                    }
                }
                Some(of_job) = settling.next() => settled.add(of_job),
                else => break,
            }
        }
        settled.add(self.settlement.lanes(lanes, &clock).await);
        // There should be none. What nobody has spoken for must come again, not be acknowledged.
        settled.unsettled.extend(messages.into_values().flatten().map(|message| message.id));
        settled
    }
}

/// Message id and receipt handle.
type Handle = (MessageId, String);

fn handles_of(messages: &[Received]) -> Vec<Handle> {
    messages.iter().map(|message| (message.id.clone(), message.receipt_handle.clone())).collect()
}

/// Whether a worker may have died with it. One that only waited is taken up as carefully.
fn is_suspect(message: &Received) -> bool {
    let has_left_its_lane = message.group.as_deref().is_some_and(|group| group.starts_with(ALONE));
    has_left_its_lane || message.receives > 1 && !is_of_a_lane(message)
}

/// How the groups of messages begin that have left their lane unread.
const ALONE: &str = "alone-";

/// Whether the message travels in a lane, whatever it says.
fn is_of_a_lane(message: &Received) -> bool {
    message.group.as_deref().is_some_and(|group| group.contains('/'))
}

/// A job that found its lane held.
#[derive(Debug)]
pub(crate) struct Held {
    /// As they came.
    pub messages: Vec<Received>,
    pub job: Job,
    /// The job, with what is wrong with it.
    pub next: Box<Job>,
}

/// The lanes of a batch that must wait, and those that waited and go on.
#[derive(Debug, Default)]
pub(crate) struct HeldLanes {
    /// The jobs that found their lane held.
    pub held: BTreeMap<Lane, Vec<Held>>,
    /// A job that found its lane mended, and since when it had waited.
    pub resumed: BTreeMap<Lane, (Job, DateTime<Utc>)>,
}

impl HeldLanes {
    fn note(&mut self, messages: &[Received], job: &Job, step: &Step) {
        let was_held = messages.iter().find(|message| was_held(message, job));
        // What was there already, or is gone, says nothing about the lane.
        let went_through = match step {
            Step::Finished(Outcome::Created(_)) => true,
            Step::Finished(Outcome::Pruned(pruned)) => !pruned.deleted.is_empty(),
            _ => false,
        };
        if let Some(message) = was_held.filter(|_| went_through) {
            self.resumed.entry(job.lane()).or_insert_with(|| (job.clone(), message.first_received));
        }
    }
}

/// The job of a message, with what older planners and the dead-letter queue leave out: a job that comes from there is
/// as good as new.
fn taken_up(job: Job, message: &Received, now: DateTime<Utc>) -> Job {
    // SQS says when it was sent; whoever invokes the function by hand may not.
    let sent = if message.sent == DateTime::UNIX_EPOCH { now } else { message.sent };
    // Nobody sends a job on after its deadline. One that SQS had moved has no word of it.
    let is_redriven = match job.give_up_at {
        None => job.told,
        Some(deadline) => deadline < sent,
    };
    let deadline = if is_redriven { None } else { job.give_up_at };
    Job {
        attempt: if is_redriven { 1 } else { job.attempt },
        enqueued: job.enqueued.or(Some(sent)),
        give_up_at: deadline.or(Some(sent + GIVE_UP_AFTER)),
        ..job
    }
}

/// Whether the message has waited at the head of its lane: nothing else brings it back there.
fn was_held(message: &Received, job: &Job) -> bool {
    message.receives > 1 && is_in_lane(message, job)
}

fn is_in_lane(message: &Received, job: &Job) -> bool {
    message.group.as_deref() == Some(job.lane().to_string().as_str())
}

/// The jobs of a batch by lane and role, and the messages of each job: a message may have come twice.
#[derive(Debug, Default)]
struct Work {
    groups: BTreeMap<(Lane, Option<Role>), Vec<Job>>,
    messages: BTreeMap<String, Vec<Received>>,
}

impl Work {
    fn add(&mut self, job: Job, message: Received) {
        let messages = self.messages.entry(job.id.clone()).or_default();
        messages.push(message);
        if messages.len() == 1 {
            self.groups.entry((job.lane(), job.role.clone())).or_default().push(job);
        }
    }
}

/// A message of Lambda's event. Without its id it could not be given back alone, and an empty id would give back the
/// whole batch. <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
pub fn received(message: SqsMessage) -> Result<Received, Diagnostic> {
    let diagnostic = |name| Diagnostic {
        error_type: "BadEvent".into(),
        error_message: Problem::missing(name, "what SQS gives every message").to_string(),
    };
    let id = message.message_id.filter(|id| !id.is_empty()).ok_or_else(|| diagnostic("messageId"))?;
    let receipt_handle = message.receipt_handle.ok_or_else(|| diagnostic("receiptHandle"))?;
    Ok(Received::new(id, receipt_handle, message.body.unwrap_or_default(), &message.attributes))
}
