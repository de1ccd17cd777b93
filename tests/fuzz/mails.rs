//! Mails: what lies on the reports queue becomes text that people read, and commands that they type.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsMessage;
use notifier::digest::{Alert, News, alerts};
use proptest::collection::vec;
use proptest::prelude::*;
use shared::aws::sns::{Attribute, LARGEST_MESSAGE};

use crate::mutation::{Input, mutated};
use crate::{Least, Reached, fuzz, is_sqs_text};

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:snapkeep";

/// One of each kind of report, and what AWS sends.
pub(crate) const REPORTS: [&str; 15] = [
    r#"{"report":"dead-letter","version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily",
        "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0",
        "instance":"i-0123456789abcdef0","name":"db","attempts":3,"failure":{"class":"permanent","code":"InternalError",
        "message":"An internal error","request_id":"4f0d7a3e","first":"2026-11-20T02:00:07Z","last":"2026-11-20T02:05:07Z",
        "attempts":[{"attempt":1,"at":"2026-11-20T02:00:07Z","code":"InternalError"}],"gave_up":"2026-11-21T01:00:00Z"}}"#,
    r#"{"report":"dead-letter","version":1,"action":"prune","job":"2f0c7e1a9b3d4c5e6f71","policy":"daily",
        "slot":"2026-11-20T03:00:00Z","account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef1",
        "attempts":1,"failure":{"code":"UnauthorizedOperation","message":"no","first":"2026-11-20T03:00:07Z",
        "last":"2026-11-20T03:00:07Z"}}"#,
    r#"{"report":"unreadable","version":1,"message_id":"5f0d7a3e","problem":"`version` is 2; allowed: 1",
        "at":"2026-11-20T02:00:07Z"}"#,
    r#"{"report":"planning","version":1,"policy":"daily","slot":"2026-11-20T02:00:00Z","problems":["`retain` is \"7 days\"",
        "eu-west-1: UnauthorizedOperation"],"at":"2026-11-20T02:00:07Z"}"#,
    r#"{"report":"retention","version":1,"account":"123456789012","region":"eu-central-1","slot":"2026-11-20T03:00:00Z",
        "capped":"900 of 1000 snapshots would have been deleted","would_delete":["vol-2 daily: snap-1, snap-2"],
        "findings":["vol-1: its backups have stopped"],"count":4900,"at":"2026-11-20T03:00:07Z"}"#,
    r#"{"report":"coverage","version":1,"policy":"daily","slot":"2026-11-20T06:00:00Z","rpo":"26h","covered":468,"uncovered":60,
        "no_run":true,"selects_nothing":false,"volumes":[{"account":"123456789012","region":"eu-central-1",
        "volume":"vol-0123456789abcdef0","instance":"i-0123456789abcdef0","name":"db","verdict":"failed",
        "why":"the snapshot of 4h ago ended in error: no key","since":"2026-11-20T02:00:07Z"}],
        "unknown":["account 123456789012, us-east-1: could not list volumes"],"findings":["eu-central-1: vol-4: snap-4"],
        "finding_count":1,"unselected":["eu-central-1: vol-5 (scratch)"],"unselected_count":40,"enqueued":58,"unsent":["x"],
        "at":"2026-11-20T06:00:07Z"}"#,
    r#"{"report":"lane-held","version":1,"action":"snapshot","policy":"daily","slot":"2026-11-20T02:00:00Z",
        "account":"123456789012","region":"eu-central-1","class":"configuration","code":"UnauthorizedOperation",
        "message":"not authorized","request_id":"4f0d7a3e","give_up_at":"2026-11-21T01:00:00Z","at":"2026-11-20T02:00:07Z"}"#,
    r#"{"report":"lane-resumed","version":1,"action":"snapshot","policy":"daily","account":"123456789012",
        "region":"eu-central-1","since":"2026-11-20T02:00:07Z","at":"2026-11-20T03:35:07Z"}"#,
    r#"{"report":"resolved","version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily",
        "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0",
        "name":"db","outcome":"snapshot snap-0123456789abcdef0","failed":"2026-11-20T02:00:07Z","at":"2026-11-20T03:35:07Z"}"#,
    r#"{"report":"dropped","version":1,"policy":"daily","reason":"those volumes are scratch space","by":"eve","count":12,
        "jobs":["2f0c7e1a9b3d4c5e6f70","2f0c7e1a9b3d4c5e6f71"],"at":"2026-11-20T03:35:07Z"}"#,
    r#"{"version":"0","id":"x","detail-type":"EBS Snapshot Notification","source":"aws.ec2","account":"012345678901",
        "time":"2026-11-20T02:00:00Z","region":"us-east-1","resources":["arn:aws:ec2::us-west-2:snapshot/snap-01234567"],
        "detail":{"event":"createSnapshot","result":"failed","cause":"Source snapshot ID is not valid","request-id":"",
        "snapshot_id":"arn:aws:ec2::us-west-2:snapshot/snap-01234567","source":"arn:aws:ec2::us-west-2:volume/vol-01234567"}}"#,
    r#"{"detail-type":"EBS Multi-Volume Snapshots Completion Status","source":"aws.ec2","account":"012345678901",
        "time":"2026-11-20T02:00:00Z","region":"us-east-1","detail":{"event":"createSnapshots","result":"failed",
        "cause":"Snapshot snap-01234567 is in status error","snapshots":[{"snapshot_id":"arn:aws:ec2::us-east-1:snapshot/snap-01234567",
        "source":"arn:aws:ec2::us-east-1:volume/vol-01234567","status":"error"},{"snapshot_id":"x","source":"y","status":"completed"}]}}"#,
    r#"{"version":"0","detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","account":"123456789012",
        "time":"2026-10-02T17:04:40Z","region":"us-east-1","detail":{"alarmName":"ServerCpuTooHigh","state":{"reason":"Threshold",
        "timestamp":"2026-10-02T17:04:40.989+0000","value":"ALARM"}}}"#,
    r#"{"AlarmName":"dlq","AWSAccountId":"123456789012","NewStateValue":"OK","NewStateReason":"Threshold Crossed",
        "StateChangeTime":"2026-10-02T17:04:40.989+0000","Region":"EU (Frankfurt)",
        "AlarmArn":"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:dlq","OldStateValue":"ALARM"}"#,
    r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-central-1:123456789012:alarms","SignatureVersion":"1",
        "Message":"{\"AlarmName\":\"dlq\",\"NewStateValue\":\"INSUFFICIENT_DATA\",\"NewStateReason\":\"x\"}"}"#,
];

