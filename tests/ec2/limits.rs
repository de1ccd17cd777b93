//! Each of EC2's limits, reached.

use aws_sdk_ec2::types::{EnableFastSnapshotRestoreErrorItem, Filter, ResourceType};
use chrono::TimeDelta;
use simulator::fleet::{Fleet, SnapshotPlan, VolumePlan, tags};
use simulator::limits::Limit;
use simulator::world::World;
use simulator::world::volume::VolumeType;

use super::*;

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
    assert_eq!(server.world.history().action("DescribeVolumes").calls, 3);
}

#[tokio::test]
async fn page_sizes_and_tokens_are_checked() {
    let world = held();
    volumes(&world, 12);
    let (server, ec2) = serve(world).await;
    for (size, expected) in [(4, "InvalidParameterValue"), (5, "ok"), (1000, "ok"), (1001, "InvalidParameterValue")] {
        assert_eq!(outcome(ec2.describe_volumes().max_results(size).send().await), expected, "{size}");
    }
    let page = async |token: &str| outcome(ec2.describe_volumes().max_results(5).next_token(token).send().await);
    assert_eq!(page("no-such-page").await, "InvalidPaginationToken");
    let token = ec2.describe_volumes().max_results(5).send().await.unwrap().next_token.unwrap();
    assert_eq!(page(&token).await, "ok");
    server.world.clock.advance(TimeDelta::hours(25));
    assert_eq!(page(&token).await, "InvalidPaginationToken", "it has expired");
    let both = ec2.describe_volumes().max_results(5).volume_ids("vol-0123456789abcdef0").send().await;
    assert_eq!(outcome(both), "InvalidParameterCombination");
}

#[tokio::test]
async fn what_comes_and_goes_between_two_pages_shows_in_them() {
    let world = held();
    let ids = volumes(&world, 12);
    let (server, ec2) = serve(world).await;
    let first = ec2.describe_volumes().max_results(5).send().await.unwrap();
    for id in [&ids[0], &ids[7]] {
        ec2.delete_volume().volume_id(id).send().await.unwrap();
    }
    server.world.clock.advance(minutes(1));
    let new = server.world.add_volume(ACCOUNT, REGION, tags(&[]));
    let mut seen: Vec<String> = first.volumes.unwrap().into_iter().filter_map(|volume| volume.volume_id).collect();
    let mut token = first.next_token;
    while let Some(next) = token {
        let page = ec2.describe_volumes().max_results(5).next_token(next).send().await.unwrap();
        seen.extend(page.volumes.unwrap().into_iter().filter_map(|volume| volume.volume_id));
        token = page.next_token;
    }
    assert!(seen.contains(&ids[0]), "it went after its page was given");
    assert!(!seen.contains(&ids[7]) && seen.contains(&new));
    assert_eq!(seen.len(), 12);
}

#[tokio::test]
async fn hostile_pages_are_short_and_empty_and_the_paginator_walks_them_all_the_same() {
    let world = World::default();
    volumes(&world, 25);
    world.set(|settings| (settings.paging.examined, settings.paging.empty_last_page) = (1, true));
    let last = world.add_volume(ACCOUNT, REGION, tags(&[("colour", "blue")]));
    let (_server, ec2) = serve(world).await;
    let request = ec2.describe_volumes().max_results(5).filters(filter("availability-zone", "*a"));
    let mut pages = request.filters(filter("size", "9")).into_paginator().send();
    let (mut count, mut found) = (0, 0);
    while let Some(page) = pages.next().await {
        count += 1;
        found += page.unwrap().volumes.unwrap().len();
    }
    assert_eq!((count, found), (6, 0), "empty pages before the end");
    let mut pages = ec2.describe_volumes().max_results(13).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().volumes.unwrap().len());
    }
    assert_eq!(sizes, [13, 13, 0]);
    let found = ec2.describe_volumes().filters(filter("tag:colour", "blue")).send().await.unwrap().volumes.unwrap();
    assert_eq!(found[0].volume_id.as_ref(), Some(&last));
}

