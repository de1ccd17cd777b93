//! The same fleet through the wiring that everybody uses, and through this one, side by side.
//!
//! `cargo test --workspace --test e2e common_wiring -- --ignored --nocapture`
//!
//! The wiring that everybody uses: a standard queue, a visibility timeout of six times the function's, `maxReceiveCount`
//! 5, partial batch failures, up to a hundred environments at once, the SDK's own three attempts, and no pacing. The
//! timeout and the count are what AWS recommends:
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_ec2::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use serde_json::json;
use simulator::faults::{Effect, Fault, Latency};
use simulator::fleet::Fleet;
use simulator::history::Count;
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::world::World;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::emulator::Emulator;
use crate::stack::{ACCOUNT, Mapping, Stack, config};

const REGION: &str = "eu-central-1";
const VOLUMES: usize = 4000;
/// All times are so many times as short as in life, for both: what EC2 refills in a second, how long it takes to answer,
/// the time-outs, the waits of the SDK. A bucket holds 100 as in life. Ours waits in life's seconds after a failure; there
/// is none.
const SPEED: f64 = 8.0;
/// A batch of ten takes up to about half a minute where each call is throttled three times: the shorter one is run into.
const TIMEOUTS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(60)];
const ENVIRONMENTS: usize = 100;
/// Lambda begins with so many pollers: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
const POLLERS: usize = 5;
const MAX_RECEIVES: u32 = 5;

fn scaled(time: Duration) -> Duration {
    time.div_f64(SPEED)
}

/// What came of it.
struct Outcome {
    dead: usize,
    /// Without a snapshot.
    missing: usize,
    twice: usize,
    creates: Count,
    time: Duration,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "several minutes: for the figures"]
async fn common_wiring_loses_healthy_volumes_where_this_one_loses_none() {
    let [short, long] = TIMEOUTS;
    let outcomes =
        [through_the_common_wiring(short).await, through_the_common_wiring(long).await, through_ours().await];
    let row = |what: &str, count: fn(&Outcome) -> String| {
        let [short, long, ours] = outcomes.each_ref().map(count);
        println!("{what:<28}{short:>18}{long:>18}{ours:>16}");
    };
    println!("{VOLUMES} healthy volumes in one lane, EC2's limits, all times {SPEED} times as short");
    println!("{:<28}{:>18}{:>18}{:>16}", "function's time-out, in life", "common, 30 s", "common, 60 s", "snapkeep");
    row("dead-lettered", |outcome| of_all(outcome.dead as u64, VOLUMES as u64));
    row("without a snapshot", |outcome| of_all(outcome.missing as u64, VOLUMES as u64));
    row("with two snapshots or more", |outcome| of_all(outcome.twice as u64, VOLUMES as u64));
    row("CreateSnapshot calls", |outcome| outcome.creates.calls.to_string());
    row("  of them throttled", |outcome| of_all(outcome.creates.throttled, outcome.creates.calls));
    row("seconds, here", |outcome| format!("{:.0}", outcome.time.as_secs_f64()));
    row("minutes, in life", |outcome| format!("{:.1}", outcome.time.as_secs_f64() * SPEED / 60.0));
    let [short, long, ours] = outcomes;
    assert!(
        short.dead > 0 && long.dead > 0,
        "the common wiring dead-letters none: it is not driven as hard as in life"
    );
    assert_eq!((ours.dead, ours.missing, ours.twice), (0, 0, 0));
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn of_all(part: u64, whole: u64) -> String {
    format!("{part} ({:.1} %)", 100.0 * part as f64 / whole as f64)
}

fn world() -> (World, Vec<String>) {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, VOLUMES).build(&world);
    world.set_limit("*", None, Limit { capacity: 100.0, refill: 20.0 * SPEED });
    world.set_limit("CreateSnapshot", None, Limit { capacity: 100.0, refill: 5.0 * SPEED });
    world
        .faults()
        .set(Fault::new("*", Effect::Latency(Latency::Fixed(scaled(Duration::from_millis(300)).as_secs_f64()))));
    world.set(|settings| settings.quotas.seconds_between_snapshots = 2);
    (world, volumes)
}

