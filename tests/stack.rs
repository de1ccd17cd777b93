//! A deployed snapkeep on this machine: queues, topic, three Lambdas and their event source mappings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};
use simulator::server::Server;
use simulator::world::World;
use simulator::world::snapshot::Snapshot;
use tokio::task::JoinHandle;

use crate::emulator::Emulator;
use crate::lambda::Function;
use crate::proxy::Proxy;

pub(crate) const ACCOUNT: &str = "123456789012";
const HOME: &str = "eu-central-1";
const TIMEOUT: Duration = Duration::from_secs(60);

/// A deployed snapkeep. Everything ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stack {
    pub simulator: Server,
    /// Between the functions and SQS. The stack itself goes past it.
    pub proxy: Proxy,
    pub planner: Function,
    pub queues: Queues,
    others: Vec<(&'static str, Arc<Function>)>,
    environment: Vec<(&'static str, String)>,
    sqs: aws_sdk_sqs::Client,
    mappings: Vec<JoinHandle<()>>,
    sent: AtomicUsize,
    _emulator: Emulator,
}

/// The URLs of the queues.
#[derive(Debug, Clone)]
pub(crate) struct Queues {
    pub jobs: String,
    pub dlq: String,
    pub reports: String,
    pub inbox: String,
}

impl Stack {
    /// Deploys with `workers` worker environments, over a simulated EC2 with this world. `settings` are environment
    /// variables of the worker.
    pub async fn deploy(world: World, workers: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::deploy_with_timeout(world, workers, settings, TIMEOUT).await
    }

    /// The same, with worker functions that have this time-out.
    pub async fn deploy_with_timeout(
        world: World,
        workers: usize,
        settings: &[(&'static str, &str)],
        timeout: Duration,
    ) -> Self {
        let emulator = Emulator::start().await;
        let simulator = Server::start_local(world).await.unwrap();
        let config = config(&emulator.url).await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queues = create_queues(&sqs).await;
        let topic_arn = create_topic(&aws_sdk_sns::Client::new(&config), &sqs, &queues.inbox).await;

        let proxy = Proxy::start(&emulator.url).await;
        let mut environment = environment(&emulator.url, &simulator.url);
        environment.extend([
            ("AWS_ENDPOINT_URL_SQS", proxy.url.clone()),
            ("SNAPKEEP_JOBS_QUEUE_URL", queues.jobs.clone()),
            ("SNAPKEEP_DLQ_URL", queues.dlq.clone()),
            ("SNAPKEEP_REPORTS_QUEUE_URL", queues.reports.clone()),
            ("SNAPKEEP_TOPIC_ARN", topic_arn),
            // Five minutes would be long for a story; `alerts` has those that are about the waiting.
            ("SNAPKEEP_ALERT_INTERVAL", "2".into()),
        ]);
        environment.extend(settings.iter().map(|(name, value)| (*name, String::from(*value))));

        let planner = Function::start("planner", &environment, Duration::from_secs(900)).await;
        let notifier = Arc::new(Function::start("notifier", &environment, TIMEOUT).await);
        let others = vec![("notifier", Arc::clone(&notifier))];
        let mappings = vec![map(&sqs, &queues.reports, notifier)];
        let mut stack = Self {
            simulator,
            proxy,
            planner,
            queues,
            others,
            environment,
            sqs,
            mappings,
            sent: AtomicUsize::default(),
            _emulator: emulator,
        };
        for _ in 0..workers {
            stack.add_worker(timeout).await;
        }
        stack
    }

    /// One more worker environment with its mapping.
    pub async fn add_worker(&mut self, timeout: Duration) -> Arc<Function> {
        let worker = Arc::new(Function::start("worker", &self.environment, timeout).await);
        self.others.push(("worker", Arc::clone(&worker)));
        self.mappings.push(map(&self.sqs, &self.queues.jobs, Arc::clone(&worker)));
        worker
    }

    /// Messages that were received from now on come again after so many seconds.
    pub async fn set_visibility_timeout(&self, seconds: u32) {
        let name = QueueAttributeName::VisibilityTimeout;
        let request =
            self.sqs.set_queue_attributes().queue_url(&self.queues.jobs).attributes(name, seconds.to_string());
        request.send().await.unwrap();
    }

    /// A message that was received so often goes to the dead-letter queue, as SQS moves it.
    pub async fn set_max_receive_count(&self, receives: u32) {
        let redrive = redrive_policy(receives);
        let request = self.sqs.set_queue_attributes().queue_url(&self.queues.jobs);
        request.attributes(QueueAttributeName::RedrivePolicy, redrive).send().await.unwrap();
    }

    /// From now on nobody reads the reports.
    pub fn stop_notifier(&mut self) {
        self.mappings.remove(0).abort();
    }

    /// Each function with its cold start, from exec to first poll, and its peak memory in MB.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn functions(&self) -> Vec<(&'static str, Duration, f64)> {
        let others = self.others.iter().map(|(name, function)| (*name, function.as_ref()));
        let all = std::iter::once(("planner", &self.planner)).chain(others);
        all.map(|(name, function)| (name, function.cold_start, function.memory("VmHWM") as f64 / 1024.0)).collect()
    }

    /// What every function is told.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    pub fn world(&self) -> &World {
        &self.simulator.world
    }

    /// Plans this policy.
    pub async fn plan(&self, policy: &Value) -> Result<Value, Value> {
        self.planner.invoke(policy.clone()).await
    }

    /// Waits until every job and every report is settled.
    pub async fn settle(&self) {
        self.settle_within(Duration::from_secs(240)).await;
    }

    /// The same, and as long as this.
    pub async fn settle_within(&self, longest: Duration) {
        let settled = async {
            while self.waiting(&self.queues.jobs).await + self.waiting(&self.queues.reports).await > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let settled = tokio::time::timeout(longest, settled).await;
        settled.unwrap_or_else(|_| panic!("there are still messages after {longest:?}"));
    }

    /// Messages in a queue, hidden ones too.
    pub async fn waiting(&self, queue: &str) -> usize {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let counts = request.send().await.unwrap().attributes.unwrap();
        names.iter().map(|name| counts[name].parse::<usize>().unwrap()).sum()
    }

    /// Puts a message onto the jobs queue by hand, each as one that SQS has never seen.
    pub async fn send_job(&self, body: &str, group: &str) {
        let id = self.sent.fetch_add(1, Ordering::Relaxed).to_string();
        let request = self.sqs.send_message().queue_url(&self.queues.jobs).message_body(body);
        request.message_group_id(group).message_deduplication_id(id).send().await.unwrap();
    }

    /// Takes everything out of a queue: body and string attributes.
    pub async fn drain(&self, queue: &str) -> Vec<(String, Value)> {
        let mut taken = Vec::new();
        loop {
            let request = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
            let messages = request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return taken;
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                self.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.unwrap();
                let attributes = message.message_attributes.unwrap_or_default();
                let attributes = attributes.into_iter().map(|(name, value)| (name, json!(value.string_value)));
                taken.push((message.body.unwrap_or_default(), Value::Object(attributes.collect())));
            }
        }
    }

    /// The mails in the inbox: subject and text.
    pub async fn mails(&self) -> Vec<(String, String)> {
        let messages = self.drain(&self.queues.inbox).await;
        let mails = messages.into_iter().map(|(body, _)| {
            let envelope: Value = serde_json::from_str(&body).unwrap();
            (envelope["Subject"].as_str().unwrap().into(), envelope["Message"].as_str().unwrap().into())
        });
        mails.collect()
    }

    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.world().snapshots()
    }

    /// Asserts that each of `volumes` has exactly one snapshot of `policy`, and that there are no others of it.
    pub fn assert_one_snapshot_each<'a>(&self, policy: &str, volumes: impl IntoIterator<Item = &'a String>) {
        let of_policy =
            |snapshot: &Snapshot| snapshot.tags.get("snapkeep:policy").is_some_and(|name| **name == *policy);
        let found: Vec<String> =
            self.snapshots().into_iter().filter(of_policy).map(|snapshot| snapshot.volume.to_string()).collect();
        let distinct: BTreeSet<&String> = found.iter().collect();
        let expected: BTreeSet<&String> = volumes.into_iter().collect();
        assert_eq!(distinct, expected, "the volumes with a snapshot of {policy}");
        assert_eq!(found.len(), expected.len(), "a volume has two snapshots of {policy}");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.mappings.iter().for_each(JoinHandle::abort);
    }
}

