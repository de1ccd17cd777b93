//! Lambda's events: batches of SQS, with anything in their bodies and in what SQS says of them.

use aws_lambda_events::sqs::SqsEvent;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use shared::vocabulary::job::Job;

use crate::jobs::JOBS;
use crate::mails::{REPORTS, TOPIC, is_unreadable};
use crate::mutation::{Input, mutated};
use crate::{Least, Reached, fuzz};

/// As AWS's manual has it: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
fn event(bodies: &[&str]) -> String {
    let records = bodies.iter().enumerate().map(|(number, body)| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-66197571a7a{number}"), "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxla",
            "body": body, "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "messageAttributes": {"ErrorCode":
                {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"}},
            "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1545082649183", "SequenceNumber": "18849496460467696128",
                "MessageGroupId": "123456789012/eu-central-1/snapshot", "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "MessageDeduplicationId": "1", "ApproximateFirstReceiveTimestamp": "1545082649185"},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:jobs.fifo", "awsRegion": "eu-central-1",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}

#[test]
fn an_event_is_read_message_by_message() {
    let bodies = mutated(JOBS.iter().chain(&REPORTS).map(|text| String::from(*text)).collect());
    let envelopes = (vec(bodies, 1..4)).prop_flat_map(|bodies| {
        let bodies: Vec<String> =
            bodies.iter().map(|Input(bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        prop_oneof![1 => Just(Input(event(&bodies).into_bytes())), 3 => mutated(vec![event(&bodies)])]
    });
    fuzz("events", &envelopes, Least { inside: 50, the_end: 30 }, |input| check(&input));
}

fn check(Input(bytes): &Input) -> Result<Reached, TestCaseError> {
    let Ok(event) = serde_json::from_slice::<SqsEvent>(bytes) else { return Ok(Reached::Nothing) };
    let mut reached = Reached::Inside;
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        let (received, news) = (worker::received(message.clone()), notifier::news(message, TOPIC));
        // Without an id the whole batch comes again, rather than one message be lost.
        prop_assert_eq!(news.is_ok(), !id.is_empty());
        let Ok(received) = received else { continue };
        prop_assert!(received.id == id && !id.is_empty() && received.receives >= 1, "{received:?}");
        let news = news.unwrap();
        prop_assert!(news.iter().all(|news| news.message == id), "{news:?}");
        if Job::parse(&received.body).is_ok() || !news.iter().any(is_unreadable) {
            reached = Reached::TheEnd;
        }
    }
    Ok(reached)
}