fn outcome(world: &World, volumes: &[String], dead: usize, time: Duration) -> Outcome {
    let mut made = BTreeMap::<String, usize>::new();
    world.snapshots().iter().for_each(|snapshot| *made.entry(snapshot.volume.to_string()).or_default() += 1);
    Outcome {
        dead,
        missing: volumes.iter().filter(|volume| !made.contains_key(*volume)).count(),
        twice: made.values().filter(|count| **count > 1).count(),
        creates: world.history().action("CreateSnapshot"),
        time,
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn through_ours() -> Outcome {
    let (world, volumes) = world();
    let rate = (4.5 * SPEED).to_string();
    let stack = Stack::deploy(world, 2, &[("SNAPKEEP_CREATE_RATE", rate.as_str())]).await;
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": ["true"]}}, "retain": "7d",
        "regions": [REGION], "scheduled_time": "2026-11-20T02:00:00Z",
    });
    let start = Instant::now();
    stack.plan(&policy).await.unwrap();
    stack.settle_within(Duration::from_secs(1800)).await;
    let dead = stack.waiting(&stack.queues.dlq).await;
    outcome(stack.world(), &volumes, dead, start.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn through_the_common_wiring(timeout: Duration) -> Outcome {
    let (world, volumes) = world();
    let (emulator, ec2) = (Emulator::start().await, Server::start_local(world).await.unwrap());
    let sqs = aws_sdk_sqs::Client::new(&config(&emulator.url).await);
    let visibility = scaled(6 * timeout).as_secs();
    let dlq = create_queue(&sqs, "common-dlq", &[]).await;
    let redrive = format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:{REGION}:{ACCOUNT}:common-dlq","maxReceiveCount":"{MAX_RECEIVES}"}}"#
    );
    let attributes =
        [(QueueAttributeName::VisibilityTimeout, visibility.to_string()), (QueueAttributeName::RedrivePolicy, redrive)];
    let queue = create_queue(&sqs, "common", &attributes).await;
    let mapping = Mapping { sqs: sqs.clone(), queue: queue.clone() };
    let start = Instant::now();
    fill(&sqs, &queue, &volumes).await;
    let workers = tokio::spawn(scale_out(mapping, environments(&ec2.url).await, scaled(timeout)));
    while waiting(&sqs, &queue).await > 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let time = start.elapsed();
    workers.abort();
    let dead = waiting(&sqs, &dlq).await;
    outcome(&ec2.world, &volumes, dead, time)
}

async fn create_queue(sqs: &aws_sdk_sqs::Client, name: &str, attributes: &[(QueueAttributeName, String)]) -> String {
    let request = sqs.create_queue().queue_name(name).set_attributes(Some(attributes.iter().cloned().collect()));
    request.send().await.unwrap().queue_url.unwrap()
}

async fn fill(sqs: &aws_sdk_sqs::Client, queue: &str, volumes: &[String]) {
    for volume in volumes {
        sqs.send_message().queue_url(queue).message_body(volume).send().await.unwrap();
    }
}

async fn waiting(sqs: &aws_sdk_sqs::Client, queue: &str) -> usize {
    let request = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All);
    let counts = request.send().await.unwrap().attributes.unwrap();
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    names.iter().map(|name| counts[name].parse::<usize>().unwrap()).sum()
}

/// A client for each environment, with a retry budget of its own, as each has in a process of its own.
async fn environments(ec2: &str) -> Vec<aws_sdk_ec2::Client> {
    let shared = config(ec2).await;
    let retries = RetryConfig::standard()
        .with_initial_backoff(scaled(Duration::from_secs(1)))
        .with_max_backoff(scaled(Duration::from_secs(20)));
    let client = |number: usize| {
        let config = aws_sdk_ec2::config::Builder::from(&shared).retry_config(retries.clone());
        let config = config.retry_partition(RetryPartition::new(format!("environment {number}")));
        aws_sdk_ec2::Client::from_conf(config.build())
    };
    (0..ENVIRONMENTS).map(client).collect()
}

/// Pollers receive as long as an environment is free, and each batch has one for itself.
async fn scale_out(mapping: Mapping, environments: Vec<aws_sdk_ec2::Client>, timeout: Duration) {
    let places = Arc::new(Semaphore::new(environments.len()));
    let (free, idle) = mpsc::unbounded_channel();
    environments.into_iter().for_each(|environment| free.send(environment).unwrap());
    let idle = Arc::new(tokio::sync::Mutex::new(idle));
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        let (mapping, places, free, idle) = (mapping.clone(), Arc::clone(&places), free.clone(), Arc::clone(&idle));
        pollers.spawn(async move {
            let mut invocations = JoinSet::new();
            loop {
                let place = Arc::clone(&places).acquire_owned().await.unwrap();
                let messages = mapping.receive().await;
                if messages.is_empty() {
                    continue;
                }
                let environment = idle.lock().await.recv().await.unwrap();
                let (mapping, free) = (mapping.clone(), free.clone());
                invocations.spawn(async move {
                    // A function that runs into its time-out answers nothing: the whole batch comes again.
                    let answer = tokio::time::timeout(timeout, handle(&environment, &messages)).await;
                    if let Ok(answer) = answer {
                        mapping.settle(&messages, &answer).await;
                    }
                    free.send(environment).unwrap();
                    drop(place);
                });
            }
        });
    }
    pollers.join_all().await;
}

/// The function: one call for each message, and a partial batch failure for each that fails.
async fn handle(ec2: &aws_sdk_ec2::Client, messages: &[Message]) -> serde_json::Value {
    let mut failures = Vec::new();
    for message in messages {
        let made = ec2.create_snapshot().volume_id(message.body.as_deref().unwrap()).send().await;
        if made.is_err() {
            failures.push(json!({"itemIdentifier": message.message_id}));
        }
    }
    json!({"batchItemFailures": failures})
}