#[tokio::test]
async fn filters_take_wildcards_and_escaped_ones() {
    let world = World::default();
    for value in ["true", "t*", "other"] {
        world.add_volume(ACCOUNT, REGION, tags(&[("Backup", value)]));
    }
    let (_server, ec2) = serve(world).await;
    for (value, expected) in [("true", 1), ("t*", 2), (r"t\*", 1), ("*", 3), ("True", 0), ("?rue", 1)] {
        let answer = ec2.describe_volumes().filters(filter("tag:Backup", value)).send().await.unwrap();
        assert_eq!(answer.volumes.unwrap().len(), expected, "{value}");
    }
    for unknown in ["colour", ".seen-by"] {
        let error = ec2.describe_volumes().filters(filter(unknown, "blue")).send().await;
        assert_eq!(outcome(error), "InvalidParameterValue");
    }
}

#[tokio::test]
async fn filters_have_their_limits() {
    let (_server, ec2) = serve(World::default()).await;
    let values = |count: usize| {
        let values = (0..count).map(|number| number.to_string()).collect();
        Filter::builder().name("tag:Backup").set_values(Some(values)).build()
    };
    let describe = async |filters: Vec<Filter>| outcome(ec2.describe_volumes().set_filters(Some(filters)).send().await);
    assert_eq!(describe(vec![values(200)]).await, "ok");
    assert_eq!(describe(vec![values(201)]).await, "FilterLimitExceeded");
    assert_eq!(describe(vec![values(1); 50]).await, "ok");
    assert_eq!(describe(vec![values(1); 51]).await, "FilterLimitExceeded");
    assert_eq!(describe(vec![filter("tag:Backup", &"x".repeat(256))]).await, "InvalidParameterValue");
}

#[tokio::test]
async fn an_empty_bucket_throttles_one_account_and_region_and_not_its_neighbour() {
    let world = held();
    let ids = volumes(&world, 103);
    let (server, ec2) = serve(world).await;
    let mut codes = Vec::new();
    for id in &ids[..102] {
        codes.push(outcome(ec2.create_snapshot().volume_id(id).send().await));
    }
    assert!(codes[..100].iter().all(|code| code == "ok"));
    assert_eq!(codes[100..], ["RequestLimitExceeded", "RequestLimitExceeded"]);
    let create = async |ec2: &Client| outcome(ec2.create_snapshot().volume_id(&ids[102]).send().await);
    for other in [client(&server, ACCOUNT, "us-east-1").await, client(&server, STRANGER, REGION).await] {
        assert_eq!(create(&other).await, "InvalidVolume.NotFound", "another bucket, and other volumes");
    }
    server.world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(create(&ec2).await, "ok");
    assert_eq!(server.world.history().region(REGION, "CreateSnapshot").throttled, 2);
}

#[tokio::test]
async fn buckets_are_as_large_as_their_class() {
    let (server, ec2) = serve(held()).await;
    let snap = "snap-0123456789abcdef0";
    assert_eq!(taken(async || outcome(ec2.describe_volumes().send().await)).await, 50, "neither filtered nor paged");
    assert_eq!(taken(async || outcome(ec2.describe_volumes().max_results(5).send().await)).await, 100);
    let copy = async || outcome(ec2.copy_snapshot().source_region(REGION).source_snapshot_id(snap).send().await);
    assert_eq!(taken(copy).await, 50, "mutating, without a bucket of its own");
    assert_eq!(taken(async || outcome(ec2.unlock_snapshot().snapshot_id(snap).send().await)).await, 50);
    let enable = ec2.enable_fast_snapshot_restores().availability_zones("eu-central-1a").source_snapshot_ids(snap);
    assert_eq!(taken(async || outcome(enable.clone().send().await)).await, 50);
    assert_eq!(taken(async || outcome(ec2.describe_fast_snapshot_restores().send().await)).await, 100);
    assert_eq!(taken(async || outcome(ec2.describe_snapshot_tier_status().send().await)).await, 100);
    assert_eq!(taken(async || outcome(ec2.delete_snapshot().snapshot_id(snap).send().await)).await, 100);
    server.world.clock.advance(minutes(10));
    server.world.set(|settings| settings.share_mutating_bucket = true);
    assert_eq!(taken(copy).await, 50);
    assert_eq!(taken(async || outcome(ec2.unlock_snapshot().snapshot_id(snap).send().await)).await, 0, "shared");
    server.world.set_limit("DeleteSnapshot", Some(REGION), Limit { capacity: 7.0, refill: 1.0 });
    server.world.clock.advance(minutes(10));
    assert_eq!(
        taken(async || outcome(ec2.delete_snapshot().snapshot_id(snap).send().await)).await,
        7,
        "a raised quota"
    );
}

