//! A call of SQS or EC2, as far as the proxy reads it.

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

/// A call.
pub(super) struct Call {
    pub action: String,
    pub body: Value,
    pub protocol: Protocol,
}

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// JSON, with the action in a header: SQS.
    Json,
    /// A form, with the action in it; answers in XML: EC2 and STS.
    Query,
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
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        Self::sqs(headers, body).or_else(|| Self::query(body))
    }

    /// SQS speaks JSON, and names the action in a header:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>
    fn sqs(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let action = headers.get("x-amz-target")?.to_str().ok()?.strip_prefix("AmazonSQS.")?;
        Some(Self { action: action.into(), body: serde_json::from_slice(body).ok()?, protocol: Protocol::Json })
    }

    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>
    fn query(body: &[u8]) -> Option<Self> {
        let fields = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), json!(value)));
        let body = Value::Object(fields.collect::<Map<_, _>>());
        Some(Self { action: body["Action"].as_str()?.into(), body, protocol: Protocol::Query })
    }

    /// What it is about: the queue's URL, or the volume.
    pub fn resource(&self) -> &str {
        let resource = ["QueueUrl", "VolumeId"].iter().find_map(|name| self.body[*name].as_str());
        resource.unwrap_or_default()
    }

    /// The messages that it sends, each as a call of its own.
    pub fn messages(&self) -> Vec<Value> {
        let sends = |body: &Value| {
            json!({
                "QueueUrl": self.resource(), "MessageBody": body["MessageBody"],
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
