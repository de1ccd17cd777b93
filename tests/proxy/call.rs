//! A call of SQS, as far as the proxy reads it.

use axum::http::HeaderMap;
use serde_json::{Value, json};

/// A call of SQS.
pub(super) struct Call {
    pub action: String,
    pub body: Value,
}

impl Call {
    /// SQS speaks JSON, and names the action in a header:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let action = headers.get("x-amz-target")?.to_str().ok()?.strip_prefix("AmazonSQS.")?;
        Some(Self { action: action.into(), body: serde_json::from_slice(body).ok()? })
    }

    pub fn queue(&self) -> &str {
        self.body["QueueUrl"].as_str().unwrap_or_default()
    }

    /// The messages that it sends, each as a call of its own.
    pub fn messages(&self) -> Vec<Value> {
        let sends = |body: &Value| {
            json!({
                "QueueUrl": self.queue(), "MessageBody": body["MessageBody"],
                "MessageGroupId": body["MessageGroupId"], "MessageDeduplicationId": body["MessageDeduplicationId"],
            })
        };
        match self.action.as_str() {
            "SendMessage" => vec![sends(&self.body)],
            "SendMessageBatch" => self.body["Entries"].as_array().unwrap().iter().map(sends).collect(),
            _ => Vec::new(),
        }
    }
}
