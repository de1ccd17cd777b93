//! The notifier: reports in, one message a policy out, for people to read.
//!
//! [`Notifier::handle`] is the Lambda; [`digest`] is its pure half, and what the operator's tool prints.

pub mod digest;
mod incoming;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::Diagnostic;
use shared::aws::Aws;
use shared::aws::sns::Topic;
use shared::config;
use tracing::{error, info};

use crate::digest::{Alert, alerts};
use crate::incoming::Incoming;

/// The notifier Lambda.
#[derive(Debug)]
pub struct Notifier {
    topic: Topic,
}

impl Notifier {
    /// Reads the environment and makes the client: once for each cold start.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let config = config::Notifier::from_env()?;
        Ok(Self { topic: Aws::from_env().await.topic(&config.topic_arn) })
    }

    /// Publishes one message for each policy in the batch, and answers with the reports that nobody was told of:
    /// they come again. What cannot be read is told as it is, rather than lost.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, Diagnostic> {
        let mut incoming = Vec::new();
        for message in event.records {
            incoming.push(Incoming::read(message)?);
        }
        let mut response = SqsBatchResponse::default();
        for alert in alerts(incoming.into_iter().filter_map(Incoming::news).collect()) {
            if let Err(error) = self.publish(&alert).await {
                error!("nobody was told of {} reports, they come again: {error}", alert.messages.len());
                alert.messages.into_iter().for_each(|id| response.add_failure(id));
            }
        }
        Ok(response)
    }

    async fn publish(&self, alert: &Alert) -> Result<(), shared::vocabulary::api_error::ApiError> {
        self.topic.publish(&alert.subject, &alert.text).await?;
        info!(reports = alert.messages.len(), "published: {}", alert.subject);
        Ok(())
    }
}
