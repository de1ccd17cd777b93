//! What is asked for, shared, locked, archived, thrown away and copied.

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    CopyTagsFromSource, InstanceSpecification, LockMode, OperationType, ResourceType, SnapshotAttributeName,
    TargetStorageTier,
};
use chrono::TimeDelta;
use simulator::faults::{Effect, Fault};
use simulator::fleet::{Fleet, ImagePlan, SnapshotPlan, VolumePlan, tags};
use simulator::text::text;
use simulator::world::BinRule;
use simulator::world::snapshot::Archive;

use super::*;

const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A world with one volume and one completed snapshot of it, and their ids.
fn with_snapshot(plan: SnapshotPlan) -> (World, String) {
    let world = held();
    Fleet { snapshots_per_volume: 1, snapshot: plan, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world);
    let id = world.snapshots()[0].id.to_string();
    (world, id)
}

fn of_images(image: ImagePlan) -> SnapshotPlan {
    SnapshotPlan { image, ..SnapshotPlan::default() }
}

#[tokio::test]
async fn deprecated_images_are_shown_to_their_owner_and_disabled_ones_to_who_asks() {
    let world = World::default();
    for image in [ImagePlan::Available, ImagePlan::Deprecated, ImagePlan::Disabled] {
        Fleet { snapshots_per_volume: 1, snapshot: of_images(image), ..Fleet::new(ACCOUNT, REGION, 2) }.build(&world);
    }
    let (server, ec2) = serve(world).await;
    let states = async |request: aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder| {
        let images = request.send().await.unwrap().images.unwrap();
        let state = |image: aws_sdk_ec2::types::Image| match image.deprecation_time {
            Some(_) => "deprecated".into(),
            None => image.state.unwrap().as_str().to_string(),
        };
        let mut states: Vec<String> = images.into_iter().map(state).collect();
        states.sort();
        states.join(" ")
    };
    let own = || ec2.describe_images().owners("self");
    assert_eq!(states(own()).await, "available deprecated");
    assert_eq!(states(own().include_disabled(true)).await, "available deprecated disabled");
    assert_eq!(states(ec2.describe_images().owners("amazon")).await, "available", "a stranger's public one");
    let stranger = client(&server, STRANGER, REGION).await;
    assert_eq!(states(stranger.describe_images().owners(ACCOUNT)).await, "");

    // A snapshot of a disabled or deprecated image is in use all the same.
    for snapshot in server.world.snapshots() {
        let is_boot = !ec2
            .describe_images()
            .include_disabled(true)
            .filters(filter("block-device-mapping.snapshot-id", &snapshot.id))
            .send()
            .await
            .unwrap()
            .images
            .unwrap()
            .is_empty();
        let expected = if is_boot { "InvalidSnapshot.InUse" } else { "ok" };
        assert_eq!(outcome(ec2.delete_snapshot().snapshot_id(&*snapshot.id).send().await), expected);
    }
    assert_eq!(server.world.snapshots().len(), 3);
}

#[tokio::test]
async fn what_aws_backup_made_is_not_deleted_through_ec2() {
    let plan = SnapshotPlan { tags: tags(&[("aws:backup:source-resource", "vol-1")]), ..SnapshotPlan::default() };
    let (world, id) = with_snapshot(plan);
    let (_server, ec2) = serve(world).await;
    let error = ec2.delete_snapshot().snapshot_id(&id).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert!(error.message().unwrap().contains("managed by the AWS Backup service"));
    ec2.delete_tags().resources(&id).send().await.unwrap();
    assert_eq!(
        outcome(ec2.delete_snapshot().snapshot_id(&id).send().await),
        "InvalidParameterValue",
        "AWS's tag stays"
    );
}

