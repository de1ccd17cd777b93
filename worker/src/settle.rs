//! Settling with SQS: what becomes of a job is written down before its message is acknowledged.

mod held;

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use shared::aws::Aws;
use shared::aws::sqs::{Fifo, Message, Queue, Received, sqs_text};
use shared::config;
use shared::rules::fate::{UNREADABLE, class};
use shared::rules::hold::was_let_go;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::class::Class;
use shared::vocabulary::job::{Job, Lane};
use shared::vocabulary::problem::{Problem, shortened};
use shared::vocabulary::report::{self, DeadLetter, Report, Resolved, Unreadable};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::clock::Clock;
use crate::lanes::{Outcome, Step};
use crate::verdict::{After, Settled, Verdict, Word};
use crate::{ALONE, Handle, MessageId, is_in_lane, is_of_a_lane};

/// The queues that a worker settles with.
#[derive(Debug)]
pub(crate) struct Settlement {
    jobs: Queue,
    dlq: Queue,
    reports: Queue,
    visibility: OnceCell<TimeDelta>,
    /// The held lanes that this process has told of, and when.
    told: Mutex<BTreeMap<Lane, DateTime<Utc>>>,
}

/// A message that waits is written anew after so many receives: SQS would move it to the dead-letter queue at last,
/// without a reason.
const MOST_RECEIVES: u32 = 30;
/// Lambda stops a chain of messages to a function's own queue after about sixteen:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>. The attempts come on top.
const MOST_SENDS: u32 = 6;
/// What was handed back and cannot go to the end of its lane comes again after so long.
const A_MOMENT: TimeDelta = TimeDelta::seconds(5);

impl Settlement {
    pub fn new(aws: &Aws, config: &config::Worker) -> Self {
        Self {
            jobs: aws.queue(&config.jobs_queue_url),
            dlq: aws.queue(&config.dlq_url),
            reports: aws.queue(&config.reports_queue_url),
            visibility: OnceCell::new(),
            told: Mutex::default(),
        }
    }

    /// Settles the step of one job. Of a message that came twice, the first says what is written, so that two workers with
    /// the same message write the same.
    pub async fn settle(&self, messages: Vec<Received>, job: Job, step: Step, clock: &Clock) -> Settled {
        let Some(message) = messages.first() else { return Settled::default() };
        let verdict = Verdict::of(message, &job, &step);
        let written = self.write_down(&messages, message, &job, &step, clock).await;
        Settled::written(verdict, written, &messages, clock)
    }

    async fn write_down(
        &self,
        messages: &[Received],
        message: &Received,
        job: &Job,
        step: &Step,
        clock: &Clock,
    ) -> Result<After, ApiError> {
        match step {
            Step::Finished(outcome) => self.resolved(job, outcome, clock).await?,
            Step::Again(next) | Step::Held(next) if is_waiting_alone(job, next, message) => {
                let left = job.give_up_at.map_or(TimeDelta::MAX, |deadline| deadline - clock.now());
                return Ok(self.hide(messages, lengthened(wait_of(next, clock), message.receives).min(left)).await);
            }
            Step::Again(next) | Step::Held(next) => self.again(next, message).await?,
            Step::Dead(dead) => self.dead(dead, message).await?,
            Step::HandedBack { deleted } if is_in_lane(message, job) && job.sends < MOST_SENDS => {
                self.later(job, *deleted, job.lane().to_string(), message).await?;
            }
            Step::HandedBack { deleted } if message.receives >= MOST_RECEIVES => {
                self.later(job, *deleted, job.id.clone(), message).await?;
            }
            Step::HandedBack { .. } => return Ok(self.hide(messages, lengthened(A_MOMENT, message.receives)).await),
        }
        Ok(After::Delete)
    }

