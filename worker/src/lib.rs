//! The worker: a batch of jobs in, snapshots out.
//!
//! [`Worker::handle`] is the Lambda: it reads messages, and settles with SQS what becomes of each. [`lanes`] is what it
//! does with the jobs in between, and what the operator's tool does without a queue.

mod clock;
pub mod lanes;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use lambda_runtime::Diagnostic;
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::job::{Job, Lane};
use shared::vocabulary::policy::Role;
use shared::vocabulary::problem::Problem;

pub use crate::clock::Clock;
use crate::lanes::Lanes;
use crate::settle::Settlement;

/// The worker Lambda.
#[derive(Debug)]
pub struct Worker {
    lanes: Lanes,
    settlement: Settlement,
}

/// A message, as far as it matters here.
#[derive(Debug, Clone)]
struct Received {
    id: String,
    receipt_handle: String,
    group: Option<String>,
    body: String,
}

/// No job is taken up in the last seconds before the deadline: a call may take 20, and settling a few more.
const LAST_SECONDS: Duration = Duration::from_secs(25);

impl Worker {
    /// Reads the environment and makes the clients: once for each cold start.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let config = config::Worker::from_env()?;
        let aws = Aws::from_env().await;
        let settlement = Settlement::new(&aws, &config);
        Ok(Self { lanes: Lanes::new(Arc::new(aws), config.lanes), settlement })
    }

    /// Works through a batch within `remaining`, and answers with the messages that must come again.
    ///
    /// A message is left out of the answer, and so acknowledged by Lambda, only when what becomes of its job is
    /// written down elsewhere: a snapshot, a message for the next attempt, or a dead letter and a report.
    pub async fn handle(
        &self,
        event: SqsEvent,
        now: DateTime<Utc>,
        remaining: Duration,
    ) -> Result<SqsBatchResponse, Diagnostic> {
        let clock = Clock::start(now);
        let stop = clock.after(remaining.saturating_sub(LAST_SECONDS.min(remaining / 2)));
        let received = event.records.into_iter().map(received).collect::<Result<Vec<_>, _>>()?;
        let mut unsettled = Vec::new();
        let mut work = Work::default();
        for message in received {
            match Job::parse(&message.body) {
                Err(problem) => unsettled.extend(self.settlement.unreadable(&message, &problem, now).await.err()),
                Ok(job) if job.not_before.is_some_and(|time| time > now) => {
                    unsettled.push(self.settlement.wait(&message, &job, now).await);
                }
                Ok(job) => work.add(job, message),
            }
        }
        let Work { groups, mut messages } = work;
        let steps =
            groups.into_iter().map(|((lane, role), jobs)| Box::pin(self.lanes.perform(lane, role, jobs, clock, stop)));
        let mut steps = stream::select_all(steps);
        let mut settling = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((job, step)) = steps.next() => {
                    let of_job = messages.remove(&job.id).unwrap_or_default();
                    settling.push(self.settlement.settle(of_job, job, step, &clock));
                }
                Some(not_settled) = settling.next() => unsettled.extend(not_settled),
                else => break,
            }
        }
        // There should be none. What nobody has spoken for must come again, not be acknowledged.
        unsettled.extend(messages.into_values().flatten().map(|message| message.id));
        let mut response = SqsBatchResponse::default();
        unsettled.into_iter().for_each(|message_id| response.add_failure(message_id));
        Ok(response)
    }
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

/// Without its id a message could not be given back alone, and an empty id would give back the whole batch.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
fn received(message: SqsMessage) -> Result<Received, Diagnostic> {
    let diagnostic = |name| Diagnostic {
        error_type: "BadEvent".into(),
        error_message: Problem::missing(name, "what SQS gives every message").to_string(),
    };
    Ok(Received {
        id: message.message_id.filter(|id| !id.is_empty()).ok_or_else(|| diagnostic("messageId"))?,
        receipt_handle: message.receipt_handle.ok_or_else(|| diagnostic("receiptHandle"))?,
        group: message.attributes.get("MessageGroupId").cloned(),
        body: message.body.unwrap_or_default(),
    })
}