#[tokio::test]
async fn a_set_of_an_instances_volumes_is_taken_at_one_instant() {
    let world = held();
    let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[("Backup", "true")]), 4);
    world.change_volume(REGION, &volumes[1], |volume| volume.tags = tags(&[("tier", "gold"), ("both", "volume")]));
    let (_server, ec2) = serve(world).await;
    let all = || InstanceSpecification::builder().instance_id(&instance);
    let create = async |what: InstanceSpecification| {
        let both = specification(ResourceType::Snapshot, vec![tag("both", "call")]);
        let request =
            ec2.create_snapshots().instance_specification(what).copy_tags_from_source(CopyTagsFromSource::Volume);
        request.tag_specifications(both).send().await
    };
    let some = all().exclude_boot_volume(true).exclude_data_volume_ids(&volumes[2]).build();
    let made = create(some).await.unwrap().snapshots.unwrap();
    let of: Vec<&str> = made.iter().map(|snapshot| snapshot.volume_id.as_deref().unwrap()).collect();
    assert_eq!(of, [&volumes[1], &volumes[3]]);
    assert_eq!(made[0].start_time, made[1].start_time);
    assert_eq!(made[0].tags.as_deref().unwrap(), [tag("both", "call"), tag("tier", "gold")]);
    assert_eq!(outcome(create(all().exclude_data_volume_ids(&volumes[0]).build()).await), "InvalidParameterValue");
    assert_eq!(
        outcome(create(all().build()).await),
        "SnapshotCreationPerVolumeRateExceeded",
        "of one volume, so of all"
    );
    assert_eq!(own_snapshots(&ec2).await.len(), 2);
    let nobody = InstanceSpecification::builder().instance_id("i-0123456789abcdef0").build();
    assert_eq!(outcome(create(nobody).await), "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn one_failure_in_a_set_ends_all_of_it_in_error() {
    let world = held();
    let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[]), 3);
    world.change_volume(REGION, &volumes[2], |volume| volume.key = Some(KEY.into()));
    world.set(|settings| settings.revoked_keys = [KEY.into()].into());
    let (server, ec2) = serve(world).await;
    let all = InstanceSpecification::builder().instance_id(&instance).build();
    ec2.create_snapshots().instance_specification(all).send().await.unwrap();
    server.world.clock.advance(minutes(2));
    let states: Vec<_> =
        own_snapshots(&ec2).await.into_iter().map(|snapshot| snapshot.state.unwrap().to_string()).collect();
    assert_eq!(states, ["error"; 3]);
}

#[tokio::test]
async fn a_copy_has_its_own_tags_and_a_volume_id_that_means_nothing() {
    let (world, id) = with_snapshot(SnapshotPlan { tags: tags(&[("Name", "db")]), ..SnapshotPlan::default() });
    let (server, _) = serve(world).await;
    let there = client(&server, ACCOUNT, "us-east-1").await;
    let copy = || there.copy_snapshot().source_region(REGION).source_snapshot_id(&id);
    let made = copy().encrypted(true).send().await.unwrap().snapshot_id.unwrap();
    let found = own_snapshots(&there).await.remove(0);
    assert_eq!((found.snapshot_id, found.volume_id.as_deref()), (Some(made.clone()), Some("vol-ffffffff")));
    assert_eq!((found.encrypted, found.kms_key_id.as_deref()), (Some(true), Some("alias/aws/ebs")));
    assert_eq!(found.tags, Some(vec![]));
    assert_eq!(
        outcome(there.copy_snapshot().source_region("us-east-1").source_snapshot_id(made).send().await),
        "IncorrectState"
    );
    assert_eq!(outcome(copy().kms_key_id(KEY).send().await), "InvalidParameterDependency", "a key, and not encrypted");
    assert_eq!(outcome(copy().encrypted(false).send().await), "InvalidParameterValue");
    let nowhere = there.copy_snapshot().source_region("us-east-1").source_snapshot_id(&id);
    assert_eq!(outcome(nowhere.send().await), "InvalidSnapshot.NotFound");
}

