//! A queue of SQS.

use std::collections::{BTreeMap, HashMap};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    self, BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use chrono::{DateTime, TimeDelta, Utc};

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

/// A message that was received: it is hidden from others until its visibility timeout is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// The message id, the same each time that it is received.
    pub id: String,
    /// What it is deleted or hidden by: another one each time.
    pub receipt_handle: String,
    /// Its message group, in a FIFO queue.
    pub group: Option<String>,
    /// The body.
    pub body: String,
    /// How often it has been received, this time included.
    pub receives: u32,
    /// When it was received for the first time, in UTC.
    pub first_received: DateTime<Utc>,
    /// When it was sent, in UTC.
    pub sent: DateTime<Utc>,
    /// Its string attributes.
    pub attributes: BTreeMap<String, String>,
}

/// What a queue says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueAttributes {
    /// How long a received message is hidden, unless the receiver says otherwise.
    pub visibility: TimeDelta,
    /// How long a message is kept, from when it was sent.
    pub retention: TimeDelta,
    /// Messages, hidden ones too; SQS calls it approximate.
    pub messages: usize,
}

/// The attributes that tell a message's story.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
const GROUP: &str = "MessageGroupId";
const RECEIVES: &str = "ApproximateReceiveCount";
const FIRST_RECEIVED: &str = "ApproximateFirstReceiveTimestamp";
const SENT: &str = "SentTimestamp";

impl Received {
    /// A message and what SQS says of it, as they stand in an event of Lambda. What is missing is taken to be the
    /// first time.
    pub fn new(id: String, receipt_handle: String, body: String, says: &HashMap<String, String>) -> Self {
        let number = |name: &str| says.get(name).and_then(|text| text.parse::<i64>().ok());
        let time = |name: &str| number(name).and_then(DateTime::from_timestamp_millis).unwrap_or_default();
        Self {
            id,
            receipt_handle,
            group: says.get(GROUP).cloned(),
            body,
            receives: number(RECEIVES).and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1),
            first_received: time(FIRST_RECEIVED),
            sent: time(SENT),
            attributes: BTreeMap::new(),
        }
    }
}

