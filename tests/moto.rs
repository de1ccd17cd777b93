//! A second opinion on EC2: the same run against moto, which nobody here wrote.

use std::process::Command;

use crate::emulator::Emulator;
use crate::python;
use crate::stack::ACCOUNT;
use crate::typed::snapkeep;

/// Two instances to back up, of which one has two more volumes; one to leave alone; a loose volume.
const BUILD: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
image = ec2.describe_images()["Images"][0]["ImageId"]
def instance(name, backup):
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro", TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}, {"Key": "Backup", "Value": backup}]}])
    return made["Instances"][0]["InstanceId"]
db, web, other = instance("db", "true"), instance("web", "true"), instance("other", "True")
for device in ("/dev/sdf", "/dev/sdg"):
    volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8)["VolumeId"]
    ec2.attach_volume(InstanceId=db, VolumeId=volume, Device=device)
ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8)
ec2.stop_instances(InstanceIds=[web])
"#;

const LOOK: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag-key", "Values": ["snapkeep:policy"]}])["Snapshots"]
for tags in sorted((({t["Key"]: t["Value"] for t in s["Tags"]}, s["VolumeId"]) for s in found), key=lambda s: (s[0]["Name"], s[0]["snapkeep:device"])):
    t, volume = tags
    print(t["Name"], t["snapkeep:device"], t["snapkeep:policy"], t["snapkeep:retain"], t["DeleteOn"], t["snapkeep:slot"], t["Backup"], t["snapkeep:volume"] == volume)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_run_against_moto_backs_up_the_same_volumes() {
    let moto = Emulator::start_moto().await;
    script(BUILD, &moto.url).await;
    let line = "run --policy daily --tag Backup=true --retain 7d --regions eu-central-1 --slot 2026-11-20T02:00:00Z";
    for already_there in ["0", "4"] {
        let said = snapkeep(&moto.url, line, "").await;
        assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
        let row = said.out.lines().find(|line| line.contains(ACCOUNT)).unwrap();
        assert_eq!(row.split_whitespace().nth(4), Some(already_there), "{}", said.out);
        assert_eq!(
            script(LOOK, &moto.url).await,
            "\
db /dev/sda1 daily 7d 2026-11-27 2026-11-20T02:00:00Z true True
db /dev/sdf daily 7d 2026-11-27 2026-11-20T02:00:00Z true True
db /dev/sdg daily 7d 2026-11-27 2026-11-20T02:00:00Z true True
web /dev/sda1 daily 7d 2026-11-27 2026-11-20T02:00:00Z true True
"
        );
    }
}

/// Five snapshots of ours, of which one is kept for good, and a foreign one.
const SNAPSHOTS: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
volume = ec2.create_volume(AvailabilityZone="eu-central-1a", Size=8)["VolumeId"]
def snapshot(**tags):
    tags = [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
ours = {"snapkeep__policy": "daily", "snapkeep__retain": "1", "snapkeep__volume": volume}
for _ in range(4): snapshot(**ours)
snapshot(**ours, KeepForever="")
snapshot(Backup="true")
"#;

const COUNT: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
tags = [{tag["Key"] for tag in snapshot.get("Tags", [])} for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
kinds = ["kept" if "KeepForever" in keys else "ours" if "snapkeep:policy" in keys else "foreign" for keys in tags if keys]
print(" ".join(sorted(kinds)))
"#;

/// moto has no list of locks and none of fast restores: what they would name is left to EC2 to refuse.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_against_moto_leaves_the_same_snapshots() {
    let moto = Emulator::start_moto().await;
    script(SNAPSHOTS, &moto.url).await;
    assert_eq!(script(COUNT, &moto.url).await, "foreign kept ours ours ours ours\n");
    let said = snapkeep(&moto.url, "prune --regions eu-central-1 --yes", "").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert_eq!(script(COUNT, &moto.url).await, "foreign kept ours\n", "{}", said.out);
}

/// The restored volumes: what they are of, where they are attached, what they are like.
const RESTORED: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
for v in sorted(ec2.describe_volumes(Filters=[{"Name": "tag-key", "Values": ["snapkeep:restore"]}])["Volumes"], key=lambda v: v["Tags"][0]["Value"] + v["VolumeId"]):
    t = {t["Key"]: t["Value"] for t in v["Tags"]}
    source = ec2.describe_snapshots(SnapshotIds=[v["SnapshotId"]])["Snapshots"][0]["VolumeId"]
    print(v["State"], v["Size"], v["VolumeType"], v["AvailabilityZone"], t["snapkeep:restored-from"] == v["SnapshotId"], t["snapkeep:restored-volume"] == source, [a["Device"] for a in v["Attachments"]])
"#;

const DETACH: &str = r#"
import boto3, sys
ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="123456789012", aws_secret_access_key="x")
for v in ec2.describe_volumes(Filters=[{"Name": "tag-key", "Values": ["snapkeep:restore"]}])["Volumes"]:
    ec2.detach_volume(VolumeId=v["VolumeId"], InstanceId=v["Attachments"][0]["InstanceId"])
for i in ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["db"]}])["Reservations"][0]["Instances"]: print(i["InstanceId"])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_restored_from_moto_attached_and_undone_and_a_drill_leaves_nothing() {
    let moto = Emulator::start_moto().await;
    script(BUILD, &moto.url).await;
    let run = "run --policy daily --tag Backup=true --retain 7d --regions eu-central-1 --slot 2026-11-20T02:00:00Z";
    assert_eq!(snapkeep(&moto.url, run, "").await.exit, 0);
    let db = script(DETACH, &moto.url).await;

    let said = snapkeep(&moto.url, &format!("restore {} --attach --regions eu-central-1 --yes", db.trim()), "").await;
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    let restored = script(RESTORED, &moto.url).await;
    let mut devices: Vec<&str> = restored.lines().map(|line| line.split('[').nth(1).unwrap()).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["'/dev/sdh']", "'/dev/sdi']", "'/dev/sdj']"], "{restored}");
    assert!(
        restored.lines().all(|line| line.starts_with("in-use 8 ") && line.contains(" eu-central-1a True True ")),
        "{restored}"
    );

    let id = said.out.split("--undo ").nth(1).unwrap().split_whitespace().next().unwrap();
    let undo = format!("restore --undo {id} --regions eu-central-1 --yes");
    let attached = snapkeep(&moto.url, &undo, "").await;
    assert!(attached.exit == 3 && script(RESTORED, &moto.url).await.lines().count() == 3, "{}", attached.out);
    script(DETACH, &moto.url).await;
    let undone = snapkeep(&moto.url, &undo, "").await;
    assert_eq!((undone.exit, script(RESTORED, &moto.url).await.as_str()), (0, ""), "{}{}", undone.out, undone.err);

    let drill = snapkeep(&moto.url, "restore --drill --sample 4 --regions eu-central-1 --yes", "").await;
    assert!(drill.exit == 0 && drill.out.contains("4 of 4 became volumes."), "{}{}", drill.out, drill.err);
    assert_eq!(script(RESTORED, &moto.url).await, "");
}

async fn script(script: &'static str, url: &str) -> String {
    let (python, url) = (python::bin().await.join("python"), url.to_string());
    let run = move || python::run(Command::new(python).args(["-c", script, &url]));
    tokio::task::spawn_blocking(run).await.unwrap()
}