#[tokio::test]
async fn a_copy_whose_key_cannot_be_used_seems_to_succeed_and_ends_in_error() {
    let (world, id) = with_snapshot(SnapshotPlan::default());
    world.set(|settings| settings.revoked_keys = ["alias/revoked".into()].into());
    let (server, ec2) = serve(world).await;
    for (key, expected) in [
        ("alias/other", "completed"),
        (KEY, "completed"),
        ("alias/revoked", "error"),
        ("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "error"),
        ("no-such-key", "error"),
    ] {
        let copy = ec2.copy_snapshot().source_region(REGION).source_snapshot_id(&id).encrypted(true).kms_key_id(key);
        let copy = copy.send().await.unwrap().snapshot_id.unwrap();
        server.world.clock.advance(minutes(2));
        let found = ec2.describe_snapshots().snapshot_ids(copy).send().await.unwrap().snapshots.unwrap().remove(0);
        assert_eq!(found.state.unwrap().as_str(), expected, "{key}");
        let message = (expected == "error").then_some("Given key ID is not accessible");
        assert_eq!(found.state_message.as_deref(), message);
    }
}

#[tokio::test]
async fn a_volume_whose_key_was_revoked_has_no_new_snapshot() {
    let world = held();
    let volume = VolumePlan { key: Some(KEY.into()), ..VolumePlan::default() };
    let id = Fleet { volume, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world).remove(0);
    let (server, ec2) = serve(world).await;
    let made = ec2.create_snapshot().volume_id(&id).send().await.unwrap();
    assert_eq!((made.encrypted, made.kms_key_id.as_deref()), (Some(true), Some(KEY)));
    server.world.clock.advance(minutes(1));
    server.world.set(|settings| settings.revoked_keys = [KEY.into()].into());
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&id).send().await), "CustomerKeyHasBeenRevoked");
}

#[tokio::test]
async fn a_locked_snapshot_is_not_deleted_before_its_lock_has_expired() {
    let (world, id) = with_snapshot(SnapshotPlan::default());
    let (server, ec2) = serve(world).await;
    let lock = |mode: LockMode| ec2.lock_snapshot().snapshot_id(&id).lock_mode(mode);
    let delete = async || outcome(ec2.delete_snapshot().snapshot_id(&id).send().await);
    let lock_state = async || {
        let found = ec2.describe_locked_snapshots().send().await.unwrap().snapshots.unwrap();
        found.first().and_then(|lock| lock.lock_state.as_ref()).map(|state| state.as_str().to_string())
    };
    assert_eq!(lock_state().await, None);
    lock(LockMode::Governance).lock_duration(1).send().await.unwrap();
    assert_eq!((delete().await, lock_state().await), ("OperationNotPermitted".into(), Some("governance".into())));
    ec2.unlock_snapshot().snapshot_id(&id).send().await.unwrap();
    assert_eq!(outcome(ec2.unlock_snapshot().snapshot_id(&id).send().await), "IncorrectState");

    lock(LockMode::Compliance).lock_duration(2).cool_off_period(1).send().await.unwrap();
    assert_eq!(lock_state().await.as_deref(), Some("compliance-cooloff"));
    lock(LockMode::Compliance).lock_duration(1).cool_off_period(1).send().await.unwrap();
    server.world.clock.advance(TimeDelta::hours(1));
    assert_eq!(lock_state().await.as_deref(), Some("compliance"));
    assert_eq!(outcome(ec2.unlock_snapshot().snapshot_id(&id).send().await), "OperationNotPermitted");
    assert_eq!(outcome(lock(LockMode::Governance).lock_duration(9).send().await), "OperationNotPermitted");
    assert_eq!(
        outcome(lock(LockMode::Compliance).lock_duration(1).cool_off_period(1).send().await),
        "OperationNotPermitted"
    );
    lock(LockMode::Compliance).lock_duration(1).send().await.unwrap();
    server.world.set(|settings| settings.locked_snapshot_code = "SnapshotLocked".into());
    assert_eq!(delete().await, "SnapshotLocked", "AWS documents no code: it is a setting");
    server.world.clock.advance(TimeDelta::hours(24));
    assert_eq!(lock_state().await.as_deref(), Some("expired"));
    let by_state = ec2.describe_locked_snapshots().filters(filter("lock-state", "expired")).send().await.unwrap();
    assert_eq!(by_state.snapshots.unwrap().len(), 1);
    assert_eq!(
        outcome(ec2.describe_locked_snapshots().filters(filter("status", "x")).send().await),
        "InvalidParameterValue"
    );
    assert_eq!(delete().await, "ok");
}

