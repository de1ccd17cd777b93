"""The worker of the wiring that AWS recommends for a queue: one call for each message, the SDK's own retries, a partial
batch failure for each message that fails, and no pace."""
import boto3

ec2 = boto3.client("ec2")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            ec2.create_snapshot(VolumeId=record["body"])
        except Exception as error:
            print(error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
