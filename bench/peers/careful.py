"""boto3 as well as one writes it: all pages, all Regions at once, threads, the adaptive retry mode with many attempts,
tags in the create call, and failures counted instead of ending the run."""
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import boto3
from botocore.config import Config

THREADS = 16
CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=THREADS)
session = boto3.session.Session()
clients = {}


def client(region):
    if region not in clients:
        clients[region] = session.client("ec2", region_name=region, config=CONFIG)
    return clients[region]


def volumes(region):
    """What the keeper of a fleet wants to know of each volume: instances for their tags, volumes for theirs."""
    ec2 = client(region)
    selected = [{"Name": "tag:Backup", "Values": ["true"]}]
    attached = {}
    pages = ec2.get_paginator("describe_instances").paginate(Filters=selected, PaginationConfig={"PageSize": 1000})
    for page in pages:
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                for mapping in instance.get("BlockDeviceMappings", []):
                    attached[mapping["Ebs"]["VolumeId"]] = (instance, mapping["DeviceName"])
    pages = ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 1000})
    for page in pages:
        for volume in page["Volumes"]:
            if volume["VolumeId"] in attached:
                instance, device = attached[volume["VolumeId"]]
                yield volume, instance, device


def each(work, items):
    done = failed = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for outcome in [pool.submit(work, item) for item in items]:
            try:
                outcome.result()
                done += 1
            except Exception as error:
                print(error)
                failed += 1
    return {"count": done, "failed": failed}


def backup(region):
    due = (date.today() + timedelta(days=7)).isoformat()

    def take(found):
        volume, instance, device = found
        tags = [{"Key": "DeleteOn", "Value": due}, {"Key": "Instance", "Value": instance["InstanceId"]}]
        client(region).create_snapshot(
            VolumeId=volume["VolumeId"], TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
        )

    return each(take, volumes(region))


def cleanup(region):
    today = date.today().isoformat()
    filters = [{"Name": "tag-key", "Values": ["DeleteOn"]}]
    pages = client(region).get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], Filters=filters, PaginationConfig={"PageSize": 1000}
    )

    def due():
        for page in pages:
            for snapshot in page["Snapshots"]:
                tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
                if tags["DeleteOn"] <= today:
                    yield snapshot["SnapshotId"]

    return each(lambda snapshot: client(region).delete_snapshot(SnapshotId=snapshot), due())


def handler(event, context):
    regions = event.get("regions") or [os.environ["AWS_REGION"]]
    for region in regions:
        client(region)
    work = cleanup if event.get("action") == "prune" else backup
    with ThreadPoolExecutor(len(regions)) as pool:
        answers = list(pool.map(work, regions))
    return {"count": sum(answer["count"] for answer in answers), "failed": sum(answer["failed"] for answer in answers)}
