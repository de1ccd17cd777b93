"""The way of the tutorials: every instance with Backup=true, one volume after the other, DeleteOn in seven days; and a
sister that deletes what is due. One page of instances, no retries but boto3's own, no queue."""
from datetime import date, timedelta

import boto3

ec2 = boto3.client("ec2")


def backup():
    due = (date.today() + timedelta(days=7)).isoformat()
    found = ec2.describe_instances(Filters=[{"Name": "tag:Backup", "Values": ["true"]}])
    made = 0
    for reservation in found["Reservations"]:
        for instance in reservation["Instances"]:
            for mapping in instance["BlockDeviceMappings"]:
                tags = [{"Key": "DeleteOn", "Value": due}, {"Key": "Instance", "Value": instance["InstanceId"]}]
                ec2.create_snapshot(
                    VolumeId=mapping["Ebs"]["VolumeId"],
                    TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
                )
                made += 1
    return made


def cleanup():
    today = date.today().isoformat()
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag-key", "Values": ["DeleteOn"]}])
    gone = 0
    for snapshot in found["Snapshots"]:
        due = next(tag["Value"] for tag in snapshot["Tags"] if tag["Key"] == "DeleteOn")
        if due <= today:
            ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
            gone += 1
    return gone


def handler(event, context):
    return {"count": cleanup() if event.get("action") == "prune" else backup()}