/// How many calls there are before one is throttled.
async fn taken(call: impl AsyncFn() -> String) -> usize {
    for count in 0..200 {
        if call().await == "RequestLimitExceeded" {
            return count;
        }
    }
    200
}

#[tokio::test]
async fn two_snapshots_of_a_volume_are_fifteen_seconds_apart() {
    let world = held();
    let ids = volumes(&world, 2);
    let (server, ec2) = serve(world).await;
    let create = async |id: &str| outcome(ec2.create_snapshot().volume_id(id).send().await);
    assert_eq!(create(&ids[0]).await, "ok");
    assert_eq!(create(&ids[1]).await, "ok");
    server.world.clock.advance(TimeDelta::milliseconds(14_999));
    assert_eq!(create(&ids[0]).await, "SnapshotCreationPerVolumeRateExceeded");
    server.world.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(create(&ids[0]).await, "ok");
}

#[tokio::test]
async fn a_volume_has_five_unfinished_snapshots_and_a_hard_disk_one_and_failed_ones_count() {
    let world = held();
    world.set(|settings| settings.completes_after = TimeDelta::hours(1));
    let ssd = volumes(&world, 1).remove(0);
    let volume = VolumePlan { kind: VolumeType::St1, size: 500, ..VolumePlan::default() };
    let hdd = Fleet { volume, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world).remove(0);
    let (server, ec2) = serve(world).await;
    let create = async |id: &str| {
        server.world.clock.advance(TimeDelta::seconds(20));
        ec2.create_snapshot().volume_id(id).send().await
    };
    for _ in 0..5 {
        create(&ssd).await.unwrap();
    }
    assert_eq!(outcome(create(&ssd).await), "ConcurrentSnapshotLimitExceeded");
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(outcome(create(&ssd).await), "ok", "they have completed");

    let failing = simulator::faults::Effect::EndsInError("out of luck".into());
    server.world.faults().set(simulator::faults::Fault::new("CreateSnapshot", failing).times(1));
    let failed = create(&hdd).await.unwrap().snapshot_id.unwrap();
    assert_eq!(outcome(create(&hdd).await), "ConcurrentSnapshotLimitExceeded");
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(state(&ec2, &failed).await, "error");
    assert_eq!(outcome(create(&hdd).await), "ConcurrentSnapshotLimitExceeded", "it counts until it is deleted");
    ec2.delete_snapshot().snapshot_id(&failed).send().await.unwrap();
    let pending = create(&hdd).await.unwrap().snapshot_id.unwrap();
    ec2.delete_snapshot().snapshot_id(&pending).send().await.unwrap();
    assert_eq!(outcome(create(&hdd).await), "ConcurrentSnapshotLimitExceeded", "it goes when it has completed");
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(outcome(ec2.describe_snapshots().snapshot_ids(pending).send().await), "InvalidSnapshot.NotFound");
}

