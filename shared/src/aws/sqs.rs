//! A queue of SQS.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use chrono::TimeDelta;

use super::error::api_error;
use crate::vocabulary::api_error::ApiError;

/// A queue of SQS.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The body.
    pub body: String,
    /// For a FIFO queue: the message group and the deduplication id.
    pub fifo: Option<Fifo>,
    /// String attributes, for whoever looks at the queue without reading bodies.
    pub attributes: Vec<(&'static str, String)>,
}

/// What a FIFO queue orders and deduplicates by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    /// `MessageGroupId`: one batch of a group is out at a time.
    pub group: String,
    /// `MessageDeduplicationId`: for five minutes, a second message with it is taken and not delivered.
    pub deduplication: String,
}

/// Messages in a batch.
pub const MOST_IN_BATCH: usize = 10;
/// Bytes in a batch. SQS takes 1 MiB since August 2025; this is what every endpoint takes.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const LARGEST_BATCH: usize = 256 * 1024;
/// The longest that a received message can be hidden.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
pub const LONGEST_VISIBILITY: TimeDelta = TimeDelta::hours(12);

impl Queue {
    pub(super) fn new(config: &SdkConfig, url: &str) -> Self {
        Self { client: Client::new(config), url: url.into() }
    }

    /// Sends at most [`MOST_IN_BATCH`] messages, and gives the index and the error of each that SQS did not take:
    /// its answer may be a success and hold failures.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
    pub async fn send_batch(&self, messages: &[Message]) -> Result<Vec<(usize, ApiError)>, ApiError> {
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = request.send().await.map_err(|error| api_error(&self.operation("send to"), error))?;
        let failed = answer.failed.into_iter().filter_map(|failed| {
            let error = ApiError {
                operation: self.operation("send to"),
                code: failed.code,
                message: failed.message.unwrap_or_default(),
                status: None,
                request_id: None,
            };
            Some((failed.id.parse().ok()?, error))
        });
        Ok(failed.collect())
    }

    /// Sends one message.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
    pub async fn send(&self, message: &Message) -> Result<(), ApiError> {
        let fifo = message.fifo.as_ref();
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(&message.body)
            .set_message_group_id(fifo.map(|fifo| fifo.group.clone()))
            .set_message_deduplication_id(fifo.map(|fifo| fifo.deduplication.clone()))
            .set_message_attributes(Some(attributes(message)));
        request.send().await.map_err(|error| api_error(&self.operation("send to"), error))?;
        Ok(())
    }

    /// Hides a received message from now for `time`; none at all gives it back at once.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
    pub async fn hide(&self, receipt_handle: &str, time: TimeDelta) -> Result<(), ApiError> {
        let seconds = time.clamp(TimeDelta::zero(), LONGEST_VISIBILITY).as_seconds_f64().ceil();
        #[expect(clippy::cast_possible_truncation, reason = "12 hours of seconds fit")]
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds as i32);
        request.send().await.map_err(|error| api_error(&self.operation("give back a message to"), error))?;
        Ok(())
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} the queue {}", self.url.rsplit('/').next().unwrap_or_default())
    }
}

impl Message {
    /// How much of a batch's bytes the message takes: attributes count.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }
}

fn entry(index: usize, message: &Message) -> SendMessageBatchRequestEntry {
    let fifo = message.fifo.as_ref();
    let entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .set_message_group_id(fifo.map(|fifo| fifo.group.clone()))
        .set_message_deduplication_id(fifo.map(|fifo| fifo.deduplication.clone()))
        .set_message_attributes(Some(attributes(message)));
    entry.build().expect("id and body are set")
}

fn attributes(message: &Message) -> std::collections::HashMap<String, MessageAttributeValue> {
    let attributes = message.attributes.iter().map(|(name, value)| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        (String::from(*name), value.expect("the data type is set"))
    });
    attributes.collect()
}
