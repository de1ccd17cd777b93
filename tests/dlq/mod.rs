//! `snapkeep dlq`, typed as an operator types it, against MiniStack's queues and a simulated EC2.

mod act;
mod look;
mod mass;

use std::path::PathBuf;
use std::process::Stdio;

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::vocabulary::job::{Action, Identity};
use simulator::fleet::tags;
use simulator::world::World;
use tokio::process::{Child, Command};

use crate::lambda::binary;
use crate::stack::{ACCOUNT, Stack, config};
use crate::typed::{Said, snapkeep_with};

pub(crate) const REGION: &str = "eu-central-1";

/// A deployed snapkeep and the terminal of its operator.
pub(crate) struct Terminal {
    pub stack: Stack,
    sqs: aws_sdk_sqs::Client,
    /// A folder of its own, for the files that are written.
    pub folder: PathBuf,
}

/// A dead letter to be put into the queue.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub body: String,
    /// Class, code and message, where a worker wrote it.
    pub attributes: Option<(&'static str, String, String)>,
}

impl Terminal {
    pub async fn new(world: World, workers: usize) -> Self {
        let stack = Stack::deploy(world, workers, &[]).await;
        let emulator = stack.queues.dlq.split('/').take(3).collect::<Vec<_>>().join("/");
        let sqs = aws_sdk_sqs::Client::new(&config(&emulator).await);
        let port = emulator.rsplit(':').next().unwrap();
        let folder = crate::python::build_folder().join(format!("dlq-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { stack, sqs, folder }
    }

    /// Types `snapkeep dlq LINE`, where nobody can be asked.
    pub async fn types(&self, line: &str) -> Said {
        self.types_with(line, &[]).await
    }

    /// The same, with other settings.
    pub async fn types_with(&self, line: &str, others: &[(&str, &str)]) -> Said {
        let settings: Vec<(&str, &str)> = self.settings().chain(others.iter().copied()).collect();
        snapkeep_with(&self.stack.simulator.url, &format!("dlq {line}"), "", &settings).await
    }

    fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let environment = self.stack.environment().iter().map(|(name, value)| (*name, value.as_str()));
        // The reports of what is dropped lie in the inbox, where nobody takes them out.
        environment.chain([("SNAPKEEP_REPORTS_QUEUE_URL", self.stack.queues.inbox.as_str()), ("USER", "eve")])
    }

    /// The same in JSON.
    pub async fn json(&self, line: &str) -> Value {
        let said = self.types(&format!("{line} --output json")).await;
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
    }

    /// Begins `snapkeep dlq LINE`, to be stopped.
    pub async fn begins(&self, line: &str) -> Child {
        Command::new(binary("snapkeep").await)
            .arg("dlq")
            .args(line.split(' '))
            .env_clear()
            .envs(self.settings())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Puts dead letters straight into the queue, each in a group of its own.
    pub async fn put(&self, letters: &[Put]) {
        self.put_in(letters, None).await;
    }

    /// The same, in one message group.
    pub async fn put_in(&self, letters: &[Put], group: Option<&str>) {
        for (chunk, ten) in letters.chunks(10).enumerate() {
            let entries = ten.iter().enumerate().map(|(index, letter)| {
                let id = format!("letter-{}-{}", chunk * 10 + index, now().timestamp_micros());
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&letter.body);
                let entry = entry.message_group_id(group.unwrap_or(&id)).message_deduplication_id(&id);
                entry.set_message_attributes(letter.attributes.as_ref().map(attributes)).build().unwrap()
            });
            let request = self.sqs.send_message_batch().queue_url(&self.stack.queues.dlq);
            let answer = request.set_entries(Some(entries.collect())).send().await.unwrap();
            assert_eq!(answer.failed, []);
        }
    }

    /// How many letters nobody can see just now.
    pub async fn hidden(&self) -> usize {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesNotVisible as Hidden;
        let request = self.sqs.get_queue_attributes().queue_url(&self.stack.queues.dlq).attribute_names(Hidden);
        request.send().await.unwrap().attributes.unwrap()[&Hidden].parse().unwrap()
    }

    /// Waits until the letters are being read.
    pub async fn until_reading(&self) {
        for _ in 0..2000 {
            if self.hidden().await > 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("nobody reads");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// SIGTERM, as systemd and `kill` send it; and what it said, and how it ended.
pub(crate) async fn stopped(process: Child) -> Said {
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    ended(process).await
}

pub(crate) async fn ended(process: Child) -> Said {
    let output = process.wait_with_output().await.unwrap();
    Said {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn attributes(
    (class, code, message): &(&str, String, String),
) -> std::collections::HashMap<String, MessageAttributeValue> {
    let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap();
    let named = [("ErrorClass", *class), ("ErrorCode", code), ("ErrorMessage", message)];
    named.map(|(name, value)| (name.into(), text(value))).into()
}

#[expect(clippy::disallowed_methods, reason = "the edge: a story is told now")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The slot of the jobs: yesterday.
pub(crate) fn slot() -> DateTime<Utc> {
    now() - TimeDelta::days(1)
}

/// A dead job of `daily` on `volume`, as the worker writes it, with these changes.
pub(crate) fn dead(volume: &str, action: Action, failure: (&'static str, &str, &str), changes: Value) -> Put {
    let (class, code, message) = failure;
    let of = |name: &str, default: &str| String::from(changes[name].as_str().unwrap_or(default));
    let (policy, account, region) = (of("policy", "daily"), of("account", ACCOUNT), of("region", REGION));
    let slot = of("slot", &slot().to_rfc3339()).parse().unwrap();
    let identity = Identity { policy: &policy, action, account: &account, region: &region, volume, slot };
    let mut job = serde_json::to_value(identity.job(None)).unwrap();
    let at = now() - TimeDelta::minutes(5);
    let more = json!({
        "retain": "7d", "told": true, "enqueued": at, "tags": {"Name": format!("name of {volume}")},
        "failure": {
            "class": class, "code": code, "message": message, "request_id": "0a1b2c3d", "first": at, "last": at,
            "attempts": [{"attempt": 1, "at": at, "code": code, "request_id": "0a1b2c3d"}],
        },
    });
    let fields = job.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    fields.extend(changes.as_object().cloned().unwrap_or_default());
    Put { body: job.to_string(), attributes: Some((class, code.into(), message.into())) }
}

/// The same, of a snapshot that cannot be tagged.
pub(crate) fn unbacked(volume: &str) -> Put {
    dead(volume, Action::Snapshot, ("permanent", "TagLimitExceeded", "more than 50 tags"), json!({}))
}

/// The id of the job in a letter.
pub(crate) fn job_id(letter: &Put) -> String {
    let job: Value = serde_json::from_str(&letter.body).unwrap();
    job["job"].as_str().unwrap().into()
}

/// So many volumes that are there.
pub(crate) fn volumes(world: &World, count: usize) -> Vec<String> {
    (0..count).map(|_| world.add_volume(ACCOUNT, REGION, tags(&[("Backup", "true")]))).collect()
}
