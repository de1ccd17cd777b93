//! Events of EventBridge, the JSON that CloudWatch sends to SNS, and what Lambda says of a planner that failed for good.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::vocabulary::policy::Prune;
use shared::vocabulary::report::{self, Planning, Report};

use crate::digest::{Alarm, AlarmState, EbsFailure, Subject};

/// What the event tells; an empty list where it is no news, and nothing where it is none that we know.
pub(super) fn subjects(event: &Value) -> Option<Vec<Subject>> {
    match event["detail-type"].as_str() {
        Some("EBS Snapshot Notification") => Some(ebs_failure(event).map(Subject::Ebs).into_iter().collect()),
        Some("EBS Multi-Volume Snapshots Completion Status") => {
            Some(ebs_failures(event).into_iter().map(Subject::Ebs).collect())
        }
        Some("CloudWatch Alarm State Change") => Some(vec![Subject::Alarm(alarm_event(event)?)]),
        Some(_) => None,
        None if event["requestContext"]["condition"].is_string() => Some(vec![given_up(event)]),
        None => Some(vec![Subject::Alarm(alarm_message(event)?)]),
    }
}

/// The record of an invocation that Lambda has given up: the planner's on-failure destination. What the planner itself
/// has told is told in the same words, so that a digest of both says it once.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn given_up(record: &Value) -> Subject {
    let (context, policy, error) = (&record["requestContext"], &record["requestPayload"], &record["responsePayload"]);
    let name = match policy["action"] == "prune" {
        true => Some(Prune::NAME),
        false => policy["policy"].as_str().or_else(|| policy["SnapshotKeyWord"].as_str()),
    };
    let tries = &context["approximateInvokeCount"];
    let given_up = format!("Lambda has given it up after {tries} invocations: {}", text(&context["condition"]));
    let said = error["errorMessage"].as_str().unwrap_or("the planner gave no error").lines();
    let is_refused = error["errorType"] == "PolicyRefused";
    Subject::Report(Report::Planning(Planning {
        version: report::VERSION,
        policy: name.filter(|_| !is_refused).map(String::from),
        slot: policy["scheduled_time"].as_str().and_then(|time| time.parse().ok()),
        problems: said.map(String::from).chain([given_up]).collect(),
        at: time(&record["timestamp"]).unwrap_or_default(),
    }))
}

/// A failed snapshot as EventBridge tells of it; a successful one is no news.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-cloud-watch-events.html#snapshot-events>
fn ebs_failure(event: &Value) -> Option<EbsFailure> {
    has_failed(event).then(|| failure(event, &event["detail"]))
}

