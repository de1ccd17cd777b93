//! A topic of SNS.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;

use super::error::api_error;
use crate::vocabulary::api_error::ApiError;

/// A topic of SNS.
#[derive(Debug, Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    pub(super) fn new(config: &SdkConfig, arn: &str) -> Self {
        Self { client: Client::new(config), arn: arn.into() }
    }

    /// Publishes a message. The subject is what an e-mail shows: printable ASCII, fewer than 100 characters.
    /// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
    pub async fn publish(&self, subject: &str, text: &str) -> Result<(), ApiError> {
        let request = self.client.publish().topic_arn(&self.arn).subject(subject).message(text);
        request.send().await.map_err(|error| api_error(&format!("publish to {}", self.arn), error))?;
        Ok(())
    }
}
