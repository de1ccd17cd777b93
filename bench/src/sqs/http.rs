//! The queues over HTTP, in SQS's JSON protocol:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Queues;
use super::queue::{Message, Queue};

/// The largest batch that SQS takes.
const LARGEST: usize = 1 << 20;

pub(super) fn router(queues: Arc<Queues>) -> Router {
    Router::new().route("/", post(answer)).layer(DefaultBodyLimit::max(2 * LARGEST)).with_state(queues)
}

async fn answer(State(queues): State<Arc<Queues>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    sleep(queues.latency).await;
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default();
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let name = request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    let mut state = queues.state();
    state.count(action);
    if action == "GetQueueUrl" {
        let name = request["QueueName"].as_str().unwrap_or_default();
        return (StatusCode::OK, json!({"QueueUrl": format!("{}/{name}", queues.url)}).to_string());
    }
    match perform(state.queue(name), action, &request, Instant::now()) {
        Some(answer) => (StatusCode::OK, answer.to_string()),
        None => {
            let message = format!("this SQS does not know {action}");
            let error = json!({"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": message});
            (StatusCode::BAD_REQUEST, error.to_string())
        }
    }
}

fn perform(queue: &mut Queue, action: &str, request: &Value, now: Instant) -> Option<Value> {
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(match action {
        "SendMessage" => send(queue, request, now),
        "SendMessageBatch" => done(entries, |entry| send(queue, entry, now)),
        "DeleteMessage" => delete(queue, request),
        "DeleteMessageBatch" => done(entries, |entry| delete(queue, entry)),
        "ChangeMessageVisibility" => hide(queue, request, now),
        "ChangeMessageVisibilityBatch" => done(entries, |entry| hide(queue, entry, now)),
        "GetQueueAttributes" => attributes(queue),
        _ => return None,
    })
}

/// Each entry's answer, with its id.
fn done(entries: &[Value], mut perform: impl FnMut(&Value) -> Value) -> Value {
    let answers = entries.iter().map(|entry| {
        let mut answer = perform(entry);
        answer["Id"] = entry["Id"].clone();
        answer
    });
    json!({"Successful": answers.collect::<Vec<_>>(), "Failed": []})
}

fn send(queue: &mut Queue, entry: &Value, now: Instant) -> Value {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_string();
    let message = Message::new(text("MessageBody"), text("MessageGroupId"));
    let id = queue.add(message, entry["MessageDeduplicationId"].as_str(), now);
    json!({"MessageId": id, "MD5OfMessageBody": ""})
}

fn delete(queue: &mut Queue, entry: &Value) -> Value {
    queue.delete(entry["ReceiptHandle"].as_str().unwrap_or_default());
    json!({})
}

fn hide(queue: &mut Queue, entry: &Value, now: Instant) -> Value {
    let time = Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap_or_default());
    queue.hide(entry["ReceiptHandle"].as_str().unwrap_or_default(), time, now);
    json!({})
}

fn attributes(queue: &Queue) -> Value {
    let visible = queue.len() - queue.hidden();
    json!({"Attributes": {
        "VisibilityTimeout": queue.kind.visibility.as_secs().to_string(),
        "MessageRetentionPeriod": "345600",
        "ApproximateNumberOfMessages": visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": queue.hidden().to_string(),
    }})
}
