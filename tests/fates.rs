//! The table of fates, row by row: what AWS answers over HTTP, and what becomes of the job.

use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_sqs::types::QueueAttributeName;
use chrono::TimeDelta;
use futures::StreamExt;
use serde_json::json;
use shared::aws::Aws;
use shared::aws::sqs::Received;
use shared::config;
use shared::rules::fate::{FATES, Patience, Reach, Row, Source, class};
use shared::vocabulary::api_error::{NO_ANSWER, NOT_SENT};
use shared::vocabulary::class::Class;
use shared::vocabulary::job::Job;
use simulator::faults::{Cut, Effect, Fault};
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;
use worker::lanes::{Lanes, Outcome, Step};
use worker::{Clock, Stop, Worker};

use crate::circuit;
use crate::dlq::now;
use crate::emulator::Emulator;
use crate::proxy::Proxy;
use crate::stack::ACCOUNT;

const REGION: &str = "eu-central-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/snapkeep";

fn job(number: usize, volume: &str, attempt: u32) -> Job {
    Job::parse(&circuit::job(json!({"job": format!("j-{number}"), "volume": volume, "attempt": attempt}))).unwrap()
}

/// What stands for a row's code on the wire: one of those that begin so.
fn code(row: &Row) -> String {
    match row.code {
        "Http5*" => "503".into(),
        "Http429" => "429".into(),
        code if code.ends_with('*') => code.replace('*', ".Some"),
        code => code.into(),
    }
}

fn status(row: &Row) -> u16 {
    match row.class {
        Class::Throttle => 503,
        Class::Ambiguous => 500,
        _ => 400,
    }
}

/// What becomes of `jobs`, in a lane that has two seconds.
async fn perform(aws: Aws, jobs: Vec<Job>) -> Vec<(Job, Step)> {
    perform_within(Duration::from_secs(2), aws, jobs).await
}

async fn perform_within(time: Duration, aws: Aws, jobs: Vec<Job>) -> Vec<(Job, Step)> {
    let lanes = Lanes::new(Arc::new(aws), config::Lanes { create_rate: 100.0, ..config::Lanes::default() });
    let clock = Clock::start(now());
    let stop = Stop::at(clock.after(time));
    let (lane, role) = (jobs[0].lane(), jobs[0].role.clone());
    lanes.perform(lane, role, jobs, clock, stop).collect().await
}

/// What the manual says of a class, held against what became of a job at its first attempt.
fn assert_fate(row: &Row, step: &Step) {
    let settle = Patience::with_attempts(5).settle;
    let waits_for_ec2 = |job: &Job| job.not_before.unwrap() - now() > settle - TimeDelta::seconds(3);
    let is_as_the_manual_says = match (row.class, step) {
        (Class::Throttle, Step::HandedBack { .. }) => true,
        (Class::Quota, Step::Again(job)) => job.attempt == 1 && job.not_before > Some(now()),
        (Class::Transient, Step::Again(job)) => job.attempt == 2,
        (Class::Ambiguous, Step::Again(job)) => job.attempt == 2 && waits_for_ec2(job),
        // Once more, in case EC2 has not heard of it yet.
        (Class::AlreadyDone, Step::Again(job)) => job.attempt == 2 && waits_for_ec2(job),
        (Class::Permanent | Class::Poison, Step::Dead(_)) => true,
        // Where nobody else is served, nobody knows whether it is about this volume only.
        (Class::Configuration, Step::Held(_)) => true,
        _ => false,
    };
    assert!(is_as_the_manual_says, "{row:?}: {step:?}");
    if let Step::Again(job) | Step::Dead(job) | Step::Held(job) = step {
        let failure = job.failure.as_ref().unwrap();
        assert_eq!(failure.class, Some(row.class), "{row:?}");
        assert_eq!(failure.attempts.len(), 1, "{row:?}");
    }
}

/// The lane waits, and no attempt is used up.
fn assert_held(row: &Row, step: &Step) {
    let Step::Held(job) = step else { panic!("{row:?}: {step:?}") };
    assert_eq!((job.attempt, job.failure.as_ref().unwrap().class), (1, Some(row.class)), "{row:?}");
}

