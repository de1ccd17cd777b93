//! Each of the faults, as the SDK meets it.

use std::time::{Duration, Instant};

use simulator::faults::{Cut, Effect, Fault, Latency, NeighbourPlan};

use super::*;

const CREATE: &str = "CreateSnapshot";

#[expect(clippy::disallowed_methods, reason = "a test measures time")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn any_error_comes_with_its_status_and_code_and_nothing_was_done() {
    let world = held();
    let ids = volumes(&world, 3);
    world.faults().set(Fault::on(CREATE, 503, "Unavailable", "come again").for_resource(&ids[0]));
    world
        .faults()
        .set(Fault::on("Describe*", 500, "InternalError", "").in_account(STRANGER).in_region(REGION).times(1));
    let (server, ec2) = serve(world).await;
    let error = ec2.create_snapshot().volume_id(&ids[0]).send().await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("Unavailable"), Some("come again")));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    assert_eq!(server.world.snapshots().len(), 0);
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&ids[1]).send().await), "ok");
    let stranger = client(&server, STRANGER, REGION).await;
    let describe = async |ec2: &Client| outcome(ec2.describe_instances().send().await);
    assert_eq!((describe(&ec2).await, describe(&stranger).await), ("ok".into(), "InternalError".into()));
    assert_eq!(describe(&stranger).await, "ok", "once");
    let count = server.world.history().action(CREATE);
    assert_eq!((count.calls, count.faulted, count.throttled), (2, 1, 0));
    server.world.faults().clear();
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&ids[0]).send().await), "ok");
}

#[tokio::test]
async fn a_share_of_the_calls_fails_and_the_same_one_in_each_run() {
    let run = async || {
        let world = held();
        let ids = volumes(&world, 100);
        world.set(|settings| settings.seed = 7);
        world.faults().set(Fault::on(CREATE, 500, "InternalError", "").share(0.2));
        let (_server, ec2) = serve(world).await;
        let mut failed = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            if outcome(ec2.create_snapshot().volume_id(id).send().await) != "ok" {
                failed.push(number);
            }
        }
        failed
    };
    let first = run().await;
    assert!((8..35).contains(&first.len()), "{} of 100", first.len());
    assert_eq!(run().await, first);
}

#[tokio::test]
async fn an_answer_is_late_or_comes_in_drops() {
    let world = held();
    let ids = volumes(&world, 1);
    world.faults().set(Fault::new(CREATE, Effect::Latency(Latency::Fixed(0.3))));
    world.faults().set(Fault::new("DescribeVolumes", Effect::SlowBody(0.5)));
    world
        .faults()
        .set(Fault::new("DescribeSnapshots", Effect::Latency(Latency::LongTailed { median: 0.002, p99: 0.2 })));
    let (_server, ec2) = serve(world).await;
    let start = now();
    snapshot(&ec2, &ids[0]).await;
    assert!(start.elapsed() >= Duration::from_millis(300));
    let start = now();
    let found = ec2.describe_volumes().max_results(5).send().await.unwrap().volumes.unwrap();
    assert_eq!(found.len(), 1, "late, and whole");
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
    let mut slowest = Duration::ZERO;
    for _ in 0..60 {
        let start = now();
        ec2.describe_snapshots().owner_ids("self").max_results(5).send().await.unwrap();
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest >= Duration::from_millis(20), "the tail is long: {slowest:?}");
}

#[tokio::test]
async fn a_connection_is_cut_before_the_work_after_it_and_in_the_middle_of_the_answer() {
    let world = held();
    let ids = volumes(&world, 3);
    for (id, cut) in ids.iter().zip([Cut::Before, Cut::After, Cut::Middle]) {
        world.faults().set(Fault::new(CREATE, Effect::Cut(cut)).for_resource(id));
    }
    let (server, ec2) = serve(world).await;
    let mut outcomes = Vec::new();
    for id in &ids {
        let outcome = outcome(ec2.create_snapshot().volume_id(id).send().await);
        let made = server.world.snapshots().iter().any(|snapshot| *snapshot.volume == **id);
        outcomes.push((outcome, made));
    }
    let expected = [("no answer", false), ("no answer", true), ("broken answer", true)];
    assert_eq!(outcomes, expected.map(|(outcome, made)| (outcome.to_string(), made)));
    assert_eq!(outcome(ec2.describe_volumes().max_results(5).send().await), "ok", "another connection");
}

#[tokio::test]
async fn a_neighbour_empties_the_bucket_in_bursts() {
    let world = held();
    let ids = volumes(&world, 200);
    let plan = NeighbourPlan { calls_per_second: 50.0, lasting: Some(10.0), every: Some(60.0) };
    world.faults().set(Fault::new(CREATE, Effect::Neighbour(plan)));
    let (server, ec2) = serve(world).await;
    let mut throttled = Vec::new();
    for (second, ids) in ids.chunks(2).take(100).enumerate() {
        for id in ids {
            if outcome(ec2.create_snapshot().volume_id(id).send().await) == "RequestLimitExceeded" {
                throttled.push(second);
            }
        }
        server.world.clock.advance(TimeDelta::seconds(1));
    }
    throttled.dedup();
    assert!(throttled.iter().all(|second| (1..=11).contains(second) || (61..=71).contains(second)), "{throttled:?}");
    assert!(throttled.len() >= 12, "{throttled:?}");
}