#[tokio::test]
async fn locks_are_checked_and_lift_themselves_from_a_snapshot_that_failed() {
    let world = held();
    let volume = volumes(&world, 1).remove(0);
    world.faults().set(Fault::new("CreateSnapshot", Effect::EndsInError("no room".into())));
    let (server, ec2) = serve(world).await;
    let id = snapshot(&ec2, &volume).await;
    let lock = |mode: LockMode| ec2.lock_snapshot().snapshot_id(&id).lock_mode(mode);
    assert_eq!(outcome(lock(LockMode::Governance).send().await), "InvalidParameterCombination", "how long?");
    let both = lock(LockMode::Governance).lock_duration(1).expiration_date(DateTime::from_secs(1_900_000_000));
    assert_eq!(outcome(both.send().await), "InvalidParameterCombination");
    let cool = lock(LockMode::Governance).lock_duration(1).cool_off_period(5);
    assert_eq!(outcome(cool.send().await), "InvalidParameterCombination");
    assert_eq!(outcome(lock(LockMode::Compliance).lock_duration(36_501).send().await), "InvalidParameterValue");
    let past = lock(LockMode::Compliance).expiration_date(DateTime::from_secs(1));
    assert_eq!(outcome(past.send().await), "InvalidParameterValue");
    let future = lock(LockMode::Compliance).expiration_date(DateTime::from_secs(1_900_000_000));
    assert_eq!(future.send().await.unwrap().lock_state.unwrap().as_str(), "compliance", "of a pending snapshot too");
    server.world.clock.advance(minutes(2));
    assert_eq!(state(&ec2, &id).await, "error");
    assert_eq!(outcome(lock(LockMode::Governance).lock_duration(1).send().await), "IncorrectState");
    assert_eq!(outcome(ec2.delete_snapshot().snapshot_id(&id).send().await), "ok");
}

#[tokio::test]
async fn an_archived_snapshot_is_on_its_way_and_of_no_use() {
    let (world, id) = with_snapshot(SnapshotPlan::default());
    let (server, ec2) = serve(world).await;
    let archive = |id: &str| ec2.modify_snapshot_tier().snapshot_id(id).storage_tier(TargetStorageTier::Archive).send();
    assert!(archive(&id).await.unwrap().tiering_start_time.is_some());
    let tier = async || own_snapshots(&ec2).await[0].storage_tier.clone().unwrap().to_string();
    assert_eq!((tier().await, outcome(archive(&id).await)), ("standard".into(), "IncorrectState".into()));
    server.world.clock.advance(TimeDelta::days(2));
    assert_eq!(tier().await, "archive");
    let copy = ec2.copy_snapshot().source_region(REGION).source_snapshot_id(&id);
    assert_eq!(outcome(copy.send().await), "UnsupportedOperation");
    let volume = ec2.create_volume().availability_zone("eu-central-1a").snapshot_id(&id);
    assert_eq!(outcome(volume.send().await), "IncorrectState");
    let pending = snapshot(&ec2, &server.world.snapshots()[0].volume).await;
    assert_eq!(outcome(archive(&pending).await), "IncorrectState");

    let (world, of_image) = with_snapshot(of_images(ImagePlan::Available));
    let (_server, ec2) = serve(world).await;
    let archive = ec2.modify_snapshot_tier().snapshot_id(of_image).storage_tier(TargetStorageTier::Archive);
    assert_eq!(outcome(archive.send().await), "UnsupportedOperation");
}