fn rows(sources: &[Source]) -> Vec<Row> {
    let rows: Vec<Row> = FATES.iter().filter(|row| sources.contains(&row.source)).copied().collect();
    assert!(rows.len() >= 3, "{sources:?}");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_of_ec2_has_the_fate_that_the_table_says() {
    for row in rows(&[Source::Ec2, Source::Identity]) {
        let world = World::default();
        let volumes = Fleet::new(ACCOUNT, REGION, 3).build(&world);
        let server = Server::start_local(world).await.unwrap();
        let fault = Fault::on("CreateSnapshot", status(&row), &code(&row), "as the manual says");
        server.world.faults().set(fault);
        let aws = || Aws::at_endpoint(&server.url, ACCOUNT);
        let steps = perform(aws().await, vec![job(1, &volumes[0], 1)]).await;
        assert_fate(&row, &steps[0].1);
        let calls = server.world.history().action("CreateSnapshot").calls;
        assert!(calls == 1 || row.class == Class::Throttle, "{row:?}: the SDK has asked {calls} times");
        match row.class {
            Class::AlreadyDone => {
                let Step::Again(again) = &steps[0].1 else { panic!("{row:?}") };
                let steps = perform(aws().await, vec![Job { not_before: None, ..*again.clone() }]).await;
                assert_eq!(steps[0].1, Step::Finished(Outcome::VolumeGone), "{row:?}: it is not there twice");
            }
            Class::Configuration => {
                server.world.faults().clear();
                let fault = Fault::on("CreateSnapshot", status(&row), &code(&row), "of this one");
                server.world.faults().set(fault.for_resource(&volumes[0]));
                let jobs = volumes.iter().enumerate().map(|(number, volume)| job(number, volume, 1));
                let mut steps = perform(aws().await, jobs.collect()).await;
                steps.sort_by_key(|(job, _)| job.id.clone());
                match row.reach {
                    Reach::Lane => assert!(matches!(steps[0].1, Step::Held(_)), "{row:?}: {steps:?}"),
                    // Others are served: it is about this volume, and a person must look; at once where they were served
                    // before, and else when it is refused once more.
                    Reach::Unknown => {
                        let step = match &steps[0].1 {
                            Step::Again(next) => {
                                let next = Job { not_before: None, ..*next.clone() };
                                perform(aws().await, vec![next]).await.remove(0).1
                            }
                            step => step.clone(),
                        };
                        assert!(matches!(step, Step::Dead(_)), "{row:?}: {step:?}");
                        let served = |(_, step): &(Job, Step)| matches!(step, Step::Finished(Outcome::Created(_)));
                        assert!(steps[1..].iter().all(served), "{row:?}: {steps:?}");
                    }
                }
            }
            Class::Transient | Class::Ambiguous => {
                let steps = perform(aws().await, vec![job(1, &volumes[0], 5)]).await;
                assert!(matches!(steps[0].1, Step::Dead(_)), "{row:?}: its attempts have run out");
            }
            Class::Throttle | Class::Quota | Class::Permanent | Class::Poison => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_of_sts_has_the_fate_that_the_table_says() {
    for row in rows(&[Source::Sts]).into_iter().chain(rows(&[Source::Identity])) {
        let world = World::default();
        let volumes = Fleet::new(ACCOUNT, REGION, 1).build(&world);
        let server = Server::start_local(world).await.unwrap();
        server.world.faults().set(Fault::on("AssumeRole", status(&row), &code(&row), "as the manual says"));
        let mut job = job(1, &volumes[0], 1);
        job.role = serde_json::from_value(json!({"arn": ROLE})).unwrap();
        let time = Duration::from_secs(if row.class == Class::Throttle { 2 } else { 60 });
        let steps = perform_within(time, Aws::at_endpoint(&server.url, ACCOUNT).await, vec![job]).await;
        // Without its role nobody of the lane gets anywhere, whomever the error is about, and nobody has tried.
        match row.class {
            Class::Throttle => assert_fate(&row, &steps[0].1),
            _ => assert_held(&row, &steps[0].1),
        }
        assert_eq!(server.world.history().action("CreateSnapshot").calls, 0, "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_which_an_answer_gets_lost_has_the_fate_that_the_table_says() {
    for row in rows(&[Source::Transport]) {
        let world = World::default();
        let volumes = Fleet::new(ACCOUNT, REGION, 1).build(&world);
        let server = Server::start_local(world).await.unwrap();
        let mut job = job(1, &volumes[0], 1);
        let aws = match row.code {
            NOT_SENT => {
                job.role = serde_json::from_value(json!({"arn": ROLE})).unwrap();
                // Nobody listens there: no credentials, so that nothing is sent to EC2.
                Aws::at_endpoint("http://127.0.0.1:9", ACCOUNT).await
            }
            NO_ANSWER => {
                server.world.faults().set(Fault::new("CreateSnapshot", Effect::Cut(Cut::After)));
                Aws::at_endpoint(&server.url, ACCOUNT).await
            }
            _ => {
                // A balancer's answer: a status, and no code of AWS's.
                let status = code(&row).parse().unwrap();
                server.world.faults().set(Fault::on("CreateSnapshot", status, "", ""));
                Aws::at_endpoint(&server.url, ACCOUNT).await
            }
        };
        // The SDK asks STS several times before it gives up.
        let time = Duration::from_secs(if row.code == NOT_SENT { 60 } else { 2 });
        let steps = perform_within(time, aws, vec![job]).await;
        match row.code {
            NOT_SENT => assert_held(&row, &steps[0].1),
            _ => assert_fate(&row, &steps[0].1),
        }
    }
}

/// What SQS refuses is not acknowledged: the message comes again, and then it has the fate that it has.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_sqs_answers_nothing_is_acknowledged_before_it_is_written_down() {
    let emulator = Emulator::start().await;
    let proxy = Proxy::start(&emulator.url).await;
    let (jobs, dlq, reports) = queues(&emulator.url).await;
    let lanes = config::Lanes::default();
    let (jobs_queue_url, dlq_url, reports_queue_url) = (jobs, dlq.clone(), reports);
    let config = config::Worker { jobs_queue_url, dlq_url, reports_queue_url, lanes, metrics: None };
    let aws = || Aws::at_endpoint(&proxy.url, ACCOUNT);
    for (number, row) in rows(&[Source::Sqs]).iter().enumerate() {
        // The SDK asks again where that can help, but not so often.
        proxy.fail("GetQueueAttributes", "dlq", &code(row), 10);
        let error = aws().await.queue(&dlq).attributes().await.unwrap_err();
        assert_eq!((error.code.as_str(), class(&error)), (code(row).as_str(), row.class));
        proxy.clear();

        let message = Received { id: format!("m-{number}"), body: "hello".into(), receives: 1, ..Received::default() };
        let unsettled = async || {
            let clock = Clock::start(now());
            let stop = Stop::at(clock.after(Duration::from_secs(5)));
            Worker::new(aws().await, &config).work(vec![message.clone()], clock, stop).await.len()
        };
        proxy.fail("SendMessage", "dlq", &code(row), 10);
        assert_eq!(unsettled().await, 1, "{row:?}: it must come again");
        proxy.clear();
        assert_eq!(unsettled().await, 0, "{row:?}: it is written down now");
        let letters = aws().await.queue(&dlq).attributes().await.unwrap().messages;
        assert_eq!(letters, number + 1, "{row:?}: once");
    }
}

/// The URLs of a jobs queue, a dead-letter queue and a reports queue, in the Region of [`Aws::at_endpoint`].
async fn queues(url: &str) -> (String, String, String) {
    let config = crate::stack::config(url).await.into_builder().region(Region::from_static("us-east-1")).build();
    let sqs = &aws_sdk_sqs::Client::new(&config);
    let create = async |name: &str| {
        let request = sqs.create_queue().queue_name(name);
        let is_fifo = name.ends_with(".fifo");
        let request = if is_fifo { request.attributes(QueueAttributeName::FifoQueue, "true") } else { request };
        request.send().await.unwrap().queue_url.unwrap()
    };
    (create("jobs.fifo").await, create("dlq.fifo").await, create("reports").await)
}
