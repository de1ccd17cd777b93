"""The worker of a pipeline in boto3: it reads a job, takes the snapshot with all its tags in the call, and gives back what
failed. It does no more than that; snapkeep's looks first whether the snapshot is there, and writes down what failed."""
import json

import boto3

ec2 = boto3.client("ec2")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            job = json.loads(record["body"])
            tags = [{"Key": key, "Value": value} for key, value in job["tags"].items()]
            ec2.create_snapshot(
                VolumeId=job["volume"],
                Description=f"{job['policy']} {job['slot']}",
                TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
            )
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
