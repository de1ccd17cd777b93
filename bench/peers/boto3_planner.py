"""The planner of a pipeline in boto3, as well as one writes it: what `careful` reads of all Regions at once, and one
message for each volume, by tens, from several threads."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import careful

sqs = careful.session.client("sqs", config=careful.CONFIG)
QUEUE = os.environ["JOBS_QUEUE_URL"]


def tags(resource):
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", []) if not tag["Key"].startswith("aws:")}


def jobs(region):
    for volume, instance, device in careful.volumes(region):
        yield {
            "region": region,
            "volume": volume["VolumeId"],
            "instance": instance["InstanceId"],
            "device": device,
            "tags": {**tags(instance), **tags(volume)},
        }


def send(batch):
    entries = [
        {
            "Id": str(index),
            "MessageBody": json.dumps(job),
            "MessageGroupId": job["region"],
            "MessageDeduplicationId": job["volume"],
        }
        for index, job in enumerate(batch)
    ]
    answer = sqs.send_message_batch(QueueUrl=QUEUE, Entries=entries)
    return len(answer["Successful"])


def plan(region, pool):
    sent, batch = [], []
    for job in jobs(region):
        batch.append(job)
        if len(batch) == 10:
            sent.append(pool.submit(send, batch))
            batch = []
    if batch:
        sent.append(pool.submit(send, batch))
    return sum(future.result() for future in sent)


def handler(event, context):
    regions = event["regions"]
    for region in regions:
        careful.client(region)
    with ThreadPoolExecutor(careful.THREADS) as senders, ThreadPoolExecutor(len(regions)) as readers:
        counts = list(readers.map(lambda region: plan(region, senders), regions))
    return {"count": sum(counts)}
