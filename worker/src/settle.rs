//! Settling with SQS: what becomes of a job is written down before its message is acknowledged.

use chrono::{DateTime, TimeDelta, Utc};
use shared::aws::Aws;
use shared::aws::sqs::{Fifo, Message, Queue};
use shared::config;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::{Failure, Job};
use shared::vocabulary::problem::{Problem, shortened};
use shared::vocabulary::report::{self, DeadLetter, Report, Unreadable};
use tracing::{error, info, warn};

use crate::Received;
use crate::clock::Clock;
use crate::lanes::{Outcome, Pruned, Step};

/// The queues that a worker settles with.
#[derive(Debug)]
pub(crate) struct Settlement {
    jobs: Queue,
    dlq: Queue,
    reports: Queue,
}

/// The id of a message that is not settled and must come again.
type MessageId = String;

impl Settlement {
    pub fn new(aws: &Aws, config: &config::Worker) -> Self {
        Self {
            jobs: aws.queue(&config.jobs_queue_url),
            dlq: aws.queue(&config.dlq_url),
            reports: aws.queue(&config.reports_queue_url),
        }
    }

    /// Settles the step of one job, and gives the messages that must come again. Of a message that came twice, the
    /// first says what is written, so that two workers with the same message write the same.
    pub async fn settle(&self, messages: Vec<Received>, job: Job, step: Step, clock: &Clock) -> Vec<MessageId> {
        let Some(message) = messages.first() else { return Vec::new() };
        let settled = match &step {
            Step::Finished(outcome) => {
                log_finished(&job, outcome, clock);
                Ok(())
            }
            Step::Again(next) if is_waiting_alone(&job, next, message) => {
                return self.hide(&messages, wait_of(next, clock)).await;
            }
            Step::Again(next) => self.again(next, message).await,
            Step::Dead(dead) => self.dead(dead, message).await,
            Step::HandedBack(wait) => {
                return self.hide(&messages, TimeDelta::from_std(*wait).unwrap_or_default()).await;
            }
        };
        match settled {
            Ok(()) => Vec::new(),
            Err(error) => {
                error!(job.id, "the job comes again, because what became of it could not be written down: {error}");
                messages.into_iter().map(|message| message.id).collect()
            }
        }
    }

    /// A message that cannot be read goes to the dead-letter queue as it is, with what is wrong with it.
    pub async fn unreadable(&self, message: &Received, problem: &Problem, now: DateTime<Utc>) -> Result<(), MessageId> {
        error!(sqs.message_id = message.id, "an unreadable message goes to the dead-letter queue: {problem}");
        let letter = Message {
            body: message.body.clone(),
            fifo: Some(Fifo { group: message.id.clone(), deduplication: message.id.clone() }),
            attributes: attributes("UnreadableMessage", &problem.to_string()),
        };
        let report = Report::Unreadable(Unreadable {
            version: report::VERSION,
            message_id: message.id.clone(),
            problem: problem.to_string(),
            at: now,
        });
        self.dead_letter(&letter, &report).await.map_err(|error| {
            error!(sqs.message_id = message.id, "the message comes again: {error}");
            message.id.clone()
        })
    }

    /// A message whose time has not come stays in the queue, hidden until then.
    pub async fn wait(&self, message: &Received, job: &Job, now: DateTime<Utc>) -> MessageId {
        let wait = job.not_before.map_or(TimeDelta::zero(), |time| time - now);
        self.hide(std::slice::from_ref(message), wait).await;
        message.id.clone()
    }

    /// Out of the lane, so that it holds nobody up: the same queue, a group of its own. Deduplicated by the message
    /// that it comes from, which is another one when a person redrives the job or a schedule plans it again.
    async fn again(&self, next: &Job, message: &Received) -> Result<(), ApiError> {
        let failure = next.failure.as_ref();
        let reason = failure.map(reason).unwrap_or_default();
        warn!(
            job.id = next.id,
            policy.name = next.policy,
            volume.id = next.volume,
            region = next.region,
            attempt = next.attempt,
            "{} is tried again: {reason}",
            next.place(),
        );
        let fifo = Fifo { group: next.id.clone(), deduplication: format!("{}-again", message.id) };
        self.jobs.send(&Message { body: next.body(), fifo: Some(fifo), attributes: Vec::new() }).await
    }

