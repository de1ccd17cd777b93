//! Settling with SQS: what becomes of a job is written down before its message is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use shared::aws::Aws;
use shared::aws::sqs::{Fifo, Message, Queue, Received, sqs_text};
use shared::config;
use shared::rules::fate::{self, UNREADABLE};
use shared::rules::hold::{hold, was_let_go};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::class::Class;
use shared::vocabulary::job::{Failure, Job, Lane};
use shared::vocabulary::problem::{Problem, shortened};
use shared::vocabulary::report::{self, DeadLetter, LaneHeld, LaneResumed, Report, Resolved, Unreadable};
use shared::vocabulary::tag;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::lanes::{LAST_TRY, Outcome, Pruned, Step};
use crate::{ALONE, Handle, Held, HeldLanes, MessageId, is_in_lane, is_of_a_lane};

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

    /// Settles the step of one job, and gives the messages that must come again. Of a message that came twice, the
    /// first says what is written, so that two workers with the same message write the same.
    pub async fn settle(&self, messages: Vec<Received>, job: Job, step: Step, clock: &Clock) -> Vec<MessageId> {
        let Some(message) = messages.first() else { return Vec::new() };
        let settled = match &step {
            Step::Finished(outcome) => {
                log_finished(&job, outcome, clock);
                self.resolved(&job, outcome, clock).await
            }
            Step::Again(next) if is_waiting_alone(&job, next, message) => {
                let left = job.give_up_at.map_or(TimeDelta::MAX, |deadline| deadline - clock.now());
                return self.hide(&messages, lengthened(wait_of(next, clock), message.receives).min(left)).await;
            }
            Step::Again(next) | Step::Held(next) => self.again(next, message).await,
            Step::Dead(dead) => self.dead(dead, message).await,
            Step::HandedBack { deleted } if is_in_lane(message, &job) && job.sends < MOST_SENDS => {
                self.later(&job, *deleted, job.lane().to_string(), message).await
            }
            Step::HandedBack { deleted } if message.receives >= MOST_RECEIVES => {
                self.later(&job, *deleted, job.id.clone(), message).await
            }
            Step::HandedBack { .. } => {
                return self.hide(&messages, lengthened(A_MOMENT, message.receives)).await;
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
            attributes: attributes(Class::Poison, UNREADABLE, &problem.to_string()),
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
        self.send(next, fifo).await
    }

    /// To the end of its lane, or of its own group, as a new message: were it only hidden, it would look like one that a
    /// worker died with, and use up its receives.
    async fn later(&self, job: &Job, deleted: usize, group: String, message: &Received) -> Result<(), ApiError> {
        info!(job.id, volume.id = job.volume, "{} goes to the end of {group}, for lack of time", job.place());
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
        let report = Report::Resolved(Resolved {
            version: report::VERSION,
            action: job.action,
            job: job.id.clone(),
            policy: job.policy.clone(),
            slot: job.slot,
            account: job.account.clone(),
            region: job.region.clone(),
            volume: job.volume.clone(),
            name: job.tags.get(tag::NAME).cloned(),
            outcome: outcome.to_string(),
            failed: failure.first,
            at: clock.now(),
        });
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
    pub async fn leave_lane(&self, message: &Received) -> Result<(), MessageId> {
        warn!(sqs.message_id = message.id, receives = message.receives, "a message that was let go leaves its lane");
        let fifo = Fifo { group: format!("{ALONE}{}", message.id), deduplication: format!("{}-alone", message.id) };
        let alone = Message { body: message.body.clone(), fifo: Some(fifo), attributes: Vec::new() };
        self.jobs.send(&alone).await.map_err(|error| {
            error!(sqs.message_id = message.id, "it stays in its lane for this time: {error}");
            message.id.clone()
        })
    }

    /// Deletes what is settled before a message is taken up that may be deadly. What cannot be deleted comes again, and
    /// is found to be done.
    pub async fn delete(&self, handles: &[Handle], unsettled: &BTreeSet<MessageId>) {
        let settled = handles.iter().filter(|(id, _)| !unsettled.contains(id));
        let settled: Vec<&str> = settled.map(|(_, handle)| handle.as_str()).collect();
        for (_, error) in self.jobs.delete(&settled).await {
            warn!("{error}");
        }
    }

    /// The lanes that must wait, and those that go on.
    pub async fn lanes(&self, lanes: HeldLanes, clock: &Clock) -> Vec<MessageId> {
        for (lane, (job, since)) in lanes.resumed.iter().filter(|(lane, _)| !lanes.held.contains_key(lane)) {
            self.resumed(lane, job, *since, clock.now()).await;
        }
        let mut unsettled = Vec::new();
        for (lane, jobs) in lanes.held {
            unsettled.extend(self.held(&lane, jobs, clock).await);
        }
        unsettled
    }

    /// The jobs of a lane that must wait. One report goes out, the first time; a message in the lane stays at its head,
    /// hidden, so that the lane is locked; the others wait under their own groups.
    async fn held(&self, lane: &Lane, jobs: Vec<Held>, clock: &Clock) -> Vec<MessageId> {
        if let Some(Held { next, .. }) = jobs.first()
            && is_news(&jobs)
            && !self.has_told(lane, clock.now())
            && let Err(error) = self.tell_held(lane, next, clock).await
        {
            // They come again, are news again, and somebody is told then.
            error!("nobody was told that the lane {lane} is held: {error}");
            return jobs.into_iter().flat_map(|held| held.messages).map(|message| message.id).collect();
        }
        let visibility = self.visibility().await.unwrap_or(DEFAULT_VISIBILITY);
        let mut unsettled = Vec::new();
        for Held { messages, job, next } in jobs {
            let Some(message) = messages.first() else { continue };
            let left = next.give_up_at.map_or(TimeDelta::MAX, |deadline| deadline - LAST_TRY - clock.now());
            let wait = hold(visibility, message.receives).min(left);
            if is_in_lane(message, &job) && !makes_room(message, &next) {
                unsettled.extend(self.hide(&messages, wait).await);
            } else {
                let next = Box::new(Job { not_before: Some(clock.now() + wait), ..*next });
                unsettled.extend(self.settle(messages, job, Step::Again(next), clock).await);
            }
        }
        unsettled
    }

    /// Whether this process has told of the lane not long ago.
    fn has_told(&self, lane: &Lane, now: DateTime<Utc>) -> bool {
        const LONG_AGO: TimeDelta = TimeDelta::hours(4);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now - *at < LONG_AGO);
        told.contains_key(lane)
    }

    fn note_told(&self, lane: &Lane, at: Option<DateTime<Utc>>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => drop(told.insert(lane.clone(), at)),
            None => drop(told.remove(lane)),
        }
    }

    async fn tell_held(&self, lane: &Lane, next: &Job, clock: &Clock) -> Result<(), ApiError> {
        let Some(failure) = &next.failure else { return Ok(()) };
        error!(
            job.id = next.id,
            policy.name = next.policy,
            account = next.account,
            region = next.region,
            error.code = failure.code,
            "the lane {lane} is held until a person mends it: {}",
            reason(failure),
        );
        self.tell(&Report::LaneHeld(LaneHeld {
            version: report::VERSION,
            action: next.action,
            policy: next.policy.clone(),
            slot: next.slot,
            account: next.account.clone(),
            region: next.region.clone(),
            class: failure.class.unwrap_or(Class::Configuration),
            code: failure.code.clone(),
            message: failure.message.clone(),
            request_id: failure.request_id.clone(),
            give_up_at: next.give_up_at,
            at: clock.now(),
        }))
        .await?;
        self.note_told(lane, Some(clock.now()));
        Ok(())
    }

    /// Good news that does not arrive is no loss: what was done is done.
    async fn resumed(&self, lane: &Lane, job: &Job, since: DateTime<Utc>, now: DateTime<Utc>) {
        info!(account = job.account, region = job.region, "the lane {lane} goes on");
        self.note_told(lane, None);
        let report = Report::LaneResumed(LaneResumed {
            version: report::VERSION,
            action: job.action,
            policy: job.policy.clone(),
            account: job.account.clone(),
            region: job.region.clone(),
            since,
            at: now,
        });
        if let Err(error) = self.tell(&report).await {
            warn!("nobody was told that the lane {lane} goes on: {error}");
        }
    }

    /// The letter first: a report of a letter that is not there would send a person looking for nothing.
    async fn dead_letter(&self, letter: &Message, report: &Report) -> Result<(), ApiError> {
        self.dlq.send(letter).await?;
        self.tell(report).await
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

/// SQS's own, where the queue would not say.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
const DEFAULT_VISIBILITY: TimeDelta = TimeDelta::seconds(30);

/// Whether people should hear that a lane is held. In the lane it is news the first time that a batch of it finds it so:
/// where one of its messages has been here before, it was told then. Outside, it is news the first time that a job
/// fails in this way. A lane that only EC2's own failures hold is news when they last: after three tries, some twenty
/// minutes. What lasts is told again from time to time, should nobody have heard of it.
fn is_news(jobs: &[Held]) -> bool {
    const AGAIN: u32 = 10;
    let class = |job: &Job| job.failure.as_ref().and_then(|failure| failure.class);
    let is_outage = jobs.iter().all(|held| matches!(class(&held.next), Some(Class::Transient | Class::Ambiguous)));
    let in_lane = jobs.iter().filter_map(|held| held.messages.first().filter(|message| is_in_lane(message, &held.job)));
    match in_lane.map(|message| message.receives).max() {
        receives if is_outage => receives == Some(4),
        Some(receives) => receives == 1 || receives.is_multiple_of(AGAIN),
        None => jobs.iter().any(|held| held.job.told || class(&held.job) != class(&held.next)),
    }
}

/// Whether a message that has been held for a while leaves the head of its lane and waits outside: the error may be of
/// these volumes only, and those behind them are to find out.
fn makes_room(message: &Received, next: &Job) -> bool {
    const LONG_ENOUGH: u32 = 4;
    let is_about_the_lane = next
        .failure
        .as_ref()
        .is_some_and(|failure| failure.class != Some(Class::Configuration) || fate::is_about_the_lane(&failure.code));
    message.receives >= LONG_ENOUGH && !is_about_the_lane
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