#[tokio::test]
async fn the_tier_status_tells_when_an_archive_began_and_when_it_was_complete() {
    let world = held();
    let plan = SnapshotPlan { tags: tags(&[("Name", "db")]), ..SnapshotPlan::default() };
    Fleet { snapshots_per_volume: 3, snapshot: plan, ..Fleet::new(ACCOUNT, REGION, 2) }.build(&world);
    Fleet { snapshots_per_volume: 1, ..Fleet::new(STRANGER, REGION, 1) }.build(&world);
    let (id, volume) = world.region(REGION, |region| {
        let snapshot = region.snapshots.iter().find(|snapshot| &*snapshot.owner == ACCOUNT).unwrap();
        (snapshot.id.to_string(), snapshot.volume.to_string())
    });
    let (server, ec2) = serve(world).await;
    let all = || ec2.describe_snapshot_tier_status();
    let statuses = async |name: &str, value: &str| {
        all().filters(filter(name, value)).send().await.unwrap().snapshot_tier_statuses.unwrap()
    };
    let status = async || statuses("snapshot-id", &id).await.remove(0);
    let before = status().await;
    assert_eq!(before.storage_tier.unwrap().as_str(), "standard");
    assert_eq!((before.last_tiering_operation_status, before.archival_complete_time), (None, None), "never archived");

    let archive = ec2.modify_snapshot_tier().snapshot_id(&id).storage_tier(TargetStorageTier::Archive);
    let began = archive.send().await.unwrap().tiering_start_time;
    server.world.clock.advance(TimeDelta::hours(6));
    let under_way = status().await;
    assert_eq!(under_way.storage_tier.unwrap().as_str(), "standard");
    assert_eq!(under_way.last_tiering_operation_status.unwrap().as_str(), "archival-in-progress");
    assert_eq!((under_way.last_tiering_progress, under_way.archival_complete_time), (Some(25), None));

    server.world.clock.advance(TimeDelta::days(9));
    let done = status().await;
    assert_eq!((done.snapshot_id.as_deref(), done.volume_id.as_deref()), (Some(&*id), Some(&*volume)));
    assert_eq!((done.owner_id.as_deref(), done.tags.as_deref()), (Some(ACCOUNT), Some(&[tag("Name", "db")][..])));
    assert_eq!((done.status.unwrap().as_str(), done.storage_tier.unwrap().as_str()), ("completed", "archive"));
    assert_eq!(done.last_tiering_operation_status.unwrap().as_str(), "archival-completed");
    assert_eq!((done.last_tiering_progress, done.last_tiering_start_time), (Some(100), began));
    let took = done.archival_complete_time.unwrap().secs() - began.unwrap().secs();
    assert_eq!(took, 24 * 3600, "when it was there, not when somebody asked");

    assert_eq!(statuses("volume-id", &volume).await.len(), 3);
    assert_eq!(statuses("last-tiering-operation", "archival-*").await.len(), 1);
    assert_eq!(outcome(all().filters(filter("tag:Name", "db")).send().await), "InvalidParameterValue");
    let hidden = ec2.describe_snapshots().filters(filter("last-tiering-operation", "archival-completed"));
    assert_eq!(outcome(hidden.send().await), "InvalidParameterValue", "it is a filter of this call only");
    let mut pages = all().max_results(5).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().snapshot_tier_statuses.unwrap().len());
    }
    assert_eq!(sizes, [5, 1], "no stranger's");
}

