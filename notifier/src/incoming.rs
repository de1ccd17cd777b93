//! What lies on the reports queue: reports of ours, and EventBridge's events about snapshots.

use aws_lambda_events::sqs::SqsMessage;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::Value;
use shared::vocabulary::problem::Problem;
use shared::vocabulary::report::Report;

use crate::digest::{EbsFailure, News, Subject};

/// One message of the batch.
#[derive(Debug)]
pub(crate) struct Incoming {
    id: String,
    /// Nothing where there is nothing to tell.
    subject: Option<Subject>,
}

impl Incoming {
    pub fn read(message: SqsMessage) -> Result<Self, Diagnostic> {
        let id = message.message_id.filter(|id| !id.is_empty()).ok_or_else(|| Diagnostic {
            error_type: "BadEvent".into(),
            error_message: Problem::missing("messageId", "what SQS gives every message").to_string(),
        })?;
        Ok(Self { id, subject: subject(&message.body.unwrap_or_default()) })
    }

    pub fn news(self) -> Option<News> {
        Some(News { message: self.id, subject: self.subject? })
    }
}

fn subject(body: &str) -> Option<Subject> {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    if let Ok(report) = Report::deserialize(&value) {
        return Some(Subject::Report(report));
    }
    match value.get("detail-type").and_then(Value::as_str) {
        Some("EBS Snapshot Notification") => ebs_failure(&value).map(Subject::Ebs),
        _ => Some(Subject::Unreadable(body.into())),
    }
}

/// A failed snapshot as EventBridge tells of it; a successful one is no news.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-cloud-watch-events.html#snapshot-events>
fn ebs_failure(event: &Value) -> Option<EbsFailure> {
    let detail = |name: &str| event["detail"][name].as_str().unwrap_or("unknown");
    // Both are ARNs of the odd form arn:aws:ec2::eu-central-1:snapshot/snap-0abc.
    let id = |name: &str| String::from(detail(name).rsplit('/').next().unwrap_or_default());
    (detail("result") != "succeeded").then(|| EbsFailure {
        event: detail("event").into(),
        cause: detail("cause").into(),
        snapshot: id("snapshot_id"),
        source: id("source"),
        region: event["region"].as_str().unwrap_or("unknown").into(),
        account: event["account"].as_str().unwrap_or("unknown").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of EBS's user guide, with its odd ARNs.
    const FAILED: &str = r#"{"version":"0","id":"01234567-0123-0123-0123-012345678901","detail-type":"EBS Snapshot Notification",
        "source":"aws.ec2","account":"012345678901","time":"2026-11-20T02:00:00Z","region":"us-east-1",
        "resources":["arn:aws:ec2::us-west-2:snapshot/snap-01234567"],
        "detail":{"event":"createSnapshot","result":"failed","cause":"Source snapshot ID is not valid",
        "request-id":"","snapshot_id":"arn:aws:ec2::us-west-2:snapshot/snap-01234567",
        "source":"arn:aws:ec2::us-west-2:volume/vol-01234567","startTime":"x","endTime":"y"}}"#;

    #[test]
    fn a_failed_snapshot_of_eventbridge_is_understood() {
        let Some(Subject::Ebs(failure)) = subject(FAILED) else { panic!() };
        assert_eq!((failure.snapshot.as_str(), failure.source.as_str()), ("snap-01234567", "vol-01234567"));
        assert_eq!(failure.cause, "Source snapshot ID is not valid");
    }

    #[test]
    fn a_successful_snapshot_is_no_news() {
        assert_eq!(subject(&FAILED.replace("failed", "succeeded")), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_as_it_is() {
        for body in ["", "hello", "{}", "[1]", r#"{"report":"new-kind","version":2}"#] {
            assert_eq!(subject(body), Some(Subject::Unreadable(body.into())));
        }
    }
}
