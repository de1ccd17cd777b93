//! What people are told, and how often: the real notifier with SQS and SNS.
//!
//! The mapping is played here by hand, batch by batch, so that a story can say what lies on the queue before anybody
//! looks.

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::lambda::Function;
use crate::stack::{ACCOUNT, config, environment};

const REGION: &str = "eu-central-1";
const TOPIC: &str = "snapkeep";
/// A third of it is for taking what lies on the queue, from an emulator that may be busy.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The notifier, its queue and its topic, and an inbox that is subscribed to it.
#[derive(Debug)]
struct Desk {
    notifier: Function,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    reports: String,
    inbox: String,
    _emulator: Emulator,
}

/// What arrived: subject, text and message attributes.
#[derive(Debug)]
struct Mail {
    subject: String,
    text: String,
    attributes: Value,
}

impl Desk {
    /// Reports that come again do so after `visibility` seconds, unless somebody says otherwise.
    async fn open(visibility: u32, settings: &[(&'static str, &str)]) -> Self {
        let emulator = Emulator::start().await;
        let config = config(&emulator.url).await;
        let (sqs, sns) = (aws_sdk_sqs::Client::new(&config), aws_sdk_sns::Client::new(&config));
        let reports = create_queue(&sqs, "reports").await;
        let timeout = (QueueAttributeName::VisibilityTimeout, visibility.to_string());
        let request = sqs.set_queue_attributes().queue_url(&reports).attributes(timeout.0, timeout.1);
        request.send().await.unwrap();
        let inbox = create_queue(&sqs, "inbox").await;
        let mut environment = environment(&emulator.url, &emulator.url);
        environment
            .extend([("SNAPKEEP_REPORTS_QUEUE_URL", reports.clone()), ("SNAPKEEP_TOPIC_ARN", arn("sns", TOPIC))]);
        environment.extend(settings.iter().map(|(name, value)| (*name, String::from(*value))));
        let notifier = Function::start("notifier", &environment, TIMEOUT).await;
        let desk = Self { notifier, sqs, sns, reports, inbox, _emulator: emulator };
        desk.create_topic().await;
        desk
    }

    async fn create_topic(&self) {
        assert_eq!(self.sns.create_topic().name(TOPIC).send().await.unwrap().topic_arn.unwrap(), arn("sns", TOPIC));
        self.subscribe(TOPIC, "inbox", None).await;
    }

    async fn subscribe(&self, topic: &str, queue: &str, filter: Option<Value>) {
        let request = self.sns.subscribe().topic_arn(arn("sns", topic)).protocol("sqs").endpoint(arn("sqs", queue));
        let filter = filter.map(|filter| [("FilterPolicy".into(), filter.to_string())].into());
        request.set_attributes(filter).send().await.unwrap();
    }

    async fn report(&self, bodies: impl IntoIterator<Item = Value>) {
        let bodies: Vec<String> = bodies.into_iter().map(|body| body.to_string()).collect();
        let batches = stream::iter(bodies.chunks(10)).map(|bodies| {
            let entries = bodies.iter().enumerate().map(|(index, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body);
                entry.build().unwrap()
            });
            let request = self.sqs.send_message_batch().queue_url(&self.reports);
            request.set_entries(Some(entries.collect())).send()
        });
        let answers: Vec<_> = batches.buffer_unordered(8).collect().await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().failed.is_empty()));
    }

    /// Hands one batch to the notifier, as Lambda does. Gives how many it took, and the ids of those that come again.
    async fn batch(&self) -> (usize, Vec<String>) {
        let request = self.sqs.receive_message().queue_url(&self.reports).max_number_of_messages(10);
        let messages = request.send().await.unwrap().messages.unwrap_or_default();
        let records = messages.iter().map(|message| {
            json!({"messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
                "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": REGION})
        });
        let answer = self.notifier.invoke(json!({"Records": records.collect::<Vec<_>>()})).await.unwrap();
        let failed = answer["batchItemFailures"].as_array().unwrap().iter();
        let failed: Vec<String> = failed.map(|failure| failure["itemIdentifier"].as_str().unwrap().into()).collect();
        for message in messages.iter().filter(|message| !failed.contains(message.message_id.as_ref().unwrap())) {
            let handle = message.receipt_handle.as_deref().unwrap();
            self.sqs.delete_message().queue_url(&self.reports).receipt_handle(handle).send().await.unwrap();
        }
        (messages.len(), failed)
    }

    /// Hands over batches until the queue is empty.
    async fn tell_all(&self) {
        while self.count().await != (0, 0) {
            self.batch().await;
        }
    }

    /// Reports that lie there, and hidden ones.
    async fn count(&self) -> (usize, usize) {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request =
            self.sqs.get_queue_attributes().queue_url(&self.reports).set_attribute_names(Some(names.to_vec()));
        let counts = request.send().await.unwrap().attributes.unwrap();
        let [there, hidden] = names.map(|name| counts[&name].parse().unwrap());
        (there, hidden)
    }

    async fn mails(&self) -> Vec<Mail> {
        self.mails_in(&self.inbox).await
    }

    async fn mails_in(&self, queue: &str) -> Vec<Mail> {
        let mut mails = Vec::new();
        loop {
            let request = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
            let messages = request.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return mails;
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                self.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.unwrap();
                let envelope: Value = serde_json::from_str(&message.body.unwrap()).unwrap();
                let text = |name: &str| envelope[name].as_str().unwrap().into();
                let attributes = envelope["MessageAttributes"].clone();
                mails.push(Mail { subject: text("Subject"), text: text("Message"), attributes });
            }
        }
    }

    async fn subjects(&self) -> Vec<String> {
        let mut subjects: Vec<String> = self.mails().await.into_iter().map(|mail| mail.subject).collect();
        subjects.sort();
        subjects
    }
}