#[tokio::test]
async fn an_account_has_so_many_snapshots_pending_and_in_a_region() {
    let world = held();
    let ids = volumes(&world, 10);
    world.set(|settings| {
        (settings.quotas.pending_snapshots, settings.quotas.snapshots_per_region) = (Some(3), 5);
    });
    let (server, ec2) = serve(world).await;
    let create = async |id: &str| outcome(ec2.create_snapshot().volume_id(id).send().await);
    for id in &ids[..3] {
        assert_eq!(create(id).await, "ok");
    }
    assert_eq!(create(&ids[3]).await, "PendingSnapshotLimitExceeded");
    server.world.clock.advance(minutes(2));
    assert_eq!((create(&ids[3]).await, create(&ids[4]).await), ("ok".into(), "ok".into()));
    assert_eq!(create(&ids[5]).await, "SnapshotLimitExceeded");
    server.world.clock.advance(minutes(2));
    let gone = own_snapshots(&ec2).await[0].snapshot_id.clone().unwrap();
    ec2.delete_snapshot().snapshot_id(gone).send().await.unwrap();
    assert_eq!(create(&ids[5]).await, "ok");
    assert_eq!(World::default().settings().quotas.snapshots_per_region, 100_000, "EC2's own");
}

#[tokio::test]
async fn twenty_copies_run_at_once_to_a_destination() {
    let world = held();
    let mut fleet = Fleet::new(ACCOUNT, "us-east-1", 1);
    fleet.snapshots_per_volume = 1;
    fleet.build(&world);
    let source = world.snapshots()[0].id.to_string();
    let (server, ec2) = serve(world).await;
    let copy = async |ec2: &Client| {
        outcome(ec2.copy_snapshot().source_region("us-east-1").source_snapshot_id(&source).send().await)
    };
    for _ in 0..20 {
        assert_eq!(copy(&ec2).await, "ok");
    }
    assert_eq!(copy(&ec2).await, "ResourceLimitExceeded");
    let elsewhere = client(&server, ACCOUNT, "eu-west-1").await;
    assert_eq!(copy(&elsewhere).await, "ok", "another destination");
    server.world.clock.advance(minutes(2));
    assert_eq!(copy(&ec2).await, "ok");
}

#[tokio::test]
async fn five_snapshots_of_a_region_are_enabled_for_fast_restores_at_once() {
    let world = held();
    for region in [REGION, "us-east-1"] {
        Fleet { snapshots_per_volume: 1, ..Fleet::new(ACCOUNT, region, 7) }.build(&world);
    }
    let ids = |region: &str| -> Vec<String> {
        let own = |snapshot: &&simulator::world::snapshot::Snapshot| &*snapshot.owner == ACCOUNT;
        world.region(region, |region| region.snapshots.iter().filter(own).map(|own| own.id.to_string()).collect())
    };
    let (here, there) = (ids(REGION), ids("us-east-1"));
    let (server, ec2) = serve(world).await;
    let elsewhere = client(&server, ACCOUNT, "us-east-1").await;
    // What EC2 says of each snapshot in its first zone: `ok`, or a code.
    let enable = async |ec2: &Client, ids: &[String], zone: &str| {
        let request = ec2.enable_fast_snapshot_restores().availability_zones(zone);
        let answer = request.set_source_snapshot_ids(Some(ids.to_vec())).send().await.unwrap();
        let code = |item: EnableFastSnapshotRestoreErrorItem| {
            item.fast_snapshot_restore_state_errors.unwrap().remove(0).error.unwrap().code.unwrap()
        };
        let done = vec![String::from("ok"); answer.successful.unwrap().len()];
        done.into_iter().chain(answer.unsuccessful.unwrap().into_iter().map(code)).collect::<Vec<_>>()
    };
    assert_eq!(
        enable(&ec2, &here[..6], "eu-central-1a").await,
        ["ok", "ok", "ok", "ok", "ok", "ResourceLimitExceeded"]
    );
    assert_eq!(enable(&ec2, &here[..5], "eu-central-1b").await, ["ok"; 5], "the same snapshots in another zone");
    assert_eq!(enable(&elsewhere, &there[..1], "us-east-1a").await, ["ok"], "another Region");
    let disable = ec2.disable_fast_snapshot_restores().source_snapshot_ids(&here[0]);
    disable.availability_zones("eu-central-1a").availability_zones("eu-central-1b").send().await.unwrap();
    assert_eq!(enable(&ec2, &here[5..6], "eu-central-1a").await, ["ResourceLimitExceeded"], "it is disabling");
    server.world.clock.advance(minutes(1));
    assert_eq!(enable(&ec2, &here[5..6], "eu-central-1a").await, ["ok"]);
    server.world.set(|settings| settings.quotas.fast_restored_snapshots = 6);
    assert_eq!(enable(&ec2, &here[6..], "eu-central-1a").await, ["ok"], "a raised quota");
}