    /// A message that cannot be read goes to the dead-letter queue as it is, with what is wrong with it.
    pub async fn unreadable(&self, message: &Received, problem: &Problem, clock: &Clock) -> Settled {
        let letter = Message {
            body: message.body.clone(),
            fifo: Some(Fifo { group: message.id.clone(), deduplication: message.id.clone() }),
            attributes: attributes(Class::Poison, UNREADABLE, &problem.to_string()),
        };
        let report = Report::Unreadable(Unreadable {
            version: report::VERSION,
            message_id: message.id.clone(),
            problem: problem.to_string(),
            at: clock.now(),
        });
        let verdict = Verdict::unread(Word::Unreadable, message, problem.to_string());
        let written = self.dead_letter(&letter, &report).await.map(|()| After::Delete);
        Settled::written(verdict, written, slice::from_ref(message), clock)
    }

    /// A message whose time has not come stays in the queue, hidden until then.
    pub async fn wait(&self, message: &Received, job: &Job, clock: &Clock) -> Settled {
        let wait = job.not_before.map_or(TimeDelta::zero(), |time| time - clock.now());
        let hidden = self.hide(slice::from_ref(message), wait).await;
        Settled::written(Verdict::waiting(message, job), Ok(hidden), slice::from_ref(message), clock)
    }

    /// Out of the lane, so that it holds nobody up: the same queue, a group of its own. Deduplicated by the message
    /// that it comes from, which is another one when a person redrives the job or a schedule plans it again.
    async fn again(&self, next: &Job, message: &Received) -> Result<(), ApiError> {
        let fifo = Fifo { group: next.id.clone(), deduplication: format!("{}-again", message.id) };
        self.send(next, fifo).await
    }

    /// To the end of its lane, or of its own group, as a new message: were it only hidden, it would look like one that a
    /// worker died with, and use up its receives.
    async fn later(&self, job: &Job, deleted: usize, group: String, message: &Received) -> Result<(), ApiError> {
        let fifo = Fifo { group, deduplication: format!("{}-later", message.id) };
        let most = job.most.map(|most| most.saturating_sub(deleted));
        self.send(&Job { most, ..job.clone() }, fifo).await
    }

    async fn send(&self, job: &Job, fifo: Fifo) -> Result<(), ApiError> {
        let sent = Job { sends: job.sends + 1, ..job.clone() };
        self.jobs.send(&Message { body: sent.body(), fifo: Some(fifo), attributes: Vec::new() }).await
    }

    async fn dead(&self, dead: &Job, message: &Received) -> Result<(), ApiError> {
        let Some(failure) = &dead.failure else {
            // Nobody writes such a letter; were there one, its message must not be acknowledged.
            let operation = format!("write down why {} is dead", dead.place());
            let (code, message) = ("NoReason".into(), "the job says nothing about it".into());
            return Err(ApiError { operation, code, message, status: None, request_id: None });
        };
        // As good as new for whoever redrives it, SQS's own redrive too; the history stays.
        let written = Job { told: true, give_up_at: None, sends: 0, ..dead.clone() };
        let letter = Message {
            body: written.body(),
            fifo: Some(Fifo { group: dead.id.clone(), deduplication: message.id.clone() }),
            attributes: attributes(failure.class.unwrap_or(Class::Transient), &failure.code, &failure.message),
        };
        self.dead_letter(&letter, &Report::DeadLetter(DeadLetter::of(dead, failure))).await
    }

    /// People who were told that the job had failed are told that it has succeeded.
    async fn resolved(&self, job: &Job, outcome: &Outcome, clock: &Clock) -> Result<(), ApiError> {
        let Some(failure) = job.failure.as_ref().filter(|_| job.told) else { return Ok(()) };
        let report = Report::Resolved(Resolved::of(job, failure, outcome.to_string(), clock.now()));
        self.tell(&report).await
    }

    async fn tell(&self, report: &Report) -> Result<(), ApiError> {
        self.reports.send(&Message { body: report.body(), ..Message::default() }).await
    }

