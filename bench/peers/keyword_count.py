"""The way of the keyword: an event names a tag, its value on the instance says how many snapshots of each volume stay.
Each volume is one CreateSnapshot, one DescribeSnapshots and what is too many, one after the other."""
import boto3

ec2 = boto3.client("ec2")


def handler(event, context):
    keyword = event["SnapshotKeyWord"]
    made = gone = 0
    found = ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": [keyword]}])
    for reservation in found["Reservations"]:
        for instance in reservation["Instances"]:
            tags = [tag for tag in instance["Tags"] if not tag["Key"].startswith("aws:")]
            keep = int(next(tag["Value"] for tag in tags if tag["Key"] == keyword))
            for mapping in instance["BlockDeviceMappings"]:
                volume = mapping["Ebs"]["VolumeId"]
                ec2.create_snapshot(
                    VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
                )
                made += 1
                filters = [{"Name": "volume-id", "Values": [volume]}, {"Name": "tag-key", "Values": [keyword]}]
                there = ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
                there.sort(key=lambda snapshot: snapshot["StartTime"], reverse=True)
                for snapshot in there[keep:]:
                    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
                    gone += 1
    return {"count": made, "deleted": gone}