#[tokio::test]
async fn tags_have_their_limits() {
    let world = World::default();
    let ids = volumes(&world, 8);
    let (_server, ec2) = serve(world).await;
    let numbered = |count: usize| (0..count).map(|number| tag(&format!("k{number}"), "")).collect::<Vec<_>>();
    let cases = [
        (numbered(50), "ok"),
        (numbered(51), "TagLimitExceeded"),
        (vec![tag("aws:x", "y")], "InvalidParameterValue"),
        (vec![tag("AWS:x", "y")], "InvalidParameterValue"),
        (vec![tag("k", &"v".repeat(257))], "InvalidParameterValue"),
        (vec![tag(&"k".repeat(129), "v")], "InvalidParameterValue"),
        (vec![tag("k", "v"), tag("k", "w")], "InvalidParameterValue"),
        (vec![tag("a<b>&\"c\"", "d\u{e9} 'f' \u{1}")], "ok"),
    ];
    for (id, (tags, expected)) in ids.iter().zip(cases) {
        let first = tags[0].key.clone();
        let request =
            ec2.create_snapshot().volume_id(id).tag_specifications(specification(ResourceType::Snapshot, tags));
        assert_eq!(outcome(request.send().await), expected, "{first:?}");
    }
    let add = async |tags: Vec<Tag>| outcome(ec2.create_tags().resources(&ids[0]).set_tags(Some(tags)).send().await);
    assert_eq!(add(numbered(49)).await, "ok", "with Backup these are fifty");
    assert_eq!(add(vec![tag("one more", "")]).await, "TagLimitExceeded");
    assert_eq!(add(vec![tag("k1", "another value")]).await, "ok");
    let request = ec2.create_snapshot().volume_id(&ids[7]);
    let wrong = specification(ResourceType::Volume, vec![tag("k", "v")]);
    assert_eq!(outcome(request.tag_specifications(wrong).send().await), "InvalidParameterValue");
}

#[tokio::test]
async fn one_unknown_or_malformed_id_fails_the_whole_call() {
    let world = World::default();
    let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[]), 1);
    let (server, ec2) = serve(world).await;
    let made = snapshot(&ec2, &volumes[0]).await;
    let describe = async |kind: &str, id: &str| match kind {
        "vol" => outcome(ec2.describe_volumes().volume_ids(&volumes[0]).volume_ids(id).send().await),
        "snap" => outcome(ec2.describe_snapshots().snapshot_ids(&made).snapshot_ids(id).send().await),
        _ => outcome(ec2.describe_instances().instance_ids(&instance).instance_ids(id).send().await),
    };
    for (kind, known, unknown, malformed, none) in [
        ("vol", &volumes[0], "InvalidVolume.NotFound", "InvalidVolumeID.Malformed", "InvalidParameterValue"),
        ("snap", &made, "InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed", "InvalidParameterValue"),
        ("i", &instance, "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "InvalidInstanceID.Malformed"),
    ] {
        assert_eq!(describe(kind, known).await, "ok");
        assert_eq!(describe(kind, &format!("{kind}-0123456789abcdef0")).await, unknown);
        for bad in ["", "123", "0123456789abcdefg", "0123456789abcdef01", "0123 5678"] {
            assert_eq!(describe(kind, &format!("{kind}-{bad}")).await, malformed, "{kind}-{bad}");
        }
        assert_eq!(describe(kind, "x").await, none);
    }
    let stranger = client(&server, STRANGER, REGION).await;
    let theirs = stranger.describe_volumes().volume_ids(&volumes[0]).send().await;
    assert_eq!(outcome(theirs), "InvalidVolume.NotFound", "another account's is as good as none");
    assert_eq!(outcome(ec2.create_snapshot().volume_id("vol-x").send().await), "InvalidVolumeID.Malformed");
    assert_eq!(outcome(ec2.delete_snapshot().snapshot_id("snap-x").send().await), "InvalidSnapshotID.Malformed");
}