/// Messages in a batch.
pub const MOST_IN_BATCH: usize = 10;
/// Bytes in a batch. SQS takes 1 MiB since August 2025; this is what every endpoint takes.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const LARGEST_BATCH: usize = 256 * 1024;
/// The longest that a received message can be hidden.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
pub const LONGEST_VISIBILITY: TimeDelta = TimeDelta::hours(12);
/// The longest that a receive waits for messages.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
pub const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(20);

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
        Ok(answer.failed.into_iter().filter_map(|entry| self.failed_entry("send to", 0, entry)).collect())
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
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds(time.min(LONGEST_VISIBILITY)));
        request.send().await.map_err(|error| api_error(&self.operation("give back a message to"), error))?;
        Ok(())
    }

    /// Waits up to `wait` for messages, and takes at most [`MOST_IN_BATCH`]; each is hidden for `visibility`, or for as
    /// long as the queue says.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
    pub async fn receive(&self, wait: TimeDelta, visibility: Option<TimeDelta>) -> Result<Vec<Received>, ApiError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MOST_IN_BATCH as i32)
            .wait_time_seconds(seconds(wait.min(LONGEST_WAIT)))
            .set_visibility_timeout(visibility.map(|time| seconds(time.min(LONGEST_VISIBILITY))))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.map_err(|error| api_error(&self.operation("receive from"), error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(received).collect())
    }

    /// Deletes received messages, and gives the index and the error of each that is still there.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html>
    pub async fn delete(&self, receipt_handles: &[&str]) -> Vec<(usize, ApiError)> {
        let mut failed = Vec::new();
        for (chunk, handles) in receipt_handles.chunks(MOST_IN_BATCH).enumerate() {
            let entries = handles.iter().enumerate().map(|(index, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(*handle);
                entry.build().expect("id and handle are set")
            });
            let request = self.client.delete_message_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(entries.collect())).send().await;
            let answer =
                answer.map(|answer| answer.failed).map_err(|error| api_error(&self.operation("delete from"), error));
            failed.extend(self.failed("delete from", chunk, handles.len(), answer));
        }
        failed
    }

    /// Hides received messages from now for `time`, and gives the index and the error of each that is not: it comes
    /// when its visibility times out.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>
    pub async fn hide_all(&self, receipt_handles: &[&str], time: TimeDelta) -> Vec<(usize, ApiError)> {
        let mut failed = Vec::new();
        for (chunk, handles) in receipt_handles.chunks(MOST_IN_BATCH).enumerate() {
            let entries = handles.iter().enumerate().map(|(index, handle)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(*handle).visibility_timeout(seconds(time.min(LONGEST_VISIBILITY)));
                entry.build().expect("id and handle are set")
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(entries.collect())).send().await;
            let answer =
                answer.map(|answer| answer.failed).map_err(|error| api_error(&self.operation("hide in"), error));
            failed.extend(self.failed("hide in", chunk, handles.len(), answer));
        }
        failed
    }

    /// What the queue says of itself.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html>
    pub async fn attributes(&self) -> Result<QueueAttributes, ApiError> {
        let request = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(QueueAttributeName::All);
        let answer = request.send().await.map_err(|error| api_error(&self.operation("look at"), error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name: QueueAttributeName| {
            attributes.get(&name).and_then(|text| text.parse::<u32>().ok()).unwrap_or_default()
        };
        let hidden = number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        Ok(QueueAttributes {
            visibility: TimeDelta::seconds(number(QueueAttributeName::VisibilityTimeout).into()),
            retention: TimeDelta::seconds(number(QueueAttributeName::MessageRetentionPeriod).into()),
            messages: (number(QueueAttributeName::ApproximateNumberOfMessages) + hidden) as usize,
        })
    }

    /// The queue's name: the last part of its URL.
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// The entries of a chunk of ten that failed, by their index among all.
    fn failed(
        &self,
        verb: &str,
        chunk: usize,
        entries: usize,
        answer: Result<Vec<BatchResultErrorEntry>, ApiError>,
    ) -> Vec<(usize, ApiError)> {
        let first = chunk * MOST_IN_BATCH;
        match answer {
            Err(error) => (0..entries).map(|index| (first + index, error.clone())).collect(),
            Ok(failed) => failed.into_iter().filter_map(|entry| self.failed_entry(verb, first, entry)).collect(),
        }
    }

    fn failed_entry(&self, verb: &str, first: usize, failed: BatchResultErrorEntry) -> Option<(usize, ApiError)> {
        let error = ApiError {
            operation: self.operation(verb),
            code: failed.code,
            message: failed.message.unwrap_or_default(),
            status: None,
            request_id: None,
        };
        Some((first + failed.id.parse::<usize>().ok()?, error))
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} the queue {}", self.name())
    }
}

impl Message {
    /// How much of a batch's bytes the message takes: attributes count.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len());
        self.body.len() + attributes.sum::<usize>()
    }
}

/// `text` with nothing in it that SQS refuses: it takes the characters of XML 1.0 only.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub fn sqs_text(text: &str) -> String {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{FFFD}' }).collect()
}

/// Whole seconds, rounded up: SQS knows no others.
#[expect(clippy::cast_possible_truncation, reason = "what SQS takes, hours at the most, fits")]
fn seconds(time: TimeDelta) -> i32 {
    time.max(TimeDelta::zero()).as_seconds_f64().ceil() as i32
}

fn received(message: types::Message) -> Received {
    let says = message.attributes.unwrap_or_default().into_iter();
    let says = says.map(|(name, value)| (String::from(name.as_str()), value)).collect();
    let (id, handle) = (message.message_id.unwrap_or_default(), message.receipt_handle.unwrap_or_default());
    let attributes = message.message_attributes.unwrap_or_default().into_iter();
    let attributes = attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect();
    Received { attributes, ..Received::new(id, handle, message.body.unwrap_or_default(), &says) }
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

fn attributes(message: &Message) -> HashMap<String, MessageAttributeValue> {
    let attributes = message.attributes.iter().map(|(name, value)| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        (String::from(*name), value.expect("the data type is set"))
    });
    attributes.collect()
}