#[tokio::test]
async fn a_world_is_built_with_snapshots_archived_long_ago_and_on_their_way() {
    let world = held();
    Fleet { snapshots_per_volume: 1, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world);
    let now = world.clock.now();
    let (began, until) = (now - TimeDelta::days(100), now + minutes(1));
    let mut soon = world.snapshots().remove(0);
    world.region(REGION, |region| {
        let archive = Archive::Done { began, done: began + TimeDelta::days(1) };
        region.snapshots.change(&soon.id, |snapshot| snapshot.rare_mut().archive = Some(archive));
        soon.id = "snap-0123456789abcdef0".into();
        soon.rare_mut().archive = Some(Archive::UnderWay { began, until });
        region.add_snapshot(soon, now);
    });
    let (server, ec2) = serve(world).await;
    let complete = async || {
        let status = ec2.describe_snapshot_tier_status().send().await.unwrap().snapshot_tier_statuses.unwrap();
        status.into_iter().map(|status| Some(status.archival_complete_time?.secs())).collect::<Vec<_>>()
    };
    let long_ago = Some((now - TimeDelta::days(99)).timestamp());
    assert_eq!(complete().await, [long_ago, None]);
    server.world.clock.advance(minutes(5));
    assert_eq!(complete().await, [long_ago, Some(until.timestamp())]);
}

#[tokio::test]
async fn archives_have_their_quotas() {
    let world = held();
    Fleet { snapshots_per_volume: 27, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world);
    let ids: Vec<String> = world.snapshots().iter().map(|snapshot| snapshot.id.to_string()).collect();
    world.set(|settings| settings.quotas.archives_in_progress = 20);
    let (server, ec2) = serve(world).await;
    let archive = async |id: &str| {
        outcome(ec2.modify_snapshot_tier().snapshot_id(id).storage_tier(TargetStorageTier::Archive).send().await)
    };
    for id in &ids[..20] {
        assert_eq!(archive(id).await, "ok");
    }
    assert_eq!(archive(&ids[20]).await, "ResourceLimitExceeded", "twenty in progress");
    server.world.clock.advance(TimeDelta::days(2));
    for id in &ids[20..25] {
        assert_eq!(archive(id).await, "ok");
    }
    assert_eq!(archive(&ids[25]).await, "ResourceLimitExceeded", "twenty-five of the volume");
}

#[tokio::test]
async fn a_shared_snapshot_is_seen_and_used_by_who_it_is_shared_with() {
    let (world, id) = with_snapshot(SnapshotPlan::default());
    let (server, ec2) = serve(world).await;
    let stranger = client(&server, STRANGER, REGION).await;
    let sees = async || {
        let found = stranger.describe_snapshots().owner_ids(ACCOUNT).send().await.unwrap().snapshots.unwrap().len();
        let copy = stranger.copy_snapshot().source_region(REGION).source_snapshot_id(&id).send().await;
        (found, outcome(copy))
    };
    assert_eq!(sees().await, (0, "InvalidSnapshot.NotFound".into()));
    let modify = |operation: OperationType, user: &str| {
        let request = ec2.modify_snapshot_attribute().snapshot_id(&id).operation_type(operation).user_ids(user);
        request.attribute(SnapshotAttributeName::CreateVolumePermission).send()
    };
    modify(OperationType::Add, STRANGER).await.unwrap();
    assert_eq!(sees().await, (1, "ok".into()));
    assert_eq!(outcome(stranger.delete_snapshot().snapshot_id(&id).send().await), "InvalidSnapshot.NotFound");
    let shared = ec2.describe_snapshot_attribute().snapshot_id(&id);
    let shared = shared.attribute(SnapshotAttributeName::CreateVolumePermission).send().await.unwrap();
    assert_eq!(shared.create_volume_permissions.unwrap()[0].user_id.as_deref(), Some(STRANGER));
    modify(OperationType::Remove, STRANGER).await.unwrap();
    assert_eq!(sees().await.0, 0);
    assert_eq!(outcome(modify(OperationType::Add, "nobody").await), "InvalidUserID.Malformed");
    assert_eq!(outcome(ec2.modify_snapshot_attribute().snapshot_id(&id).send().await), "InvalidParameterCombination");
}