/// SDK configuration for an emulator.
pub(crate) async fn config(url: &str) -> SdkConfig {
    config_of(url, ACCOUNT).await
}

/// The same, as another account.
pub(crate) async fn config_of(url: &str, account: &str) -> SdkConfig {
    let credentials = Credentials::new(account, "test", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).endpoint_url(url);
    loader.region(Region::from_static(HOME)).credentials_provider(credentials).load().await
}

/// What every function is told: credentials, and where AWS is. One that is not told would call the real one.
pub(crate) fn environment(aws: &str, ec2: &str) -> Vec<(&'static str, String)> {
    assert!([aws, ec2].iter().all(|url| url.starts_with("http://127.0.0.1:")), "{aws}, {ec2}: only this machine");
    vec![
        ("AWS_ACCESS_KEY_ID", ACCOUNT.into()),
        ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ("AWS_REGION", HOME.into()),
        ("AWS_ENDPOINT_URL", aws.into()),
        ("AWS_ENDPOINT_URL_EC2", ec2.into()),
        ("AWS_ENDPOINT_URL_STS", ec2.into()),
    ]
}

async fn create_queues(sqs: &aws_sdk_sqs::Client) -> Queues {
    let create = async |name: &str, attributes: &[(QueueAttributeName, &str)]| {
        let attributes = attributes.iter().map(|(name, value)| (name.clone(), String::from(*value)));
        let request = sqs.create_queue().queue_name(name).set_attributes(Some(attributes.collect()));
        request.send().await.unwrap().queue_url.unwrap()
    };
    let fifo = (QueueAttributeName::FifoQueue, "true");
    let dlq = create("dlq.fifo", std::slice::from_ref(&fifo)).await;
    let redrive = redrive_policy(50);
    let visibility = (QueueAttributeName::VisibilityTimeout, "90");
    Queues {
        jobs: create("jobs.fifo", &[fifo, visibility.clone(), (QueueAttributeName::RedrivePolicy, &redrive)]).await,
        dlq,
        reports: create("reports", &[visibility]).await,
        inbox: create("inbox", &[]).await,
    }
}