#[tokio::test]
async fn who_forgets_the_owner_sees_the_snapshots_of_strangers() {
    let world = World::default();
    for (account, public) in [(ACCOUNT, false), (STRANGER, true), ("111111111111", false)] {
        let snapshot = SnapshotPlan { public, ..SnapshotPlan::default() };
        Fleet { snapshots_per_volume: 1, snapshot, ..Fleet::new(account, REGION, 2) }.build(&world);
    }
    let (server, ec2) = serve(world).await;
    let owners =
        async |request: aws_sdk_ec2::operation::describe_snapshots::builders::DescribeSnapshotsFluentBuilder| {
            let found = request.send().await.unwrap().snapshots.unwrap();
            let mut owners: Vec<String> = found.into_iter().filter_map(|snapshot| snapshot.owner_id).collect();
            owners.sort();
            owners.join(" ")
        };
    let all = || ec2.describe_snapshots();
    let (me, them, amazon) = (ACCOUNT, STRANGER, "137112412989");
    assert_eq!(owners(all()).await, format!("{me} {me} {amazon} {them} {them}"));
    assert_eq!(owners(all().owner_ids("self")).await, format!("{me} {me}"));
    assert_eq!(owners(all().owner_ids("amazon").owner_ids(them)).await, format!("{amazon} {them} {them}"));
    assert_eq!(owners(all().restorable_by_user_ids("self")).await, format!("{me} {me}"));
    assert_eq!(owners(all().restorable_by_user_ids("all")).await, format!("{amazon} {them} {them}"));
    let hidden = server.world.snapshots().into_iter().find(|snapshot| &*snapshot.owner == "111111111111").unwrap();
    assert_eq!(owners(all().snapshot_ids(&*hidden.id)).await, "", "no access is no error");
}

#[tokio::test]
async fn a_region_that_was_not_opted_into_answers_auth_failure() {
    let world = World::default();
    world.set(|settings| {
        settings.opt_in_regions.insert("me-south-1".into(), [STRANGER.into()].into());
    });
    let (server, ec2) = serve(world).await;
    let here = client(&server, ACCOUNT, "me-south-1").await;
    assert_eq!(outcome(here.describe_volumes().max_results(5).send().await), "AuthFailure");
    let theirs = client(&server, STRANGER, "me-south-1").await;
    assert_eq!(outcome(theirs.describe_volumes().max_results(5).send().await), "ok");
    let nowhere = client(&server, ACCOUNT, "eu-nowhere-1").await;
    assert_eq!(outcome(nowhere.describe_volumes().max_results(5).send().await), "AuthFailure");
    let status = async |ec2: &Client, all: bool| {
        let regions = ec2.describe_regions().all_regions(all).send().await.unwrap().regions.unwrap();
        let found = regions.into_iter().find(|region| region.region_name.as_deref() == Some("me-south-1"));
        found.and_then(|region| region.opt_in_status)
    };
    assert_eq!(status(&ec2, false).await, None);
    assert_eq!(status(&ec2, true).await.as_deref(), Some("not-opted-in"));
    assert_eq!(status(&client(&server, STRANGER, REGION).await, false).await.as_deref(), Some("opted-in"));
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
