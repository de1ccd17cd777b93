//! A call of SQS, as far as the proxy reads it.

use axum::http::HeaderMap;
use serde_json::{Value, json};

/// A call of SQS.
pub(super) struct Call {
    pub action: String,
    pub body: Value,
}

/// Who calls what: the application's name in the SDK's user agent, and the action as IAM knows it, which has no batches.
/// The service stands in the signature, the action in a header or in the form that is sent.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html>
pub(super) fn caller(headers: &HeaderMap, body: &[u8]) -> Option<(String, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let words = |name| header(name).into_iter().flat_map(|text| text.split(' '));
    let application =
        words("user-agent").chain(words("x-amz-user-agent")).find_map(|word| word.strip_prefix("app/"))?;
    let service = header("authorization")?.split('/').nth(3)?;
    let form = form_urlencoded::parse(body).find(|(name, _)| name == "Action").map(|(_, action)| action.into_owned());
    let target = header("x-amz-target").and_then(|target| target.split('.').nth(1)).map(String::from);
    let action = target.or(form)?;
    let action = action.strip_suffix("Batch").unwrap_or(&action);
    Some((application.into(), format!("{service}:{action}")))
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
