//! The notifier: reports in, one message a policy out, for people to read.
//!
//! [`Notifier::handle`] is the Lambda; [`digest`] is its pure half, and what the operator's tool prints.
//!
//! Never more than one message about a policy in five minutes: reports that come sooner are hidden in their queue until
//! the time is over. What was told when is kept in memory, for there is no database. The rule is strict where the
//! function has one environment (a reserved concurrency of one) and its mapping a batching window, so that a burst is
//! one batch; each further environment may tell once more, and one that has just started has forgotten what was told.
//!
//! Nothing is lost: a report leaves the queue only after SNS has taken the message that tells of it. That needs a queue
//! whose redrive policy, if it has one, allows more receives than SNS can be away for.

pub mod digest;
mod inbox;
mod incoming;
mod quiet;
mod rest;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::Diagnostic;
use shared::aws::Aws;
use shared::aws::sns::Topic;
use shared::aws::sqs::Queue;
use shared::config;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::digest::{Alert, News, alerts};
use crate::inbox::{Inbox, Origin};
use crate::incoming::Incoming;
use crate::quiet::Quiet;

/// What a message of Lambda's event tells. `topic` is where we publish: what comes from there is no news.
pub fn news(message: SqsMessage, topic: &str) -> Result<Vec<News>, Diagnostic> {
    Ok(Incoming::of_event(message, topic)?.news)
}

/// The notifier Lambda.
#[derive(Debug)]
pub struct Notifier {
    topic: Topic,
    /// Where the reports come from; without it, only Lambda's event is told.
    reports: Option<Queue>,
    quiet: Mutex<Quiet>,
}

/// What there was no time for comes again after so long.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);

impl Notifier {
    /// Reads the environment and makes the clients: once for each cold start.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let config = config::Notifier::from_env()?;
        let aws = Aws::from_env().await;
        Ok(Self {
            topic: aws.topic(&config.topic_arn),
            reports: config.reports_queue_url.as_deref().map(|url| aws.queue(url)),
            quiet: Mutex::new(Quiet::new(config.interval)),
        })
    }

    /// Publishes one message for each policy in the batch and what else is on the queue, within `remaining`, and answers
    /// with the reports of the batch that nobody was told of: they come again. What cannot be read is told as it is,
    /// rather than lost.
    pub async fn handle(
        &self,
        event: SqsEvent,
        now: DateTime<Utc>,
        remaining: Duration,
    ) -> Result<SqsBatchResponse, Diagnostic> {
        let started = Instant::now();
        let (mut inbox, mut news) = (Inbox::default(), Vec::new());
        for message in event.records {
            news.extend(inbox.add(Incoming::of_event(message, self.topic.arn())?, Origin::Event));
        }
        if let Some(queue) = &self.reports {
            // A third of the time to take, a third to publish, a third to delete.
            for message in rest::take(queue, self.topic.arn(), started + remaining / 3, remaining).await {
                news.extend(inbox.add(message, Origin::Queue));
            }
            rest::delete(queue, &inbox.to_delete(inbox.without_news())).await;
        }
        for alert in alerts(news) {
            let is_late = started.elapsed() > remaining * 2 / 3;
            match self.tell(&alert, now + started.elapsed(), is_late).await {
                Ok(()) => {
                    self.quiet().told(&alert.policy, now + started.elapsed());
                    inbox.done(&alert.messages);
                }
                Err(wait) => self.hide(&inbox.handles(&alert.messages), wait).await,
            }
            self.delete(&inbox.to_delete(&alert.messages)).await;
        }
        Ok(inbox.response())
    }

    /// Tells people, unless they have been told of the policy a moment ago. If not now, then in how long.
    async fn tell(&self, alert: &Alert, now: DateTime<Utc>, is_late: bool) -> Result<(), TimeDelta> {
        let reports = alert.messages.len();
        if let Some(left) = self.quiet().left(&alert.policy, now) {
            info!(reports, "people hear of it in {} seconds: {}", left.num_seconds(), alert.subject);
            return Err(left);
        }
        if is_late {
            warn!(reports, "people hear of it next time, for lack of time: {}", alert.subject);
            return Err(AGAIN_AFTER);
        }
        if let Err(error) = self.topic.publish(&alert.subject, &alert.text, &alert.attributes).await {
            error!(reports, "nobody was told, the reports come again: {error}");
            // Each try costs the reports a receive, and one without an answer may have reached the people.
            let mut quiet = self.quiet();
            quiet.told(&alert.policy, now);
            return Err(quiet.left(&alert.policy, now).unwrap_or(AGAIN_AFTER));
        }
        info!(reports, "published: {}", alert.subject);
        Ok(())
    }

    async fn hide(&self, handles: &[&str], wait: TimeDelta) {
        if let Some(queue) = &self.reports {
            rest::hide(queue, handles, wait).await;
        }
    }

    async fn delete(&self, handles: &[&str]) {
        if let Some(queue) = &self.reports {
            rest::delete(queue, handles).await;
        }
    }

    fn quiet(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
