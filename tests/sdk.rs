//! The simulator through the real SDK client: what it answers is what our adapters get.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use chrono::TimeDelta;
use simulator::fleet::{Fleet, tags};
use simulator::server::Server;
use simulator::world::World;

use crate::stack::{ACCOUNT, config};

const REGION: &str = "eu-central-1";

async fn serve(world: World) -> (Server, Client) {
    let server = Server::start_local(world).await.unwrap();
    let config = aws_sdk_ec2::config::Builder::from(&config(&server.url).await)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    (server, Client::from_conf(config))
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

#[tokio::test]
async fn pages_are_walked_to_their_end() {
    let world = World::default();
    Fleet::new(ACCOUNT, REGION, 2345).build(&world);
    let (server, ec2) = serve(world).await;
    let mut pages = ec2.describe_volumes().max_results(1000).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().volumes.unwrap().len());
    }
    assert_eq!(sizes, [1000, 1000, 345]);
    let error = ec2.describe_volumes().max_results(1000).next_token("no-such-page").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidPaginationToken"));
    let error = ec2.describe_volumes().max_results(1001).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert_eq!(server.world.history().action("DescribeVolumes").calls, 5);
}

#[tokio::test]
async fn filters_take_wildcards_and_escaped_ones() {
    let world = World::default();
    for value in ["true", "t*", "other"] {
        world.add_volume(ACCOUNT, REGION, tags(&[("Backup", value)]));
    }
    let (_server, ec2) = serve(world).await;
    for (value, expected) in [("true", 1), ("t*", 2), (r"t\*", 1), ("*", 3), ("True", 0)] {
        let answer = ec2.describe_volumes().filters(filter("tag:Backup", value)).send().await.unwrap();
        assert_eq!(answer.volumes.unwrap().len(), expected, "{value}");
    }
    let error = ec2.describe_volumes().filters(filter("colour", "blue")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_snapshot_is_pending_and_later_completed() {
    let world = World::default();
    let volume = world.add_volume(ACCOUNT, REGION, tags(&[]));
    let (server, ec2) = serve(world).await;
    let tag = Tag::builder().key("a<b>&\"c\"").value("d\u{e9} 'f'").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::Snapshot).tags(tag).build();
    let made = ec2.create_snapshot().volume_id(&volume).tag_specifications(tags).send().await.unwrap();
    assert_eq!(made.state.unwrap().as_str(), "pending");
    let look = async || {
        let request = ec2.describe_snapshots().owner_ids("self").filters(filter("tag:a<b>&\"c\"", "d\u{e9} 'f'"));
        request.send().await.unwrap().snapshots.unwrap().remove(0)
    };
    assert_eq!(look().await.state.unwrap().as_str(), "pending");
    server.world.clock.advance(TimeDelta::minutes(2));
    let found = look().await;
    assert_eq!((found.state.unwrap().as_str(), found.progress.as_deref()), ("completed", Some("100%")));
    assert_eq!(found.snapshot_id, made.snapshot_id);
    ec2.delete_snapshot().snapshot_id(made.snapshot_id.as_deref().unwrap()).send().await.unwrap();
    let error = ec2.delete_snapshot().snapshot_id(made.snapshot_id.unwrap()).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSnapshot.NotFound"));
}

#[tokio::test]
async fn what_ec2_refuses_is_refused_with_its_code() {
    let world = World::default();
    let volume = world.add_volume(ACCOUNT, REGION, tags(&[]));
    let (_server, ec2) = serve(world).await;
    let tags = |pairs: Vec<(String, String)>| {
        let tags = pairs.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags.collect())).build()
    };
    let create = async |volume: &str, pairs: Vec<(String, String)>| {
        let request = ec2.create_snapshot().volume_id(volume).tag_specifications(tags(pairs));
        request.send().await.map(drop).map_err(|error| error.code().unwrap_or_default().to_string())
    };
    let pairs = |count: usize| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
    let refused = |code: &str| Err(code.to_string());
    assert_eq!(create("vol-0123456789abcdef0", pairs(1)).await, refused("InvalidVolume.NotFound"));
    assert_eq!(create("vol-x", pairs(1)).await, refused("InvalidParameterValue"));
    assert_eq!(create(&volume, pairs(51)).await, refused("TagLimitExceeded"));
    assert_eq!(create(&volume, vec![("aws:x".into(), "y".into())]).await, refused("InvalidParameterValue"));
    assert_eq!(create(&volume, vec![("k".into(), "v".repeat(257))]).await, refused("InvalidParameterValue"));
    assert_eq!(create(&volume, pairs(50)).await, Ok(()));
    let error = ec2.create_snapshot().volume_id(&volume).dry_run(true).send().await.unwrap_err();
    assert_eq!(error.code(), Some("DryRunOperation"));
    let request = ec2.describe_volumes().volume_ids(&volume).volume_ids("vol-0123456789abcdef0");
    assert_eq!(
        request.send().await.unwrap_err().code(),
        Some("InvalidVolume.NotFound"),
        "one unknown id fails the call"
    );
}

#[tokio::test]
async fn an_empty_bucket_throttles_one_account_and_region_and_not_its_neighbour() {
    let world = World::default();
    world.clock.hold("2026-11-20T02:00:00Z".parse().unwrap());
    let volume = world.add_volume(ACCOUNT, REGION, tags(&[]));
    let (server, ec2) = serve(world).await;
    let mut codes = Vec::new();
    for _ in 0..102 {
        let answer = ec2.create_snapshot().volume_id(&volume).send().await;
        codes.extend(answer.err().and_then(|error| error.code().map(String::from)));
    }
    assert_eq!(codes, ["RequestLimitExceeded", "RequestLimitExceeded"]);
    server.world.clock.advance(TimeDelta::seconds(1));
    assert!(ec2.create_snapshot().volume_id(&volume).send().await.is_ok());
    let elsewhere = config(&server.url).await.into_builder().region(aws_config::Region::new("us-east-1")).build();
    let error = Client::new(&elsewhere).create_snapshot().volume_id(&volume).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidVolume.NotFound"), "another Region: another bucket, and other volumes");
}

#[tokio::test]
async fn a_fleet_of_a_hundred_thousand_volumes_is_made_in_a_moment() {
    let world = World::default();
    for number in 0..30 {
        Fleet::new(ACCOUNT, &format!("eu-test-{number}"), 3334).build(&world);
    }
    let volumes: usize = (0..30).map(|n| world.region(&format!("eu-test-{n}"), |region| region.volumes.len())).sum();
    assert_eq!(volumes, 100_020);
}