async fn create_queue(sqs: &aws_sdk_sqs::Client, name: &str) -> String {
    sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}")
}

fn letter(policy: &str, number: usize, code: &str) -> Value {
    json!({"report": "dead-letter", "version": 1, "action": "snapshot", "job": format!("{number:020x}"),
        "policy": policy, "slot": "2026-11-20T02:00:00Z", "account": ACCOUNT, "region": REGION,
        "volume": format!("vol-{number:017x}"), "instance": "i-0123456789abcdef0", "name": "db", "attempts": 5,
        "failure": {"class": "ambiguous", "code": code, "message": "An internal error has occurred.",
            "request_id": "4f0d7a3e-0000-4000-8000-000000000000", "first": "2026-11-20T02:00:07Z",
            "last": "2026-11-20T02:31:40Z", "attempts": attempts()}})
}

/// As long a story as a dead letter has.
fn attempts() -> Value {
    let attempt = |minute: usize| {
        json!({"attempt": 1 + minute / 4, "at": format!("2026-11-20T02:{minute:02}:07Z"), "code": "InternalError",
            "request_id": "4f0d7a3e-0000-4000-8000-000000000000"})
    };
    (0..20).map(attempt).collect()
}

/// A mail for each would be more than an hour of SNS's e-mail, which takes ten a second.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn ten_thousand_failures_are_one_mail_that_accounts_for_all_of_them() {
    const ALL: usize = 10_000;
    let desk = Desk::open(120, &[]).await;
    let code = |number| if number % 10 == 0 { "UnsupportedOperation" } else { "InternalError" };
    desk.report((0..ALL).map(|number| letter("daily", number, code(number)))).await;
    assert_eq!(desk.count().await, (ALL, 0));
    let started = Instant::now();
    assert_eq!(desk.batch().await, (10, vec![]), "one batch is enough");
    let memory = desk.notifier.memory("VmHWM") / 1024;
    println!("{ALL} reports in {:.1?}, {memory} MB at the most", started.elapsed());

    assert_eq!(desk.count().await, (0, 0), "what was told is gone");
    let mails = desk.mails().await;
    assert_eq!(mails.len(), 1);
    let Mail { subject, text, .. } = &mails[0];
    println!("Subject: {subject}\n\n{text}");
    assert_eq!(subject, "snapkeep daily: 10000 volumes not backed up");
    let of_cause = |code: &str, count: usize| {
        let words = format!("\n{code}: An internal error has occurred.\n  {count} volumes: ");
        text.find(&words).unwrap_or_else(|| panic!("no {words}: {text}"))
    };
    assert!(of_cause("InternalError", 9000) < of_cause("UnsupportedOperation", 1000), "most volumes first");
    assert!(text.contains("\n  and 8980 more\n") && text.contains("\n  and 980 more\n"));
    assert!(text.contains("  snapkeep dlq redrive --policy daily --code InternalError\n"));
    assert!(memory < 128, "the function's memory is 128 MB, and it took {memory}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_topic_loses_none() {
    const ALL: usize = 60;
    // A try that failed is followed by another after as long.
    let desk = Desk::open(20, &[("SNAPKEEP_ALERT_INTERVAL", "20")]).await;
    desk.sns.delete_topic().topic_arn(arn("sns", TOPIC)).send().await.unwrap();
    let policy = |number: usize| if number.is_multiple_of(3) { "hourly" } else { "daily" };
    desk.report((0..ALL).map(|number| letter(policy(number), number, "InternalError"))).await;
    let (taken, failed) = desk.batch().await;
    assert_eq!((taken, failed.len()), (10, 10), "Lambda must not delete what nobody was told");
    let (there, hidden) = desk.count().await;
    assert_eq!(there + hidden, ALL, "and neither does the notifier");

    desk.create_topic().await;
    let told = async {
        while desk.count().await != (0, 0) {
            desk.batch().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(150), told).await.expect("everything is told in the end");
    let subjects = desk.subjects().await;
    assert_eq!(
        subjects,
        ["snapkeep daily: 40 volumes not backed up", "snapkeep hourly: 20 volumes not backed up"],
        "a message each, though the first attempt took them in pieces"
    );
}

/// Five minutes are not waited for here: that they are five is a rule with a table of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_batch_of_a_policy_waits_and_another_policy_does_not() {
    let desk = Desk::open(4, &[]).await;
    desk.report((0..10).map(|number| letter("daily", number, "InternalError"))).await;
    desk.batch().await;
    assert_eq!(desk.subjects().await, ["snapkeep daily: 10 volumes not backed up"]);

    desk.report((10..25).map(|number| letter("daily", number, "InternalError"))).await;
    desk.report((25..30).map(|number| letter("hourly", number, "InternalError"))).await;
    let (taken, failed) = desk.batch().await;
    assert_eq!((taken, failed.len()), (10, 10), "those of the event that wait come again");
    assert_eq!(desk.subjects().await, ["snapkeep hourly: 5 volumes not backed up"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(desk.count().await, (0, 15), "hidden for longer than the queue hides by itself, and none is lost");
    assert_eq!(desk.subjects().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_told_in_one_mail_when_the_time_is_over() {
    let desk = Desk::open(60, &[("SNAPKEEP_ALERT_INTERVAL", "6")]).await;
    desk.report((0..10).map(|number| letter("daily", number, "InternalError"))).await;
    desk.batch().await;
    desk.report((10..25).map(|number| letter("daily", number, "InternalError"))).await;
    desk.batch().await;
    desk.report((25..30).map(|number| letter("daily", number, "SomethingNew"))).await;
    desk.batch().await;
    assert_eq!(desk.subjects().await, ["snapkeep daily: 10 volumes not backed up"]);
    tokio::time::timeout(Duration::from_secs(40), desk.tell_all()).await.expect("the rest is told");
    assert_eq!(desk.subjects().await, ["snapkeep daily: 20 volumes not backed up"], "all that waited, at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_choose_by_policy_severity_account_and_region() {
    let desk = Desk::open(60, &[]).await;
    let filters = [
        ("errors", json!({"severity": ["error"]})),
        ("of-policy", json!({"policy": ["hourly"]})),
        ("of-region", json!({"region": ["us-east-1"]})),
        ("of-account", json!({"account": ["210987654321"]})),
        ("without-policy", json!({"policy": [{"exists": false}]})),
    ];
    let mut queues = Vec::new();
    for (name, filter) in filters {
        queues.push(create_queue(&desk.sqs, name).await);
        desk.subscribe(TOPIC, name, Some(filter)).await;
    }
    let mut elsewhere = letter("daily", 1, "InternalError");
    elsewhere["region"] = json!("us-east-1");
    let resumed = json!({"report": "lane-resumed", "version": 1, "action": "snapshot", "policy": "hourly",
        "account": "210987654321", "region": REGION, "since": "2026-11-20T02:00:00Z", "at": "2026-11-20T03:00:00Z"});
    let alarm = json!({"AlarmName": "age", "NewStateValue": "INSUFFICIENT_DATA", "NewStateReason": "no data"});
    desk.report([letter("daily", 0, "InternalError"), elsewhere, resumed, alarm]).await;
    desk.batch().await;

    let mut all = desk.mails().await;
    all.sort_by(|one, other| one.subject.cmp(&other.subject));
    let attributes: Vec<&Value> = all.iter().map(|mail| &mail.attributes).collect();
    let text = |value: &str| json!({"Type": "String", "Value": value});
    let list = |values: &[&str]| json!({"Type": "String.Array", "Value": json!(values).to_string()});
    let expected = [
        json!({"severity": text("error"), "policy": text("daily"), "account": list(&[ACCOUNT]),
            "region": list(&[REGION, "us-east-1"])}),
        json!({"severity": text("info"), "policy": text("hourly"), "account": list(&["210987654321"]),
            "region": list(&[REGION])}),
        json!({"severity": text("warning")}),
    ];
    assert_eq!(attributes, expected.iter().collect::<Vec<_>>());

    let mut chosen = Vec::new();
    for queue in &queues {
        let subjects: Vec<String> = desk.mails_in(queue).await.into_iter().map(|mail| mail.subject).collect();
        chosen.push(subjects.join("; "));
    }
    let (daily, hourly) =
        ("snapkeep daily: 2 volumes not backed up", "snapkeep hourly: resolved, eu-central-1 goes on");
    assert_eq!(chosen, [daily, hourly, daily, hourly, "snapkeep: alarm age has no data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_and_its_end_are_told_from_eventbridge_and_through_a_topic() {
    let desk = Desk::open(60, &[("SNAPKEEP_ALERT_INTERVAL", "1")]).await;
    desk.sns.create_topic().name("alarms").send().await.unwrap();
    desk.subscribe("alarms", "reports", None).await;
    let event = json!({"version": "0", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
        "account": ACCOUNT, "time": "2026-11-20T02:40:00Z", "region": REGION,
        "detail": {"alarmName": "snapkeep-dead-letters", "previousState": {"value": "OK"}, "state": {"value": "ALARM",
            "reason": "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).",
            "timestamp": "2026-11-20T02:40:00.123+0000"}}});
    desk.report([event]).await;
    desk.batch().await;
    let mails = desk.mails().await;
    assert_eq!((mails.len(), mails[0].subject.as_str()), (1, "snapkeep: alarm snapkeep-dead-letters"));
    assert!(mails[0].text.contains("Threshold Crossed: 1 datapoint [3.0]"), "{}", mails[0].text);
    assert_eq!(mails[0].attributes["severity"]["Value"], "error");
    println!("Subject: {}\n\n{}", mails[0].subject, mails[0].text);

    let end = json!({"AlarmName": "snapkeep-dead-letters", "AWSAccountId": ACCOUNT, "NewStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 1 datapoint [0.0] was not greater than the threshold (0.0).",
        "StateChangeTime": "2026-11-20T03:10:00.123+0000", "Region": "EU (Frankfurt)", "OldStateValue": "ALARM",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:snapkeep-dead-letters"});
    desk.sns.publish().topic_arn(arn("sns", "alarms")).message(end.to_string()).send().await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), desk.tell_all()).await.expect("the end is told");
    let mails = desk.mails().await;
    assert_eq!(
        (mails.len(), mails[0].subject.as_str()),
        (1, "snapkeep: resolved, alarm snapkeep-dead-letters is over")
    );
    assert_eq!(mails[0].attributes["severity"]["Value"], "info");
    println!("Subject: {}\n\n{}", mails[0].subject, mails[0].text);
}

/// A queue that is subscribed to the topic of its own mails would send them round for ever.
#[tokio::test(flavor = "multi_thread")]
async fn mails_of_our_own_are_not_told_again() {
    let desk = Desk::open(60, &[("SNAPKEEP_ALERT_INTERVAL", "1")]).await;
    desk.subscribe(TOPIC, "reports", None).await;
    desk.report([letter("daily", 0, "InternalError")]).await;
    tokio::time::timeout(Duration::from_secs(20), desk.tell_all()).await.expect("it ends");
    assert_eq!(desk.subjects().await, ["snapkeep daily: 1 volume not backed up"]);
}

/// The reports as they lie on the queue, each with a policy of its own, so that each is a mail.
fn one_of_each() -> Vec<(Value, &'static str)> {
    let place = json!({"version": 1, "action": "snapshot", "account": ACCOUNT, "region": REGION,
        "slot": "2026-11-20T02:00:00Z", "at": "2026-11-20T03:35:00Z"});
    let report = |fields: Value| {
        let mut report = place.clone();
        report.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        report
    };
    let mut gave_up = letter("gave-up", 1, "ConcurrentSnapshotLimitExceeded");
    gave_up["failure"]["class"] = json!("quota");
    gave_up["failure"]["gave_up"] = json!("2026-11-21T01:00:00Z");
    let mut pruned = letter("pruned", 2, "UnauthorizedOperation");
    pruned["action"] = json!("prune");
    pruned["failure"]["class"] = json!("configuration");
    let held = report(json!({"report": "lane-held", "policy": "held", "class": "configuration",
        "code": "UnauthorizedOperation", "message": "could not create a snapshot of vol-0a: You are not authorized",
        "request_id": "4f0d7a3e-0000-4000-8000-000000000000", "give_up_at": "2026-11-21T01:00:00Z"}));
    let resumed = report(json!({"report": "lane-resumed", "policy": "resumed", "since": "2026-11-20T02:00:00Z"}));
    let resolved = report(json!({"report": "resolved", "policy": "resolved", "job": "2f0c7e1a9b3d4c5e6f70",
        "volume": "vol-0123456789abcdef0", "name": "db", "outcome": "snapshot snap-0123456789abcdef0",
        "failed": "2026-11-20T02:00:07Z"}));
    let dropped = report(json!({"report": "dropped", "policy": "dropped", "reason": "scratch volumes", "by": "eve",
        "count": 3, "jobs": ["2f0c7e1a9b3d4c5e6f70", "3f0c7e1a9b3d4c5e6f70"]}));
    let planning = report(json!({"report": "planning", "policy": "planned",
        "problems": ["account 123456789012, ap-east-1: could not list volumes in ap-east-1: AuthFailure: no"]}));
    let retention = report(json!({"report": "retention", "count": 1,
        "capped": "900 of 1000 snapshots would have been deleted, and the cap allows 200: none was",
        "would_delete": ["vol-2 daily: snap-1, snap-2 and 3 more"], "findings": ["vol-1: its backups have stopped"]}));
    let ebs = json!({"detail-type": "EBS Multi-Volume Snapshots Completion Status", "account": ACCOUNT,
        "region": REGION, "detail": {"event": "createSnapshots", "result": "failed",
        "cause": "Snapshot snap-01234567 is in status error", "snapshots": [
            {"snapshot_id": "arn:aws:ec2::eu-central-1:snapshot/snap-01234567", "status": "error",
             "source": "arn:aws:ec2::eu-central-1:volume/vol-01234567"},
            {"snapshot_id": "arn:aws:ec2::eu-central-1:snapshot/snap-12345678", "status": "completed",
             "source": "arn:aws:ec2::eu-central-1:volume/vol-12345678"}]}});
    vec![
        (gave_up, "snapkeep gave-up: 1 volume not backed up"),
        (pruned, "snapkeep pruned: 1 volume not pruned"),
        (held, "snapkeep held: eu-central-1 waits: UnauthorizedOperation"),
        (resumed, "snapkeep resumed: resolved, eu-central-1 goes on"),
        (resolved, "snapkeep resolved: resolved, 1 volume backed up after all"),
        (dropped, "snapkeep dropped: 3 dead letters dropped"),
        (planning, "snapkeep planned: run not planned everywhere"),
        (retention, "snapkeep prune: stopped by the cap, nothing deleted, 1 finding"),
        (ebs, "snapkeep: 1 snapshot failed in EBS"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_report_is_told() {
    let desk = Desk::open(60, &[]).await;
    let (reports, mut expected): (Vec<Value>, Vec<&str>) = one_of_each().into_iter().unzip();
    desk.report(reports).await;
    assert_eq!(desk.batch().await, (9, vec![]));
    let mut mails = desk.mails().await;
    mails.sort_by(|one, other| one.subject.cmp(&other.subject));
    expected.sort_unstable();
    mails.iter().for_each(|mail| println!("────────\nSubject: {}\n\n{}", mail.subject, mail.text));
    assert_eq!(mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), expected);
    assert!(mails.iter().all(|mail| !mail.text.contains("could not be read")), "{mails:?}");
    assert_eq!(desk.count().await, (0, 0));
}
