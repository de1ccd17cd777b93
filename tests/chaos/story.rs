//! Everything at once, for long: EC2, SQS and the workers fail at random, and then it is counted what came of it.
//!
//! The small one is an ordinary test. The large one: `cargo test --workspace --test e2e chaos_of_twenty_thousand --
//! --ignored --nocapture`. `SNAPKEEP_CHAOS_SEED` and `SNAPKEEP_CHAOS_JOBS` change either.

use std::time::{Duration, Instant};

use serde_json::Value;
use simulator::limits::Limit;
use simulator::scenario::Scenario;
use simulator::world::World;

use super::counts::{Letters, Made, Troubles, Verdict};
use super::crew::Crew;
use super::fleet::{Ground, prune_policies};
use crate::stack::Stack;

/// EC2's limits and the lanes' rates, so many times as fast as in life.
const SPEED: f64 = 50.0;
/// Messages come again after so many seconds: the slowest answers take longer.
const VISIBILITY: u32 = 15;
/// Of SQS's calls.
const SQS_TROUBLES: f64 = 0.08;
const DOUBLED: f64 = 0.05;

/// At every call something: slow, refused, failed, done and not told, cut. In the second account Describe lags behind by
/// more than a worker waits before it tries again, so that some snapshots are taken twice. In one lane somebody else
/// empties the bucket from time to time.
const EC2: &str = r#"
[settings]
lag = 1
lag_of = { "arn:aws:iam::210987654321:role/snapkeep" = 20 }
completes_after = 2
paging = { examined = 1, empty_last_page = true }
[[fault]]
action = "*"
share = 0.3
latency = { median = 0.1, p99 = 1.5 }
[[fault]]
action = "CreateSnapshot"
share = 0.004
latency = 18
[[fault]]
action = "*"
share = 0.02
error = { status = 503, code = "RequestLimitExceeded", message = "Request limit exceeded." }
[[fault]]
action = "*"
share = 0.02
error = { status = 500, code = "InternalError" }
[[fault]]
action = "*"
share = 0.01
error = { status = 503, code = "Unavailable" }
[[fault]]
action = "*"
share = 0.02
cut = "after"
[[fault]]
action = "*"
share = 0.02
cut = "middle"
[[fault]]
action = "*"
share = 0.02
cut = "before"
[[fault]]
action = "CreateSnapshot"
region = "us-east-1"
neighbour = { calls_per_second = 1000, lasting = 2, every = 15 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn chaos_of_two_thousand_jobs_loses_nothing() {
    chaos(2_000, Duration::from_secs(900)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: for the figures"]
async fn chaos_of_twenty_thousand_jobs_loses_nothing() {
    chaos(20_000, Duration::from_secs(5400)).await;
}

#[expect(clippy::disallowed_methods, reason = "the seed and the size of the test")]
fn wanted(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

async fn chaos(jobs: usize, longest: Duration) {
    let seed = wanted("SNAPKEEP_CHAOS_SEED", 7);
    let jobs = usize::try_from(wanted("SNAPKEEP_CHAOS_JOBS", jobs as u64)).unwrap();
    println!("the same again: SNAPKEEP_CHAOS_SEED={seed} SNAPKEEP_CHAOS_JOBS={jobs}");
    let world = World::default();
    let ground = Ground::build(&world, jobs);
    let stack = deploy(world, seed).await;
    let crew = Crew::start(&stack, seed, 4, 2).await;

    let (troubles, left) = a_bad_night(&stack, &ground, &crew, seed, longest).await;
    // Until all is completed, and shown.
    tokio::time::sleep(Duration::from_secs(22)).await;
    let (letters, before_prune) = (Letters::read(&stack).await, Made::look(stack.world()));
    let left_of_prune = a_calm_prune(&stack, longest).await;
    let after = Made::look(stack.world());
    crew.end().await;

    let verdict = Verdict::of(&ground, &letters, &before_prune, &after, left + left_of_prune);
    verdict.print();
    troubles.print();
    verdict.assert_good();
    troubles.assert_there_were_some();
}

/// All jobs planned and settled while everything fails; gives how many messages are left.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn a_bad_night(stack: &Stack, ground: &Ground, crew: &Crew, seed: u64, longest: Duration) -> (Troubles, usize) {
    let start = Instant::now();
    ground.make_sick(stack.world());
    Scenario::read(EC2).unwrap().build(stack.world()).unwrap();
    stack.proxy.chaos(seed, SQS_TROUBLES);
    stack.proxy.double(DOUBLED);
    for wave in ground.policies() {
        empty(stack, WAITING_AT_NEXT_WAVE, longest).await;
        for policy in wave {
            plan(stack, &policy).await;
        }
    }
    let left = empty(stack, 0, longest).await;
    crew.calm();
    let (sqs, time) = (stack.proxy.counts(), start.elapsed());
    stack.proxy.chaos(seed, 0.0);
    stack.proxy.double(0.0);
    stack.world().faults().clear();
    (Troubles { creates: stack.world().history().action("CreateSnapshot"), sqs, kills: crew.kills(), time }, left)
}

/// A prune through the same pipeline, in which nothing fails; gives how many messages are left, or dead letters.
async fn a_calm_prune(stack: &Stack, longest: Duration) -> usize {
    for policy in prune_policies() {
        plan(stack, &policy).await;
    }
    empty(stack, 0, longest).await + stack.waiting(&stack.queues.dlq).await
}

/// The next wave is planned when no more than so many messages are left of the others.
const WAITING_AT_NEXT_WAVE: usize = 300;

/// Attempts: with the share of calls that fails here, one volume of many thousands would fail five times in a row.
async fn deploy(world: World, seed: u64) -> Stack {
    world.set(|settings| settings.seed = seed);
    for (action, refill) in [("*", 20.0), ("CreateSnapshot", 5.0), ("DeleteSnapshot", 5.0)] {
        world.set_limit(action, None, Limit { capacity: 500.0, refill: refill * SPEED });
    }
    let rate = (4.5 * SPEED).to_string();
    let settings =
        [("SNAPKEEP_CREATE_RATE", rate.as_str()), ("SNAPKEEP_DELETE_RATE", &rate), ("SNAPKEEP_MAX_ATTEMPTS", "7")];
    let stack = Stack::deploy(world, 0, &settings).await;
    stack.set_visibility_timeout(VISIBILITY).await;
    stack
}

/// Plans until it is planned: what was planned before is the same jobs.
async fn plan(stack: &Stack, policy: &Value) {
    for _ in 0..20 {
        match stack.plan(policy).await {
            Ok(_) => return,
            Err(error) => println!("planned again after {}", error["errorMessage"]),
        }
    }
    panic!("could not be planned: {policy}");
}

/// Waits until no more than `most` messages are in the queues, or it takes longer than that; gives how many are left.
#[expect(clippy::disallowed_methods, reason = "a test measures time")]
async fn empty(stack: &Stack, most: usize, longest: Duration) -> usize {
    let start = Instant::now();
    loop {
        let waiting = stack.waiting(&stack.queues.jobs).await + stack.waiting(&stack.queues.reports).await;
        if waiting <= most || start.elapsed() > longest {
            return waiting;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