fn redrive_policy(receives: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"arn:aws:sqs:{HOME}:{ACCOUNT}:dlq.fifo","maxReceiveCount":"{receives}"}}"#)
}

async fn create_topic(sns: &aws_sdk_sns::Client, sqs: &aws_sdk_sqs::Client, inbox: &str) -> String {
    let topic = sns.create_topic().name("snapkeep").send().await.unwrap().topic_arn.unwrap();
    let request = sqs.get_queue_attributes().queue_url(inbox).attribute_names(QueueAttributeName::QueueArn);
    let arn = request.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();
    topic
}

fn map(sqs: &aws_sdk_sqs::Client, queue: &str, function: Arc<Function>) -> JoinHandle<()> {
    let mapping = Mapping { sqs: sqs.clone(), queue: queue.into() };
    tokio::spawn(async move {
        loop {
            let messages = mapping.receive().await;
            if messages.is_empty() {
                continue;
            }
            if let Ok(answer) = function.invoke(event(&messages)).await {
                mapping.settle(&messages, &answer).await;
            }
        }
    })
}

/// An event source mapping with partial batch responses: receives ten messages, invokes the function, and deletes what
/// the function does not give back. If the whole invocation fails, nothing is deleted. A call of SQS that fails is no
/// end: what was not received or deleted comes again.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub sqs: aws_sdk_sqs::Client,
    pub queue: String,
}

impl Mapping {
    /// Up to ten messages; none where none came within a second, or SQS did not answer.
    pub async fn receive(&self) -> Vec<Message> {
        let request = self
            .sqs
            .receive_message()
            .queue_url(&self.queue)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        request.send().await.ok().and_then(|answer| answer.messages).unwrap_or_default()
    }

    /// Deletes what the function's answer does not give back.
    pub async fn settle(&self, messages: &[Message], answer: &Value) {
        let failed = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
        let failed: BTreeSet<String> =
            failed.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().into()).collect();
        for message in messages.iter().filter(|message| !failed.contains(message.message_id.as_deref().unwrap())) {
            let handle = message.receipt_handle.as_deref().unwrap();
            let _ = self.sqs.delete_message().queue_url(&self.queue).receipt_handle(handle).send().await;
        }
    }
}

/// The event that a function is invoked with.
pub(crate) fn event(messages: &[Message]) -> Value {
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

fn record(message: &Message) -> Value {
    let attributes =
        message.attributes.iter().flatten().map(|(name, value)| (String::from(name.as_str()), json!(value)));
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": Value::Object(attributes.collect()),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{HOME}:{ACCOUNT}:queue"),
        "awsRegion": HOME,
    })
}