/// The failed ones of snapshots that were begun together; the event, where it names none of them.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-cloud-watch-events.html#create-snapshots-complete>
fn ebs_failures(event: &Value) -> Vec<EbsFailure> {
    let snapshots = event["detail"]["snapshots"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = snapshots.iter().filter(|snapshot| snapshot["status"] != "completed");
    let failed: Vec<EbsFailure> = failed.map(|snapshot| failure(event, snapshot)).collect();
    match has_failed(event) {
        true if failed.is_empty() => vec![failure(event, &event["detail"])],
        true => failed,
        false => Vec::new(),
    }
}

fn has_failed(event: &Value) -> bool {
    event["detail"]["result"] != "succeeded"
}

fn failure(event: &Value, snapshot: &Value) -> EbsFailure {
    EbsFailure {
        event: text(&event["detail"]["event"]),
        cause: text(&event["detail"]["cause"]),
        snapshot: id(&snapshot["snapshot_id"]),
        source: id(&snapshot["source"]),
        region: text(&event["region"]),
        account: text(&event["account"]),
    }
}

/// The end of an ARN. These are of the odd form `arn:aws:ec2::eu-central-1:snapshot/snap-0abc`.
fn id(arn: &Value) -> String {
    text(arn).rsplit('/').next().unwrap_or_default().into()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("unknown").into()
}

/// An alarm as EventBridge tells of it.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>
fn alarm_event(event: &Value) -> Option<Alarm> {
    let detail = &event["detail"];
    Some(Alarm {
        name: detail["alarmName"].as_str()?.into(),
        state: state(&detail["state"]["value"])?,
        reason: text(&detail["state"]["reason"]),
        region: text(&event["region"]),
        account: text(&event["account"]),
        at: time(&detail["state"]["timestamp"]).or_else(|| time(&event["time"])),
    })
}

/// An alarm as CloudWatch's action tells a topic of it. `Region` is a name for people, and the ARN has the code.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html>
fn alarm_message(message: &Value) -> Option<Alarm> {
    let region = message["AlarmArn"].as_str().and_then(|arn| arn.split(':').nth(3)).filter(|region| !region.is_empty());
    Some(Alarm {
        name: message["AlarmName"].as_str()?.into(),
        state: state(&message["NewStateValue"])?,
        reason: text(&message["NewStateReason"]),
        region: region.map_or_else(|| text(&message["Region"]), String::from),
        account: text(&message["AWSAccountId"]),
        at: time(&message["StateChangeTime"]),
    })
}

fn state(value: &Value) -> Option<AlarmState> {
    match value.as_str()? {
        "ALARM" => Some(AlarmState::Alarm),
        "OK" => Some(AlarmState::Ok),
        "INSUFFICIENT_DATA" => Some(AlarmState::InsufficientData),
        _ => None,
    }
}

/// `2026-11-20T02:00:00Z`, or CloudWatch's `2026-11-20T02:00:00.123+0000`.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?;
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    time.ok().map(|time| time.to_utc())
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

    /// The guide's other example, of which one snapshot was completed here.
    const SOME_FAILED: &str = r#"{"detail-type":"EBS Multi-Volume Snapshots Completion Status","source":"aws.ec2",
        "account":"012345678901","time":"2026-11-20T02:00:00Z","region":"us-east-1",
        "detail":{"event":"createSnapshots","result":"failed","cause":"Snapshot snap-01234567 is in status error",
        "snapshots":[{"snapshot_id":"arn:aws:ec2::us-east-1:snapshot/snap-01234567",
        "source":"arn:aws:ec2::us-east-1:volume/vol-01234567","status":"error"},
        {"snapshot_id":"arn:aws:ec2::us-east-1:snapshot/snap-012345678",
        "source":"arn:aws:ec2::us-east-1:volume/vol-012345678","status":"completed"}]}}"#;

    /// As CloudWatch's user guide has it.
    const ALARM_EVENT: &str = r#"{"version":"0","detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch",
        "account":"123456789012","time":"2026-10-02T17:04:40Z","region":"us-east-1",
        "resources":["arn:aws:cloudwatch:us-east-1:123456789012:alarm:ServerCpuTooHigh"],
        "detail":{"alarmName":"ServerCpuTooHigh","previousState":{"value":"OK","timestamp":"2026-10-02T17:03:30.000+0000"},
        "state":{"reason":"Threshold Crossed: 1 datapoint was greater than the threshold (50.0).",
        "timestamp":"2026-10-02T17:04:40.989+0000","value":"ALARM"}}}"#;

    const ALARM_MESSAGE: &str = r#"{"AlarmName":"dlq","AlarmDescription":null,"AWSAccountId":"123456789012","NewStateValue":"OK",
        "NewStateReason":"Threshold Crossed: no datapoint","StateChangeTime":"2026-10-02T17:04:40.989+0000",
        "Region":"EU (Frankfurt)","AlarmArn":"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:dlq","OldStateValue":"ALARM"}"#;

    fn read(event: &str) -> Option<Vec<Subject>> {
        subjects(&serde_json::from_str(event).unwrap())
    }

    fn failed(event: &str) -> Vec<(String, String, String)> {
        let subjects = read(event).unwrap().into_iter().map(|subject| match subject {
            Subject::Ebs(EbsFailure { snapshot, source, cause, .. }) => (snapshot, source, cause),
            other => panic!("{other:?}"),
        });
        subjects.collect()
    }

    #[test]
    fn a_failed_snapshot_of_eventbridge_is_understood() {
        let cause = "Source snapshot ID is not valid";
        assert_eq!(failed(FAILED), [("snap-01234567".into(), "vol-01234567".into(), cause.into())]);
    }

    #[test]
    fn of_snapshots_begun_together_those_that_failed_are_told() {
        let cause = "Snapshot snap-01234567 is in status error";
        assert_eq!(failed(SOME_FAILED), [("snap-01234567".into(), "vol-01234567".into(), cause.into())]);
        let nameless = SOME_FAILED.replace("\"snapshots\"", "\"others\"");
        assert_eq!(failed(&nameless), [("unknown".into(), "unknown".into(), cause.into())]);
    }

    #[test]
    fn a_successful_snapshot_is_no_news() {
        let result = |event: &str| event.replace("\"result\":\"failed\"", "\"result\":\"succeeded\"");
        assert_eq!((read(&result(FAILED)), read(&result(SOME_FAILED))), (Some(Vec::new()), Some(Vec::new())));
    }

    #[test]
    fn an_alarm_is_read_from_eventbridge_and_from_cloudwatch() {
        let at = "2026-10-02T17:04:40.989Z".parse().ok();
        assert_eq!(
            read(ALARM_EVENT).unwrap(),
            [Subject::Alarm(Alarm {
                name: "ServerCpuTooHigh".into(),
                state: AlarmState::Alarm,
                reason: "Threshold Crossed: 1 datapoint was greater than the threshold (50.0).".into(),
                region: "us-east-1".into(),
                account: "123456789012".into(),
                at,
            })]
        );
        assert_eq!(
            read(ALARM_MESSAGE).unwrap(),
            [Subject::Alarm(Alarm {
                name: "dlq".into(),
                state: AlarmState::Ok,
                reason: "Threshold Crossed: no datapoint".into(),
                region: "eu-central-1".into(),
                account: "123456789012".into(),
                at,
            })]
        );
    }

    /// As Lambda's developer guide has it, with a policy of ours.
    const GIVEN_UP: &str = r#"{"version":"1.0","timestamp":"2026-11-20T02:05:00.000Z","requestContext":{"requestId":"e4b46cbf",
        "functionArn":"arn:aws:lambda:eu-central-1:123456789012:function:snapkeep-planner:$LATEST",
        "condition":"RetriesExhausted","approximateInvokeCount":3},
        "requestPayload":{"action":"snapshot","policy":"daily","scheduled_time":"2026-11-20T02:00:00Z"},
        "responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},
        "responsePayload":{"errorMessage":"account 1, eu-west-1: one\naccount 1, eu-west-2: two","errorType":"PlanIncomplete"}}"#;

    fn planning(event: &str) -> Planning {
        match read(event).unwrap().remove(0) {
            Subject::Report(Report::Planning(planning)) => planning,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_planner_that_lambda_has_given_up_is_told_in_its_own_words() {
        let told = planning(GIVEN_UP);
        assert_eq!((told.policy.as_deref(), told.slot), (Some("daily"), "2026-11-20T02:00:00Z".parse().ok()));
        let given_up = "Lambda has given it up after 3 invocations: RetriesExhausted";
        assert_eq!(told.problems, ["account 1, eu-west-1: one", "account 1, eu-west-2: two", given_up]);
        let died = GIVEN_UP.replace("errorMessage", "other").replace("\"snapshot\"", "\"prune\"");
        assert_eq!(planning(&died).policy.as_deref(), Some(Prune::NAME));
        assert_eq!(planning(&died).problems, ["the planner gave no error", given_up]);
        assert_eq!(planning(&GIVEN_UP.replace("PlanIncomplete", "PolicyRefused")).policy, None);
    }

    #[test]
    fn other_events_are_not_ours_to_judge() {
        let events = [
            r#"{"detail-type":"CloudWatch Alarm Configuration Change"}"#,
            r#"{"detail-type":"CloudWatch Alarm State Change"}"#,
            r#"{"AlarmName":"x","NewStateValue":"NEW"}"#,
            "{}",
            "null",
        ];
        for event in events {
            assert_eq!(read(event), None);
        }
    }
}
