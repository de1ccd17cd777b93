//! From a snapshot back to a volume and an instance.

use aws_sdk_ec2::operation::create_volume::builders::CreateVolumeFluentBuilder;
use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, ResourceType, VolumeType};
use simulator::fleet::{Fleet, VolumePlan, tags};
use simulator::world::instance::InstanceState;

use super::*;

const ZONE: &str = "eu-central-1a";

/// A volume of 20 GiB with a key, an instance, and a completed snapshot.
fn with_backup() -> (World, String) {
    let world = held();
    let volume = VolumePlan { size: 20, key: Some("alias/db".into()), ..VolumePlan::default() };
    Fleet { volume, snapshots_per_volume: 1, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world);
    let id = world.snapshots()[0].id.to_string();
    (world, id)
}

#[tokio::test]
async fn a_volume_is_restored_in_steps() {
    let (world, snapshot) = with_backup();
    let (server, ec2) = serve(world).await;
    let made = ec2.create_volume().availability_zone(ZONE).snapshot_id(&snapshot).volume_type(VolumeType::Gp3);
    let made = made.client_token("once").send().await.unwrap();
    assert_eq!((made.state.unwrap().as_str(), made.size, made.encrypted), ("creating", Some(20), Some(true)));
    assert_eq!(made.kms_key_id.as_deref(), Some("alias/db"));
    let volume = made.volume_id.unwrap();
    let instance = server.world.region(REGION, |region| region.instances.iter().next().unwrap().id.to_string());
    let attach = async |device: &str| {
        outcome(ec2.attach_volume().volume_id(&volume).instance_id(&instance).device(device).send().await)
    };
    assert_eq!(attach("/dev/sdf").await, "IncorrectState", "not before it is available");
    server.world.clock.advance(minutes(1));
    assert_eq!(attach("/dev/xvda").await, "InvalidParameterValue", "in use");
    assert_eq!(attach("/dev/sdf").await, "ok");
    assert_eq!(attach("/dev/sdg").await, "VolumeInUse");
    assert_eq!(outcome(ec2.delete_volume().volume_id(&volume).send().await), "VolumeInUse");
    let found = ec2.describe_volumes().filters(filter("attachment.instance-id", &instance)).send().await.unwrap();
    let states: Vec<_> = found.volumes.unwrap().into_iter().map(|volume| volume.state.unwrap().to_string()).collect();
    assert_eq!(states, ["in-use", "in-use"]);
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&volume).send().await), "ok");
}

#[tokio::test]
async fn the_same_client_token_makes_one_volume() {
    let (world, snapshot) = with_backup();
    let (server, ec2) = serve(world).await;
    let create = async |size: i32| {
        let request = ec2.create_volume().availability_zone(ZONE).snapshot_id(&snapshot).size(size);
        request.client_token("once").send().await
    };
    let [first, second] = [create(30).await.unwrap(), create(30).await.unwrap()];
    assert_eq!(first.volume_id, second.volume_id);
    assert_eq!(outcome(create(40).await), "IdempotentParameterMismatch");
    assert_eq!(server.world.region(REGION, |region| region.volumes.len()), 2);
}

#[tokio::test]
async fn a_volume_that_cannot_be_made_is_refused_or_ends_in_error() {
    let (world, snapshot) = with_backup();
    world.set(|settings| settings.revoked_keys = ["alias/revoked".into()].into());
    let (server, ec2) = serve(world).await;
    let new = |kind: VolumeType| ec2.create_volume().availability_zone(ZONE).volume_type(kind);
    let of = |kind: VolumeType| new(kind).snapshot_id(&snapshot);
    let cases: Vec<(CreateVolumeFluentBuilder, &str)> = vec![
        (ec2.create_volume().size(8), "MissingParameter"),
        (ec2.create_volume().availability_zone("us-east-1a").size(8), "InvalidZone.NotFound"),
        (new(VolumeType::Gp3), "MissingParameter"),
        (of(VolumeType::Gp3).size(19), "InvalidParameterValue"),
        (of(VolumeType::St1), "InvalidParameterValue"),
        (of(VolumeType::St1).size(125), "ok"),
        (of(VolumeType::Io2), "InvalidParameterCombination"),
        (of(VolumeType::Io2).iops(100).multi_attach_enabled(true), "ok"),
        (of(VolumeType::Gp3).multi_attach_enabled(true), "InvalidParameterCombination"),
        (new(VolumeType::from("gp9")).size(8), "UnknownVolumeType"),
        (new(VolumeType::Gp3).snapshot_id("snap-0123456789abcdef0"), "InvalidSnapshot.NotFound"),
    ];
    for (request, expected) in cases {
        let said = format!("{request:?}");
        assert_eq!(outcome(request.send().await), expected, "{said}");
    }
    let failing =
        of(VolumeType::Gp3).encrypted(true).kms_key_id("alias/revoked").send().await.unwrap().volume_id.unwrap();
    server.world.clock.advance(minutes(1));
    let found = ec2.describe_volumes().volume_ids(&failing).send().await.unwrap().volumes.unwrap().remove(0);
    assert_eq!(found.state.unwrap().as_str(), "error");
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&failing).send().await), "IncorrectState");
    ec2.delete_volume().volume_id(&failing).send().await.unwrap();
    server.world.clock.advance(minutes(1));
    assert_eq!(outcome(ec2.describe_volumes().volume_ids(&failing).send().await), "InvalidVolume.NotFound");
}