    async fn dead(&self, dead: &Job, message: &Received) -> Result<(), ApiError> {
        let Some(failure) = &dead.failure else { return Ok(()) };
        error!(
            job.id = dead.id,
            policy.name = dead.policy,
            volume.id = dead.volume,
            region = dead.region,
            error.code = failure.code,
            attempt = dead.attempt,
            "{} goes to the dead-letter queue: {}",
            dead.place(),
            reason(failure),
        );
        let letter = Message {
            body: dead.body(),
            fifo: Some(Fifo { group: dead.id.clone(), deduplication: message.id.clone() }),
            attributes: attributes(&failure.code, &failure.message),
        };
        self.dead_letter(&letter, &Report::DeadLetter(DeadLetter::of(dead, failure))).await
    }

    /// The letter first: a report of a letter that is not there would send a person looking for nothing.
    async fn dead_letter(&self, letter: &Message, report: &Report) -> Result<(), ApiError> {
        self.dlq.send(letter).await?;
        self.reports.send(&Message { body: report.body(), ..Message::default() }).await
    }

    /// Gives messages back to the queue for `wait`. Should that fail, they come when their visibility times out.
    async fn hide(&self, messages: &[Received], wait: TimeDelta) -> Vec<MessageId> {
        for message in messages {
            if let Err(error) = self.jobs.hide(&message.receipt_handle, wait).await {
                warn!(sqs.message_id = message.id, "the message comes later than it should: {error}");
            }
        }
        messages.iter().map(|message| message.id.clone()).collect()
    }
}

/// A job that waits as the same attempt, and has its own group already, is only hidden: a chain of messages to the
/// function's own queue would end after about sixteen, by Lambda's recursion detection.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
fn is_waiting_alone(job: &Job, next: &Job, message: &Received) -> bool {
    next.attempt == job.attempt && message.group.as_deref() == Some(&job.id)
}

fn wait_of(next: &Job, clock: &Clock) -> TimeDelta {
    next.not_before.map_or(TimeDelta::zero(), |time| time - clock.now())
}

/// The names that Lambda gives the attributes of its own dead letters:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn attributes(code: &str, message: &str) -> Vec<(&'static str, String)> {
    let message = if message.is_empty() { "no message" } else { message };
    vec![("ErrorCode", code.into()), ("ErrorMessage", sqs_text(&shortened(message, 1000)))]
}

/// SQS takes the characters of XML 1.0 only.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn sqs_text(text: &str) -> String {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{FFFD}' }).collect()
}

fn reason(failure: &Failure) -> String {
    format!("{}: {}", failure.code, shortened(&failure.message, 300))
}

fn log_finished(job: &Job, outcome: &Outcome, clock: &Clock) {
    let (word, snapshot) = match outcome {
        Outcome::Created(snapshot) => ("created", snapshot.as_str()),
        Outcome::AlreadyThere(snapshot) => ("already there", snapshot.as_str()),
        Outcome::VolumeGone => ("volume gone", "none"),
        Outcome::Pruned(Pruned { deleted, left }) => return log_pruned(job, deleted.len(), left.len()),
    };
    info!(
        job.id, policy.name = job.policy, policy.slot = %job.slot, account = job.account, region = job.region,
        volume.id = job.volume, snapshot.id = snapshot, outcome = word, attempt = job.attempt,
        age_seconds = (clock.now() - job.slot.time()).num_seconds(),
        "{}: {word}, {snapshot}", job.place(),
    );
}

fn log_pruned(job: &Job, deleted: usize, left: usize) {
    info!(
        job.id, policy.name = job.policy, policy.slot = %job.slot, account = job.account, region = job.region,
        volume.id = job.volume, outcome = "pruned", deleted, left, attempt = job.attempt,
        "{}: pruned, {deleted} deleted, {left} left", job.place(),
    );
}
