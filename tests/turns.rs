//! Workers that take a lane's batches in turns, as the environments of a Lambda function do.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use serde_json::json;
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::job::Job;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;
use worker::lanes::Lanes;
use worker::{Clock, Stop};

use crate::circuit;
use crate::dlq::now;
use crate::stack::ACCOUNT;

const REGION: &str = "eu-central-1";

async fn lanes(url: &str) -> Lanes {
    let aws = Arc::new(Aws::at_endpoint(url, ACCOUNT).await);
    Lanes::new(aws, config::Lanes { create_rate: 10.0, ..config::Lanes::default() })
}

fn job(volume: &str) -> Job {
    Job::parse(&circuit::job(json!({"job": format!("j-{volume}"), "volume": volume}))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_worker_takes_up_a_batch_the_lane_keeps_its_pace() {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, 50).build(&world);
    let server = Server::start_local(world).await.unwrap();
    let workers = [lanes(&server.url).await, lanes(&server.url).await];
    for (lanes, batch) in workers.iter().cycle().zip(volumes.chunks(10)) {
        let jobs: Vec<Job> = batch.iter().map(|volume| job(volume)).collect();
        let clock = Clock::start(now());
        let stop = Stop::at(clock.after(Duration::from_secs(60)));
        assert_eq!(lanes.perform(jobs[0].lane(), None, jobs, clock, stop).count().await, 10);
    }
    let history = server.world.history();
    let calls = history.calls_from(0).iter().filter(|call| &*call.action == "CreateSnapshot").map(|call| call.at);
    let calls: Vec<DateTime<Utc>> = calls.collect();
    assert_eq!(calls.len(), volumes.len());
    let took = calls[calls.len() - 1] - calls[0];
    assert!(took >= TimeDelta::milliseconds(49 * 100 * 97 / 100), "ten a second and no more: {took}");
}