#[tokio::test]
async fn a_volumes_speed_is_what_its_type_allows() {
    let (server, ec2) = serve(held()).await;
    let new = |kind: VolumeType| ec2.create_volume().availability_zone(ZONE).volume_type(kind).size(200);
    let cases: Vec<(CreateVolumeFluentBuilder, &str)> = vec![
        (new(VolumeType::Gp2).iops(600), "InvalidParameterCombination"),
        (new(VolumeType::St1).throughput(250), "InvalidParameterCombination"),
        (new(VolumeType::Io1).iops(64_001), "InvalidParameterValue"),
        (new(VolumeType::Io1).iops(64_000), "ok"),
        (new(VolumeType::Io2).iops(100).throughput(125), "InvalidParameterCombination"),
        (new(VolumeType::Gp3).iops(2999), "InvalidParameterValue"),
        (new(VolumeType::Gp3).throughput(124), "InvalidParameterValue"),
        (new(VolumeType::Gp3).iops(4000).throughput(250), "ok"),
    ];
    for (request, expected) in cases {
        let said = format!("{request:?}");
        assert_eq!(outcome(request.send().await), expected, "{said}");
    }
    new(VolumeType::Gp2).send().await.unwrap();
    new(VolumeType::Gp3).send().await.unwrap();
    server.world.clock.advance(minutes(1));
    let found = ec2.describe_volumes().send().await.unwrap().volumes.unwrap();
    let mut shown: Vec<_> =
        found.iter().map(|each| (each.volume_type.as_ref().unwrap().as_str(), each.iops, each.throughput)).collect();
    shown.sort_unstable();
    let expected = [
        ("gp2", Some(600), None),
        ("gp3", Some(3000), Some(125)),
        ("gp3", Some(4000), Some(250)),
        ("io1", Some(64_000), None),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_volume_is_detached_but_not_from_under_a_running_instance() {
    let world = held();
    let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[]), 2);
    let (server, ec2) = serve(world).await;
    let detach = async |volume: &str| outcome(ec2.detach_volume().volume_id(volume).send().await);
    assert_eq!(detach(&volumes[0]).await, "OperationNotPermitted");
    assert_eq!(outcome(ec2.detach_volume().volume_id(&volumes[1]).device("/dev/sdz").send().await), "IncorrectState");
    assert_eq!(detach(&volumes[1]).await, "ok");
    assert_eq!(detach(&volumes[1]).await, "IncorrectState");
    let stop = |found: &mut simulator::world::instance::Instance| found.state = InstanceState::Stopped;
    server.world.region(REGION, |region| region.instances.change(&instance, stop));
    assert_eq!(detach(&volumes[0]).await, "ok");
    let found = ec2.describe_volumes().send().await.unwrap().volumes.unwrap();
    assert!(found.iter().all(|volume| volume.state.as_ref().unwrap().as_str() == "available"));
    assert_eq!(outcome(ec2.delete_volume().volume_id(&volumes[1]).send().await), "ok");
}