#[tokio::test]
async fn what_is_deleted_goes_to_the_recycle_bin_where_a_rule_says_so() {
    let world = held();
    let ids = volumes(&world, 2);
    world.region(REGION, |region| {
        let tag = Some((text("keep"), text("long")));
        region.bin_rules.push(BinRule { account: text(ACCOUNT), days: 2, tag: None });
        region.bin_rules.push(BinRule { account: text(ACCOUNT), days: 30, tag });
    });
    let (server, ec2) = serve(world).await;
    let (short, long) = (snapshot(&ec2, &ids[0]).await, snapshot(&ec2, &ids[1]).await);
    ec2.create_tags().resources(&long).tags(tag("keep", "long")).send().await.unwrap();
    server.world.clock.advance(minutes(2));
    for id in [&short, &long] {
        ec2.delete_snapshot().snapshot_id(id).send().await.unwrap();
    }
    assert_eq!(own_snapshots(&ec2).await.len(), 0);
    let in_bin = async || ec2.list_snapshots_in_recycle_bin().send().await.unwrap().snapshots.unwrap();
    assert_eq!(in_bin().await.len(), 2);
    assert_eq!(outcome(ec2.delete_snapshot().snapshot_id(&short).send().await), "InvalidSnapshot.NotFound");
    server.world.clock.advance(TimeDelta::days(2));
    let left = in_bin().await.remove(0);
    assert_eq!(left.snapshot_id.as_ref(), Some(&long));
    let kept = left.recycle_bin_exit_time.unwrap().secs() - left.recycle_bin_enter_time.unwrap().secs();
    assert_eq!(kept, 30 * 86_400, "the longest rule");
    let restore = async || ec2.restore_snapshot_from_recycle_bin().snapshot_id(&long).send().await;
    assert_eq!(restore().await.unwrap().state.unwrap().as_str(), "recovering");
    assert_eq!(outcome(restore().await), "IncorrectState");
    server.world.clock.advance(minutes(1));
    assert_eq!(state(&ec2, &long).await, "completed");
    server.world.clock.advance(TimeDelta::days(60));
    assert_eq!(state(&ec2, &long).await, "completed", "it has left the bin for good");
}

#[tokio::test]
async fn tags_are_taken_off_by_key_and_by_value() {
    let world = World::default();
    let ids = volumes(&world, 2);
    let (_server, ec2) = serve(world).await;
    let has = async || {
        let found = ec2.describe_volumes().volume_ids(&ids[0]).send().await.unwrap().volumes.unwrap().remove(0);
        let keys: Vec<String> = found.tags.unwrap().into_iter().filter_map(|tag| tag.key).collect();
        keys.join(" ")
    };
    let write = vec![tag("a", "1"), tag("b", "2"), tag("c", ""), tag("d", "4")];
    ec2.create_tags().resources(&ids[0]).resources(&ids[1]).set_tags(Some(write)).send().await.unwrap();
    let off = async |tag: Tag| ec2.delete_tags().resources(&ids[0]).tags(tag).send().await.unwrap();
    off(tag("a", "not this")).await;
    assert_eq!(has().await, "Backup a b c d");
    off(tag("a", "1")).await;
    off(Tag::builder().key("b").build()).await;
    off(tag("d", "")).await;
    assert_eq!(has().await, "Backup c d");
    let one_unknown = ec2.delete_tags().resources(&ids[0]).resources("vol-0123456789abcdef0").send().await;
    assert_eq!(outcome(one_unknown), "InvalidVolume.NotFound");
    assert_eq!(has().await, "Backup c d", "all or none");
    ec2.delete_tags().resources(&ids[0]).send().await.unwrap();
    assert_eq!(has().await, "");
}

#[tokio::test]
async fn what_services_manage_is_hidden_from_who_does_not_ask() {
    let world = World::default();
    Fleet { managed_by: Some("eks.amazonaws.com".into()), ..Fleet::new(ACCOUNT, REGION, 2) }.build(&world);
    Fleet::new(ACCOUNT, REGION, 2).build(&world);
    let (_server, ec2) = serve(world).await;
    let count = async |all: bool| {
        let volumes = ec2.describe_volumes().include_managed_resources(all).send().await.unwrap().volumes.unwrap();
        let instances = ec2.describe_instances().include_managed_resources(all).send().await.unwrap();
        let managed = volumes.iter().filter(|volume| volume.operator.is_some()).count();
        (volumes.len(), instances.reservations.unwrap().len(), managed)
    };
    assert_eq!((count(false).await, count(true).await), ((2, 1, 0), (4, 2, 2)));
}

