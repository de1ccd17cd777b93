//! Whatever is asked, in whatever form: it is answered, and nothing panics.

use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use quick_xml::events::Event;

use crate::calls;
use crate::fleet::{Fleet, ImagePlan};
use crate::server::answer;
use crate::text::text;
use crate::world::{BinRule, World};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";

/// A world with one of each, in which there is time for everything to settle.
fn world() -> World {
    let world = World::new(crate::world::Settings::default());
    let mut fleet = Fleet::new(ACCOUNT, REGION, 2);
    (fleet.snapshots_per_volume, fleet.snapshot.image) = (1, ImagePlan::Deprecated);
    fleet.build(&world);
    let rule = BinRule { account: text(ACCOUNT), days: 1, tag: None };
    world.region(REGION, |region| region.bin_rules.push(rule));
    world
}

fn headers(authorization: &[u8]) -> HeaderMap {
    let value = HeaderValue::from_bytes(authorization);
    value.map(|value| [(AUTHORIZATION, value)].into_iter().collect()).unwrap_or_default()
}

fn signed(service: &str) -> HeaderMap {
    headers(format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261120/{REGION}/{service}/aws4_request").as_bytes())
}

/// Whatever is answered is XML, and nothing of it is a failure of ours.
fn check(world: &World, headers: &HeaderMap, query: &str, body: &[u8]) -> Result<(), TestCaseError> {
    let reply = answer(world, headers, query, body);
    prop_assert!(reply.status < 500 || reply.xml.contains("RequestLimitExceeded"), "{}", reply.xml);
    let mut reader = quick_xml::Reader::from_str(&reply.xml);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => prop_assert!(false, "{error} in {}", reply.xml),
        }
    }
    prop_assert!(!reply.xml.contains(|c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r')));
    Ok(())
}

/// What can stand behind the first word of a parameter.
const ENDS: [&str; 17] = [
    "",
    ".1",
    ".2",
    ".1.Name",
    ".1.Value.1",
    ".1.Key",
    ".1.Value",
    ".1.ResourceType",
    ".1.Tag.1.Key",
    ".1.Tag.1.Value",
    ".InstanceId",
    ".ExcludeBootVolume",
    ".ExcludeDataVolumeId.1",
    ".1.DeviceName",
    ".1.Ebs.VolumeSize",
    ".Add.1.UserId",
    ".AvailabilityZone",
];

/// A call of each kind that does something, so that what is tried in its surroundings does too.
const GOOD: [&str; 22] = [
    "Action=AttachVolume&VolumeId={vol}&InstanceId={i}&Device=/dev/sdz",
    "Action=CopySnapshot&SourceRegion=eu-central-1&SourceSnapshotId={snap}",
    "Action=CreateSnapshot&VolumeId={vol}",
    "Action=CreateSnapshots&InstanceSpecification.InstanceId={i}",
    "Action=CreateTags&ResourceId.1={snap}&Tag.1.Key=a&Tag.1.Value=b",
    "Action=CreateVolume&AvailabilityZone=eu-central-1a&SnapshotId={snap}",
    "Action=DeleteSnapshot&SnapshotId={snap}",
    "Action=DeleteTags&ResourceId.1={vol}",
    "Action=DeleteVolume&VolumeId={vol}",
    "Action=DescribeFastSnapshotRestores&MaxResults=1&Filter.1.Name=state&Filter.1.Value.1=*abled",
    "Action=DescribeSnapshots&Owner.1=self&MaxResults=5",
    "Action=DescribeSnapshotAttribute&SnapshotId={snap}&Attribute=createVolumePermission",
    "Action=DescribeSnapshotTierStatus&MaxResults=5",
    "Action=DisableFastSnapshotRestores&SourceSnapshotId.1={snap}&AvailabilityZone.1=eu-central-1a",
    "Action=EnableFastSnapshotRestores&SourceSnapshotId.1={snap}&AvailabilityZone.1=eu-central-1a",
    "Action=LockSnapshot&SnapshotId={snap}&LockMode=governance&LockDuration=1",
    "Action=ModifySnapshotAttribute&SnapshotId={snap}&OperationType=add&UserId.1=210987654321",
    "Action=ModifySnapshotTier&SnapshotId={snap}&StorageTier=archive",
    "Action=RestoreSnapshotFromRecycleBin&SnapshotId={snap}",
    "Action=RunInstances&ImageId={ami}&MinCount=1&MaxCount=2",
    "Action=TerminateInstances&InstanceId.1={i}",
    "Action=UnlockSnapshot&SnapshotId={snap}",
];

/// The ids of what is there now.
fn ids(world: &World) -> Vec<String> {
    world.region(REGION, |region| {
        let volumes = region.volumes.iter().map(|volume| volume.id.to_string());
        let snapshots = region.snapshots.iter().map(|snapshot| snapshot.id.to_string());
        let instances = region.instances.iter().map(|instance| instance.id.to_string());
        let images = region.images.iter().map(|image| image.id.to_string());
        volumes.chain(snapshots).chain(instances).chain(images).collect()
    })
}

#[derive(Debug, Clone)]
struct Param {
    name: prop::sample::Index,
    end: &'static str,
    value: String,
    id: prop::sample::Index,
}

fn param() -> impl Strategy<Value = Param> {
    let parts = (any::<prop::sample::Index>(), prop::sample::select(&ENDS[..]), value(), any::<prop::sample::Index>());
    parts.prop_map(|(name, end, value, id)| Param { name, end, value, id })
}

/// A value that some call takes, that is just not one, or anything.
fn value() -> impl Strategy<Value = String> {
    let words = [
        "true",
        "false",
        "self",
        "all",
        "amazon",
        "1",
        "5",
        "1000",
        "-1",
        "0",
        "99999999999999999999",
        "snapshot",
        "volume",
        "instance",
        "gp3",
        "io2",
        "st1",
        "archive",
        "governance",
        "compliance",
        "add",
        "remove",
        "createVolumePermission",
        "tag:Name",
        "tag-key",
        "status",
        "volume-id",
        "snapshot-id",
        "availability-zone",
        "last-tiering-operation",
        "archival-completed",
        "progress",
        "start-time",
        ".seen-by",
        "*",
        "?",
        "\\",
        "eu-central-1",
        "eu-central-1a",
        "alias/x",
        "/dev/sdf",
        "2030-01-01T00:00:00Z",
        "",
        "arn:aws:iam::123456789012:role/x",
        "arn:aws:iam:::role",
        "vol-",
        "snap-ffffffff",
        "vol-\u{e9}0000000",
    ];
    let known = prop::sample::select(words.map(String::from).to_vec());
    prop_oneof![6 => known, 1 => ".{0,40}", 1 => "[\\x00-\\x1f<>&\"']{1,10}"]
}

/// A call that has no parameters of its own takes this one.
fn one_of<'a>(names: &[&'a str], which: &prop::sample::Index) -> &'a str {
    if names.is_empty() { "DryRun" } else { names[which.index(names.len())] }
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        body in vec(any::<u8>(), 0..300),
        authorization in vec(any::<u8>(), 0..120),
        query in ".{0,60}",
    ) {
        check(&world(), &headers(&authorization), &query, &body)?;
        check(&world(), &signed("ec2"), &query, &body)?;
        let credential = [b"AWS4-HMAC-SHA256 Credential=", authorization.as_slice()].concat();
        check(&world(), &headers(&credential), "Action=DescribeVolumes", &body)?;
    }

    #[test]
    fn no_calls_of_any_kind_make_it_panic(
        calls in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(param(), 0..4)), 1..40),
    ) {
        let world = world();
        for (good, one, params) in calls {
            let ids = ids(&world);
            let mut form = String::from(*good.get(&GOOD));
            for kind in ["vol", "snap", "i", "ami"] {
                let of_kind: Vec<&String> = ids.iter().filter(|id| id.split('-').next() == Some(kind)).collect();
                let id = if of_kind.is_empty() { "none" } else { one.get(&of_kind) };
                form = form.replace(&format!("{{{kind}}}"), id);
            }
            let action = form.split('&').next().unwrap_or_default().trim_start_matches("Action=").to_string();
            let names = calls::known().find(|(name, _)| *name == action).map_or(&[][..], |(_, names)| names);
            let mut form = form_urlencoded::Serializer::new(form);
            for Param { name, end, value, id } in &params {
                let name = one_of(names, name);
                let value = if name.ends_with("Id") && id.index(4) > 0 { id.get(&ids) } else { value };
                form.append_pair(&format!("{name}{end}"), value);
            }
            check(&world, &signed("ec2"), "", form.finish().as_bytes())?;
            world.clock.advance(chrono::TimeDelta::minutes(90));
        }
    }

    #[test]
    fn no_list_of_any_kind_makes_it_panic(
        calls in vec((any::<prop::sample::Index>(), vec(param(), 0..6)), 1..20),
    ) {
        let world = world();
        let actions: Vec<_> = calls::known().chain([("AssumeRole", &["RoleArn", "RoleSessionName"][..])]).collect();
        for (action, params) in calls {
            let (action, names) = actions[action.index(actions.len())];
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", action);
            for Param { name, end, value, .. } in &params {
                form.append_pair(&format!("{}{end}", one_of(names, name)), value);
            }
            let service = if action == "AssumeRole" { "sts" } else { "ec2" };
            check(&world, &signed(service), "", form.finish().as_bytes())?;
        }
    }
}
