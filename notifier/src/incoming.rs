//! What lies on the reports queue: reports of ours, and what EventBridge, CloudWatch and SNS put there.

mod events;

use aws_lambda_events::sqs::SqsMessage;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::Value;
use shared::aws::sqs::Received;
use shared::vocabulary::problem::{Problem, shortened};
use shared::vocabulary::report::Report;

use crate::digest::{News, Subject};

/// A message of the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub id: String,
    /// By what it is hidden or deleted.
    pub receipt_handle: String,
    /// Nothing where there is nothing to tell.
    pub news: Vec<News>,
}

impl Incoming {
    /// Reads a message of Lambda's event. `topic` is where we publish.
    pub fn of_event(message: SqsMessage, topic: &str) -> Result<Self, Diagnostic> {
        let id = message.message_id.filter(|id| !id.is_empty()).ok_or_else(|| Diagnostic {
            error_type: "BadEvent".into(),
            error_message: Problem::missing("messageId", "what SQS gives every message").to_string(),
        })?;
        // It is needed only to hide the message: without it, it comes when its visibility times out.
        let handle = message.receipt_handle.unwrap_or_default();
        Ok(Self::new(id, handle, &message.body.unwrap_or_default(), topic))
    }

    /// Reads a message that we have received ourselves.
    pub fn of_queue(message: Received, topic: &str) -> Self {
        Self::new(message.id, message.receipt_handle, &message.body, topic)
    }

    fn new(id: String, receipt_handle: String, body: &str, topic: &str) -> Self {
        let news = subjects(body, topic).into_iter().map(|subject| News { message: id.clone(), subject }).collect();
        Self { id, receipt_handle, news }
    }
}

fn subjects(body: &str, topic: &str) -> Vec<Subject> {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let found = match notification(&value) {
        // Whoever reads the topic has read it there. Told again, it would come again, and so on for ever.
        Some(_) if value["TopicArn"] == topic => Some(Vec::new()),
        Some(message) => of_value(&serde_json::from_str(message).unwrap_or_default()),
        None => of_value(&value),
    };
    // As much as a mail shows: thousands of large ones must fit into a small function.
    found.unwrap_or_else(|| vec![Subject::Unreadable(shortened(body, 2000))])
}

/// What SNS delivers, in its envelope: the queue may be subscribed to a topic.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html>
fn notification(value: &Value) -> Option<&str> {
    (value["Type"] == "Notification").then(|| value["Message"].as_str())?
}

/// Nothing where nobody understands it.
fn of_value(value: &Value) -> Option<Vec<Subject>> {
    if let Ok(report) = Report::deserialize(value) {
        return Some(vec![Subject::Report(without_history(report))]);
    }
    events::subjects(value)
}

/// A digest tells how many attempts there were. The story of each stands in the dead letter, and ten thousand of them
/// would fill the function's memory.
fn without_history(mut report: Report) -> Report {
    if let Report::DeadLetter(letter) = &mut report {
        letter.failure.attempts = Vec::new();
    }
    report
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::AlarmState;

    const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:snapkeep";

    fn enveloped(message: &str, topic: &str) -> String {
        json!({"Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": message, "SignatureVersion": "1",
            "Timestamp": "2026-11-20T02:00:00.000Z", "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/"})
        .to_string()
    }

    const ALARM: &str = r#"{"AlarmName":"dlq","NewStateValue":"ALARM","NewStateReason":"x","Region":"EU (Frankfurt)"}"#;

    #[test]
    fn what_cannot_be_read_is_told_as_it_is() {
        let bodies = ["", "hello", "{}", "[1]", "null", r#"{"report":"new-kind","version":2}"#];
        let events = [r#"{"detail-type":"CloudWatch Alarm State Change","detail":{"state":{"value":"NEW"}}}"#];
        let enveloped = [enveloped("hello", "arn:aws:sns:eu-central-1:123456789012:other")];
        for body in bodies.into_iter().chain(events).chain(enveloped.iter().map(String::as_str)) {
            assert_eq!(subjects(body, TOPIC), [Subject::Unreadable(body.into())]);
        }
    }

    #[test]
    fn an_alarm_is_understood_as_it_is_and_in_the_envelope_of_sns() {
        for body in [ALARM.into(), enveloped(ALARM, "arn:aws:sns:eu-central-1:123456789012:alarms")] {
            let found = subjects(&body, TOPIC);
            let [Subject::Alarm(alarm)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((alarm.name.as_str(), alarm.state), ("dlq", AlarmState::Alarm));
        }
    }

    #[test]
    fn what_we_have_published_ourselves_is_not_told_again() {
        assert_eq!(subjects(&enveloped("snapkeep daily: 1 volume not backed up", TOPIC), TOPIC), []);
        assert_eq!(subjects(&enveloped(ALARM, TOPIC), TOPIC), []);
    }
}