#[tokio::test]
async fn a_snapshot_on_an_outpost_is_neither_locked_nor_copied() {
    const OUTPOST: &str = "arn:aws:outposts:eu-central-1:123456789012:outpost/op-1";
    let world = held();
    let volume = VolumePlan { outpost: Some(OUTPOST.into()), ..VolumePlan::default() };
    let ids = Fleet { volume, ..Fleet::new(ACCOUNT, REGION, 2) }.build(&world);
    let plain = volumes(&world, 1).remove(0);
    let (server, ec2) = serve(world).await;
    let local = ec2.create_snapshot().volume_id(&ids[0]).outpost_arn(OUTPOST).send().await.unwrap();
    assert_eq!(local.outpost_arn.as_deref(), Some(OUTPOST));
    assert_eq!(ec2.create_snapshot().volume_id(&ids[1]).send().await.unwrap().outpost_arn, None, "to the Region");
    let elsewhere = ec2.create_snapshot().volume_id(&plain).outpost_arn(OUTPOST).send().await;
    assert_eq!(outcome(elsewhere), "InvalidParameterValue");
    server.world.clock.advance(minutes(2));
    let id = local.snapshot_id.unwrap();
    let lock = ec2.lock_snapshot().snapshot_id(&id).lock_mode(LockMode::Governance).lock_duration(1);
    assert_eq!(outcome(lock.send().await), "UnsupportedOperation");
    let copy = ec2.copy_snapshot().source_region(REGION).source_snapshot_id(&id);
    assert_eq!(outcome(copy.send().await), "UnsupportedOperation");
}

/// What a dry run would do is not done; neither is what the simulator does not know ignored.
#[tokio::test]
async fn a_dry_run_does_nothing_and_an_unknown_parameter_is_refused() {
    let (world, id) = with_snapshot(SnapshotPlan::default());
    let (instance, attached) = world.add_instance(ACCOUNT, REGION, tags(&[]), 1);
    let loose = volumes(&world, 1).remove(0);
    let (server, ec2) = serve(world).await;
    let outcomes = [
        outcome(ec2.create_snapshot().volume_id(&loose).dry_run(true).send().await),
        outcome(ec2.delete_snapshot().snapshot_id(&id).dry_run(true).send().await),
        outcome(ec2.copy_snapshot().source_region(REGION).source_snapshot_id(&id).dry_run(true).send().await),
        outcome(ec2.create_tags().resources(&id).tags(tag("a", "b")).dry_run(true).send().await),
        outcome(ec2.delete_volume().volume_id(&loose).dry_run(true).send().await),
        outcome(ec2.terminate_instances().instance_ids(&instance).dry_run(true).send().await),
        outcome(ec2.describe_snapshots().dry_run(true).send().await),
    ];
    assert!(outcomes.iter().all(|outcome| outcome == "DryRunOperation"), "{outcomes:?}");
    assert_eq!((server.world.snapshots().len(), own_snapshots(&ec2).await.len()), (1, 1));
    assert_eq!(server.world.region(REGION, |region| region.volumes.len()), 3);
    assert_eq!(state(&ec2, &id).await, "completed");
    assert!(server.world.region(REGION, |region| region.volumes.get(&attached[0]).is_some()));
    let unknown = ec2.copy_snapshot().source_region(REGION).source_snapshot_id(&id).completion_duration_minutes(15);
    assert_eq!(outcome(unknown.send().await), "UnknownParameter");
    assert_eq!(outcome(ec2.describe_vpcs().send().await), "InvalidAction");
}
