//! The simulator through the real SDK client: what it answers is what our adapters get. One file for each thing that
//! makes an EC2 hostile.

mod calls;
mod control;
mod fast_restores;
mod faults;
mod limits;
mod restores;
mod time;

use std::fmt::Debug;

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{Filter, ResourceType, Snapshot, Tag, TagSpecification};
use chrono::TimeDelta;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

use crate::stack::{ACCOUNT, config_of};

const REGION: &str = "eu-central-1";
const NOW: &str = "2026-11-20T02:00:00Z";
const STRANGER: &str = "210987654321";

/// A world whose clock stands still until somebody moves it.
fn held() -> World {
    let world = World::default();
    world.clock.hold(NOW.parse().unwrap());
    world
}

/// Serves `world`, and gives a client of the account that tries nothing twice.
async fn serve(world: World) -> (Server, Client) {
    let server = Server::start_local(world).await.unwrap();
    let ec2 = client(&server, ACCOUNT, REGION).await;
    (server, ec2)
}

async fn client(server: &Server, account: &str, region: &'static str) -> Client {
    let config = config_of(&server.url, account).await.into_builder().region(aws_config::Region::new(region)).build();
    let builder = aws_sdk_ec2::config::Builder::from(&config);
    Client::from_conf(builder.retry_config(RetryConfig::disabled()).build())
}

/// `ok`, or the code of the error, or how the transport failed.
fn outcome<T, E: ProvideErrorMetadata + Debug, R: Debug>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(SdkError::ServiceError(error)) => error.err().code().unwrap_or("no code").into(),
        Err(SdkError::ResponseError(_)) => "broken answer".into(),
        Err(SdkError::DispatchFailure(_)) => "no answer".into(),
        Err(other) => format!("{other:?}"),
    }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn specification(resource: ResourceType, tags: Vec<Tag>) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(tags)).build()
}

/// The account's snapshots, as `DescribeSnapshots` has them.
async fn own_snapshots(ec2: &Client) -> Vec<Snapshot> {
    ec2.describe_snapshots().owner_ids("self").send().await.unwrap().snapshots.unwrap()
}

/// Takes a snapshot and gives its id.
async fn snapshot(ec2: &Client, volume: &str) -> String {
    ec2.create_snapshot().volume_id(volume).send().await.unwrap().snapshot_id.unwrap()
}

async fn state(ec2: &Client, snapshot: &str) -> String {
    let answer = ec2.describe_snapshots().snapshot_ids(snapshot).send().await.unwrap();
    answer.snapshots.unwrap().remove(0).state.unwrap().as_str().into()
}

/// Volumes that are attached to nothing.
fn volumes(world: &World, count: usize) -> Vec<String> {
    Fleet { volumes_per_instance: 0, ..Fleet::new(ACCOUNT, REGION, count) }.build(world)
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
