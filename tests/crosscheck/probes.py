"""The same questions to an EC2, through boto3. Prints one line for each: its name, a tab, what came of it.

No answer has an id, a time or anything else in it that differs from one run to the next.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from botocore.parsers import ResponseParserError

URL = sys.argv[1]
HERE, THERE = "eu-central-1", "us-east-1"
NOBODY = {"vol": "vol-0123456789abcdef0", "snap": "snap-0123456789abcdef0", "i": "i-0123456789abcdef0"}
SOON = {"Delay": 1, "MaxAttempts": 60}


def client(service, region=HERE, **keys):
    keys = keys or {"aws_access_key_id": "123456789012", "aws_secret_access_key": "x"}
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=region, endpoint_url=URL, config=once, **keys)


ec2, there, sts = client("ec2"), client("ec2", THERE), client("sts")


def probe(name, call):
    try:
        said = call()
    except ClientError as error:
        said = "refused: " + error.response["Error"]["Code"]
    except WaiterError:
        said = "the waiter gave up"
    except ResponseParserError:
        said = "an answer that boto3 cannot read"
    print(f"{name}\t{said}", flush=True)


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def of(kind, **pairs):
    return [{"ResourceType": kind, "Tags": tags(**pairs)}]


def where(name, *values):
    return [{"Name": name, "Values": list(values)}]


def pages(operation, key, size, **params):
    walked = ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **params)
    return [len(page[key]) for page in walked]


def volume(snapshot=None, **params):
    params = params or {"Size": 8}
    made = ec2.create_volume(AvailabilityZone=HERE + "a", **({"SnapshotId": snapshot} if snapshot else {}), **params)
    ec2.get_waiter("volume_available").wait(VolumeIds=[made["VolumeId"]], WaiterConfig=SOON)
    return made["VolumeId"]


def snapshot(volume_id, **pairs):
    made = ec2.create_snapshot(VolumeId=volume_id, TagSpecifications=of("snapshot", **pairs))["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made], WaiterConfig=SOON)
    return made


def found(operation, key, ask=ec2, **params):
    return getattr(ask, operation)(**params)[key]


def own(**params):
    return found("describe_snapshots", "Snapshots", OwnerIds=["self"], **params)


# A small fleet: seven instances, of which one has two more volumes, and loose volumes to play with.
image = found("describe_images", "Images", Owners=["amazon"])[0]["ImageId"]
instances = []
for number in range(7):
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
                             TagSpecifications=of("instance", Name=f"server-{number}", Backup="true" if number < 3 else "True"))
    instances.append(made["Instances"][0]["InstanceId"])
ec2.get_waiter("instance_running").wait(InstanceIds=instances, WaiterConfig=SOON)
db = instances[0]
for device in ("/dev/sdf", "/dev/sdg"):
    ec2.attach_volume(InstanceId=db, VolumeId=volume(), Device=device)
loose = [volume() for _ in range(8)]
ec2.create_tags(Resources=loose[:3], Tags=tags(role="a*b"))
ec2.create_tags(Resources=loose[3:5], Tags=tags(role="axb"))

probe("instances with a tag", lambda: sum(len(r["Instances"]) for r in found("describe_instances", "Reservations", Filters=where("tag:Backup", "true"))))
probe("instances with a tag in other case", lambda: sum(len(r["Instances"]) for r in found("describe_instances", "Reservations", Filters=where("tag:Backup", "TRUE"))))
probe("devices of an instance", lambda: len(found("describe_instances", "Reservations", InstanceIds=[db])[0]["Instances"][0]["BlockDeviceMappings"]))
probe("instances in pages of five", lambda: pages("describe_instances", "Reservations", 5))
probe("a page of four", lambda: len(ec2.describe_instances(MaxResults=4)["Reservations"]))
probe("ids and a page size", lambda: len(ec2.describe_instances(InstanceIds=[db], MaxResults=5)["Reservations"]))
probe("an unknown instance", lambda: ec2.describe_instances(InstanceIds=[NOBODY["i"]]))
probe("a malformed instance id", lambda: ec2.describe_instances(InstanceIds=["i-xyz"]))

attached = where("attachment.instance-id", db)
probe("volumes of an instance", lambda: len(found("describe_volumes", "Volumes", Filters=attached)))
probe("volumes in pages of five", lambda: pages("describe_volumes", "Volumes", 5))
probe("volumes that are available", lambda: len(found("describe_volumes", "Volumes", Filters=where("status", "available"))))
probe("volumes by a wildcard", lambda: len(found("describe_volumes", "Volumes", Filters=where("tag:role", "a*b"))))
probe("volumes by an escaped wildcard", lambda: len(found("describe_volumes", "Volumes", Filters=where("tag:role", r"a\*b"))))
probe("volumes by a tag's key", lambda: len(found("describe_volumes", "Volumes", Filters=where("tag-key", "role"))))
probe("201 values in a filter", lambda: len(found("describe_volumes", "Volumes", Filters=where("tag:role", *map(str, range(201))))))
probe("one unknown volume of two", lambda: ec2.describe_volumes(VolumeIds=[loose[0], NOBODY["vol"]]))
probe("a token that nobody gave", lambda: len(ec2.describe_volumes(MaxResults=5, NextToken="x")["Volumes"]))

made = {}
def begin():
    made.update(ec2.create_snapshot(VolumeId=loose[0], Description="d", TagSpecifications=of("snapshot", job="1", Name="n")))
    return f'{made["State"]} {made["VolumeSize"]} GiB {made["Description"]} {made["OwnerId"]} {sorted(t["Key"] for t in made["Tags"])}'
probe("a snapshot is begun", begin)
probe("another of the same volume at once", lambda: ec2.create_snapshot(VolumeId=loose[0])["VolumeSize"])
probe("the waiter sees it complete", lambda: ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made["SnapshotId"]], WaiterConfig=SOON))
probe("it is completed", lambda: [(s["State"], s["Progress"]) for s in own(SnapshotIds=[made["SnapshotId"]])])
probe("snapshots by a tag of several values", lambda: len(own(Filters=where("tag:job", "1", "2"))))
probe("snapshots by volume", lambda: len(own(Filters=where("volume-id", loose[0]) + where("tag:job", "1"))))
probe("snapshots by status and tag", lambda: len(own(Filters=where("status", "completed") + where("tag:job", "1"))))
probe("snapshots without an owner are more", lambda: len(ec2.describe_snapshots()["Snapshots"]) > len(own()))
probe("a snapshot of an unknown volume", lambda: ec2.create_snapshot(VolumeId=NOBODY["vol"]))
probe("a snapshot with 51 tags", lambda: ec2.create_snapshot(VolumeId=loose[1], TagSpecifications=of("snapshot", **{f"k{n}": "" for n in range(51)}))["State"])
probe("a snapshot with AWS's tag", lambda: ec2.create_snapshot(VolumeId=loose[2], TagSpecifications=of("snapshot", **{"aws:x": ""}))["State"])
probe("a tag specification without tags", lambda: ec2.create_snapshot(VolumeId=loose[2], TagSpecifications=of("snapshot")))
probe("a dry run of a snapshot", lambda: ec2.create_snapshot(VolumeId=loose[3], DryRun=True))
probe("an unknown snapshot", lambda: ec2.describe_snapshots(SnapshotIds=[NOBODY["snap"]]))
probe("a malformed snapshot id", lambda: ec2.delete_snapshot(SnapshotId="snap-xyz"))

kept = snapshot(loose[3], job="2")
probe("a copy", lambda: sorted(there.copy_snapshot(SourceRegion=HERE, SourceSnapshotId=kept, TagSpecifications=of("snapshot", copy="1"))))
def copied():
    copy = found("describe_snapshots", "Snapshots", there, OwnerIds=["self"], Filters=where("tag:copy", "1"))[0]
    there.get_waiter("snapshot_completed").wait(SnapshotIds=[copy["SnapshotId"]], WaiterConfig=SOON)
    return f'{copy["VolumeSize"]} GiB {[t["Key"] for t in copy["Tags"]]} encrypted {copy["Encrypted"]}'
probe("the copy", copied)
probe("the copy's volume id is none of ours", lambda: found("describe_snapshots", "Snapshots", there, OwnerIds=["self"], Filters=where("tag:copy", "1"))[0]["VolumeId"] != loose[3])
probe("a copy of an unknown snapshot", lambda: there.copy_snapshot(SourceRegion=HERE, SourceSnapshotId=NOBODY["snap"]))
probe("a copy with a key and not encrypted", lambda: sorted(there.copy_snapshot(SourceRegion=HERE, SourceSnapshotId=kept, KmsKeyId="alias/x")))

def share():
    ec2.modify_snapshot_attribute(SnapshotId=kept, Attribute="createVolumePermission", OperationType="add", UserIds=["210987654321"])
    return found("describe_snapshot_attribute", "CreateVolumePermissions", SnapshotId=kept, Attribute="createVolumePermission")
probe("a snapshot is shared", share)
probe("a volume of a snapshot", lambda: [(v["State"], v["Size"], v["Encrypted"]) for v in found("describe_volumes", "Volumes", VolumeIds=[volume(kept, VolumeType="gp3")])])
probe("a volume smaller than its snapshot", lambda: ec2.create_volume(AvailabilityZone=HERE + "a", SnapshotId=kept, Size=4)["Size"])
probe("a volume in an unknown zone", lambda: ec2.create_volume(AvailabilityZone="xx-nowhere-1a", Size=8)["Size"])
probe("an st1 volume of 8 GiB", lambda: ec2.create_volume(AvailabilityZone=HERE + "a", Size=8, VolumeType="st1")["Size"])
def twice():
    return len({ec2.create_volume(AvailabilityZone=HERE + "a", Size=8, ClientToken="once")["VolumeId"] for _ in range(2)})
probe("volumes of one client token", twice)
def same_device():
    ec2.attach_volume(InstanceId=instances[2], VolumeId=loose[4], Device="/dev/sdf")
    return ec2.attach_volume(InstanceId=instances[2], VolumeId=loose[5], Device="/dev/sdf")["Device"]
probe("a device that is in use", same_device)
probe("an attached volume is deleted", lambda: ec2.delete_volume(VolumeId=found("describe_volumes", "Volumes", Filters=attached)[0]["VolumeId"]))
probe("a tag on an unknown resource", lambda: ec2.create_tags(Resources=[NOBODY["vol"]], Tags=tags(a="b")))
probe("AWS's tag on a volume", lambda: ec2.create_tags(Resources=[loose[6]], Tags=tags(**{"aws:x": "y"}))["ResponseMetadata"]["HTTPStatusCode"])
def untag():
    ec2.create_tags(Resources=[loose[5]], Tags=tags(a="1", b="2"))
    ec2.delete_tags(Resources=[loose[5]], Tags=tags(a="not this", b="2"))
    return [t["Key"] for t in found("describe_volumes", "Volumes", VolumeIds=[loose[5]])[0]["Tags"]]
probe("a tag is taken off by its value", untag)

def snapshots_of(instance, **what):
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": instance, **what})["Snapshots"]
    return f'{len(made)} {made[0].get("State")}' if made else "none"
probe("a set of an instance's volumes", lambda: snapshots_of(instances[1]))
probe("a set without the boot volume", lambda: snapshots_of(db, ExcludeBootVolume=True))
probe("a snapshot is locked", lambda: ec2.lock_snapshot(SnapshotId=kept, LockMode="governance", LockDuration=1)["LockState"])
probe("a locked snapshot is deleted", lambda: ec2.delete_snapshot(SnapshotId=kept)["ResponseMetadata"]["HTTPStatusCode"])
other = snapshot(loose[7], job="3")
probe("a snapshot is archived", lambda: sorted(set(ec2.modify_snapshot_tier(SnapshotId=other, StorageTier="archive")) - {"ResponseMetadata"}))
probe("a dry run of a deletion", lambda: ec2.delete_snapshot(SnapshotId=other, DryRun=True))
probe("a snapshot is deleted", lambda: ec2.delete_snapshot(SnapshotId=other)["ResponseMetadata"]["HTTPStatusCode"])
probe("a snapshot is deleted twice", lambda: ec2.delete_snapshot(SnapshotId=other))
probe("the Recycle Bin", lambda: len(ec2.list_snapshots_in_recycle_bin()["Snapshots"]))

def terminate():
    before = len(found("describe_volumes", "Volumes", Filters=attached))
    ec2.terminate_instances(InstanceIds=[db])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[db], WaiterConfig=SOON)
    left = found("describe_volumes", "Volumes", Filters=where("size", "8") + where("status", "in-use") + attached)
    return f"{before} volumes, {len(left)} left in use"
probe("an instance is terminated", terminate)
probe("an unknown Region", lambda: len(ec2.describe_regions(RegionNames=["xx-nowhere-1"])["Regions"]))
probe("this Region", lambda: [r["OptInStatus"] for r in ec2.describe_regions(RegionNames=[HERE])["Regions"]])
role = sts.assume_role(RoleArn="arn:aws:iam::210987654321:role/reader", RoleSessionName="night")["Credentials"]
keys = {"aws_access_key_id": role["AccessKeyId"], "aws_secret_access_key": role["SecretAccessKey"], "aws_session_token": role["SessionToken"]}
probe("an assumed role", lambda: client("sts", **keys).get_caller_identity()["Arn"])
probe("what it sees", lambda: len(client("ec2", **keys).describe_volumes(VolumeIds=[])["Volumes"]))
probe("an unknown filter", lambda: len(ec2.describe_volumes(Filters=where("colour", "blue"))["Volumes"]))