    /// Whether a worker died with a message of a lane, or gave it back for lack of time.
    pub async fn was_let_go(&self, message: &Received, now: DateTime<Utc>) -> bool {
        if message.receives < 2 || !is_of_a_lane(message) {
            return false;
        }
        match self.visibility().await {
            Ok(visibility) => was_let_go(visibility, message.receives, now - message.first_received),
            Err(error) => {
                warn!(sqs.message_id = message.id, "it stays in its lane for this time: {error}");
                false
            }
        }
    }

    /// The visibility timeout of the jobs queue, asked for when it is needed for the first time.
    async fn visibility(&self) -> Result<TimeDelta, ApiError> {
        let ask = || async { Ok(self.jobs.attributes().await?.visibility) };
        self.visibility.get_or_try_init(ask).await.copied()
    }

    /// Out of its lane as it is, unread: whatever it did to a worker, it does to itself alone from now on. After that
    /// SQS's redrive policy ends it.
    pub async fn leave_lane(&self, message: &Received, clock: &Clock) -> Settled {
        let fifo = Fifo { group: format!("{ALONE}{}", message.id), deduplication: format!("{}-alone", message.id) };
        let alone = Message { body: message.body.clone(), fifo: Some(fifo), attributes: Vec::new() };
        let verdict = Verdict::unread(Word::LeftItsLane, message, "a worker may have died with it".into());
        let written = self.jobs.send(&alone).await.map(|()| After::Delete);
        Settled::written(verdict, written, slice::from_ref(message), clock)
    }

    /// Deletes what is settled. What cannot be deleted comes again, and is found to be done; what was deleted before is no
    /// matter.
    pub async fn delete(&self, handles: &[Handle], unsettled: &BTreeSet<MessageId>) {
        let settled = handles.iter().filter(|(id, _)| !unsettled.contains(id));
        let settled: Vec<&str> = settled.map(|(_, handle)| handle.as_str()).collect();
        let failed = self.jobs.delete(&settled).await.into_iter().map(|(_, error)| error);
        for error in failed.filter(|error| class(error) != Class::AlreadyDone) {
            warn!("{error}");
        }
    }

    /// The letter first: a report of a letter that is not there would send a person looking for nothing.
    async fn dead_letter(&self, letter: &Message, report: &Report) -> Result<(), ApiError> {
        self.dlq.send(letter).await?;
        self.tell(report).await
    }

    /// Gives messages back to the queue for `wait`. Should that fail, they come when their visibility times out.
    async fn hide(&self, messages: &[Received], wait: TimeDelta) -> After {
        for message in messages {
            if let Err(error) = self.jobs.hide(&message.receipt_handle, wait).await {
                warn!(sqs.message_id = message.id, "the message comes later than it should: {error}");
            }
        }
        After::Keep
    }
}

/// A job that waits as the same attempt, and has a group of its own already, is only hidden: the chain of messages to
/// the function's own queue must not grow (see [`MOST_SENDS`]).
fn is_waiting_alone(job: &Job, next: &Job, message: &Received) -> bool {
    let knows_why = next.attempt == job.attempt && job.failure.is_some();
    knows_why && !is_in_lane(message, job) && message.receives < MOST_RECEIVES
}

/// The longer it has waited, the longer it waits: a day of waiting must fit into the receives that the queue allows.
fn lengthened(wait: TimeDelta, receives: u32) -> TimeDelta {
    const LONGEST: TimeDelta = TimeDelta::minutes(15);
    wait.max((wait * 2_i32.pow(receives.saturating_sub(2).min(6))).min(LONGEST))
}

fn wait_of(next: &Job, clock: &Clock) -> TimeDelta {
    next.not_before.map_or(TimeDelta::zero(), |time| time - clock.now())
}

/// The names that Lambda gives the attributes of its own dead letters:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn attributes(class: Class, code: &str, message: &str) -> Vec<(&'static str, String)> {
    let message = if message.is_empty() { "no message" } else { message };
    let class = ("ErrorClass", class.to_string());
    vec![class, ("ErrorCode", code.into()), ("ErrorMessage", sqs_text(&shortened(message, 1000)))]
}