#[tokio::test]
async fn a_multi_attach_volume_has_up_to_sixteen_instances_of_its_zone() {
    let world = held();
    let volume =
        VolumePlan { kind: simulator::world::volume::VolumeType::Io2, multi_attach: true, ..VolumePlan::default() };
    let shared = Fleet { volume, volumes_per_instance: 0, ..Fleet::new(ACCOUNT, REGION, 1) }.build(&world).remove(0);
    let instances: Vec<String> = (0..17).map(|_| world.add_instance(ACCOUNT, REGION, tags(&[]), 1).0).collect();
    let far = world.add_instance(ACCOUNT, REGION, tags(&[]), 1).0;
    world.region(REGION, |region| region.instances.change(&far, |instance| instance.zone = "eu-central-1b".into()));
    let starting = world.add_instance(ACCOUNT, REGION, tags(&[]), 1).0;
    let pending = |instance: &mut simulator::world::instance::Instance| instance.state = InstanceState::Pending;
    world.region(REGION, |region| region.instances.change(&starting, pending));
    let (_server, ec2) = serve(world).await;
    let attach = async |instance: &str| {
        outcome(ec2.attach_volume().volume_id(&shared).instance_id(instance).device("/dev/sdm").send().await)
    };
    assert_eq!(attach(&far).await, "InvalidVolume.ZoneMismatch");
    assert_eq!(attach(&starting).await, "IncorrectState");
    for instance in &instances[..16] {
        assert_eq!(attach(instance).await, "ok");
    }
    assert_eq!(attach(&instances[16]).await, "AttachmentLimitExceeded");
    let found = ec2.describe_volumes().volume_ids(&shared).send().await.unwrap().volumes.unwrap().remove(0);
    assert_eq!(found.attachments.unwrap().len(), 16);
}

#[tokio::test]
async fn an_instance_is_launched_and_terminated_with_the_volumes_that_go_with_it() {
    let (server, ec2) = serve(held()).await;
    let image =
        ec2.describe_images().owners("amazon").send().await.unwrap().images.unwrap().remove(0).image_id.unwrap();
    let disk = |device: &str, goes: bool| {
        let ebs = EbsBlockDevice::builder().volume_size(50).delete_on_termination(goes).build();
        BlockDeviceMapping::builder().device_name(device).ebs(ebs).build()
    };
    let run = || {
        let request = ec2.run_instances().image_id(&image).min_count(1).max_count(2).client_token("once");
        let request =
            request.block_device_mappings(disk("/dev/sdf", true)).block_device_mappings(disk("/dev/sdg", false));
        request.tag_specifications(specification(ResourceType::Volume, vec![tag("of", "launch")])).send()
    };
    let made = run().await.unwrap().instances.unwrap();
    let ids: Vec<String> = made.iter().filter_map(|instance| instance.instance_id.clone()).collect();
    assert_eq!(made[0].state.as_ref().unwrap().code, Some(0));
    assert_eq!(run().await.unwrap().instances.unwrap().len(), 2, "the same two");
    server.world.clock.advance(minutes(1));
    let volumes = async || {
        let found = ec2.describe_volumes().filters(filter("tag:of", "launch")).send().await.unwrap().volumes.unwrap();
        let mut states: Vec<_> = found.into_iter().map(|volume| volume.state.unwrap().to_string()).collect();
        states.sort();
        states.join(" ")
    };
    assert_eq!(volumes().await, "in-use in-use in-use in-use in-use in-use");
    let unknown = ec2.terminate_instances().instance_ids(&ids[0]).instance_ids("i-0123456789abcdef0").send().await;
    assert_eq!(outcome(unknown), "InvalidInstanceID.NotFound");
    let ended = ec2.terminate_instances().instance_ids(&ids[0]).send().await.unwrap().terminating_instances.unwrap();
    assert_eq!(ended[0].previous_state.as_ref().unwrap().name.as_ref().unwrap().as_str(), "running");
    assert_eq!(volumes().await, "available in-use in-use in-use", "one is set free, two are gone");
    server.world.clock.advance(minutes(1));
    let is_there = async || outcome(ec2.describe_instances().instance_ids(&ids[0]).send().await);
    assert_eq!(is_there().await, "ok", "terminated, and seen for an hour");
    server.world.clock.advance(minutes(61));
    assert_eq!(is_there().await, "InvalidInstanceID.NotFound");
    let nothing = ec2.run_instances().image_id("ami-0123456789abcdef0").min_count(1).max_count(1).send().await;
    assert_eq!(outcome(nothing), "InvalidAMIID.NotFound");
}

#[tokio::test]
async fn an_instance_store_root_is_no_volume_and_a_stopped_instance_is_still_there() {
    let world = World::default();
    Fleet { instance_store_root: true, state: InstanceState::Stopped, ..Fleet::new(ACCOUNT, REGION, 2) }.build(&world);
    let (_server, ec2) = serve(world).await;
    let found = ec2.describe_instances().filters(filter("instance-state-name", "stopped")).send().await.unwrap();
    let instance = found.reservations.unwrap().remove(0).instances.unwrap().remove(0);
    let devices: Vec<_> = instance.block_device_mappings.unwrap().into_iter().filter_map(|m| m.device_name).collect();
    assert_eq!(devices, ["/dev/sdf", "/dev/sdg"]);
    assert_eq!(instance.root_device_type.unwrap().as_str(), "instance-store");
    assert_eq!(instance.root_device_name.as_deref(), Some("/dev/xvda"));
}