#[test]
fn whatever_is_reported_people_are_told_in_plain_text_and_no_report_is_lost() {
    let reports = vec(mutated(REPORTS.map(String::from).to_vec()), 1..12);
    fuzz("mails", &reports, Least { inside: 75, the_end: 35 }, |inputs| check(&inputs));
}

#[test]
fn counts_that_nobody_can_have_are_told_all_the_same() {
    let most = |report: &str| {
        Input(report.replace("12", "18446744073709551615").replace("4900", "18446744073709551615").into_bytes())
    };
    for report in REPORTS {
        assert!(check(&[most(report), most(report)]).is_ok(), "{report}");
    }
}

fn check(inputs: &[Input]) -> Result<Reached, TestCaseError> {
    let mut news = Vec::new();
    let mut understood = 0;
    for (number, Input(bytes)) in inputs.iter().enumerate() {
        let body = String::from_utf8_lossy(bytes).into_owned();
        let mut message = SqsMessage::default();
        (message.message_id, message.body) = (Some(number.to_string()), Some(body));
        let told = notifier::news(message, TOPIC).unwrap();
        understood += usize::from(!told.iter().any(is_unreadable));
        news.extend(told);
    }
    let messages: BTreeSet<String> = news.iter().map(|news| news.message.clone()).collect();
    let alerts = alerts(news);
    let policies: BTreeSet<&str> = alerts.iter().map(|alert| alert.policy.as_str()).collect();
    prop_assert_eq!(policies.len(), alerts.len(), "one for each policy");
    let told: BTreeSet<String> = alerts.iter().flat_map(|alert| alert.messages.clone()).collect();
    prop_assert_eq!(told, messages, "a report is lost");
    alerts.iter().try_for_each(check_alert)?;
    Ok(match understood {
        0 => Reached::Nothing,
        some if some * 2 < inputs.len() => Reached::Inside,
        _ => Reached::TheEnd,
    })
}

pub(crate) fn is_unreadable(news: &News) -> bool {
    matches!(news.subject, notifier::digest::Subject::Unreadable(_))
}

/// What SNS takes, and what a person can trust.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
fn check_alert(Alert { subject, text, attributes, .. }: &Alert) -> Result<(), TestCaseError> {
    prop_assert!((1..=99).contains(&subject.len()), "{subject:?}");
    prop_assert!(
        subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && subject.starts_with("snapkeep"),
        "{subject:?}"
    );
    let size = text.len() + attributes.iter().map(Attribute::size).sum::<usize>();
    prop_assert!(!text.is_empty() && size <= LARGEST_MESSAGE, "{size} bytes");
    prop_assert!(is_sqs_text(text) && !text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    prop_assert!(
        attributes.iter().all(|attribute| attribute.size() > attribute.name.len() + "String".len()),
        "{attributes:?}"
    );
    // Every hostile text that has lines says something else on its first.
    let injected =
        text.split(['\n', '\r', '\u{b}', '\u{85}', '\u{2028}']).find(|line| line.trim().starts_with("INJECTED"));
    prop_assert!(injected.is_none(), "a tag wrote a line of its own: {text}");
    Ok(())
}
