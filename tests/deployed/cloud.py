"""The control plane of a story: stacks, packages, invocations, and what there is at all. Prints JSON.

cloud.py URL up STACK FILE PARAMETERS   creates a stack from infra/FILE, and prints its outputs
cloud.py URL down STACK                 deletes it
cloud.py URL package KEY FILE           puts a package into the bucket
cloud.py URL invoke FUNCTION EVENT      invokes a function, and prints its answer
cloud.py URL permissions                prints the statements of each role's own policies, by the policy's name
cloud.py URL inventory                  prints the names of everything that a stack could leave behind
"""

import json
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config

ACCOUNT, REGION, BUCKET = "123456789012", "eu-central-1", "packages"
INFRA = Path(__file__).parents[2] / "infra"


def client(name, url):
    assert url.startswith("http://127.0.0.1:"), f"{url}: only this machine"
    config = Config(retries={"max_attempts": 1}, read_timeout=120)
    return boto3.client(name, endpoint_url=url, region_name=REGION, aws_access_key_id=ACCOUNT,
                        aws_secret_access_key="test", config=config)


def bucket(url):
    s3 = client("s3", url)
    if BUCKET not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def finished(cloudformation, stack):
    """The stack when it has come to rest; nothing when it is gone."""
    while True:
        try:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        except cloudformation.exceptions.ClientError:
            return None
        if not found["StackStatus"].endswith("IN_PROGRESS"):
            return None if found["StackStatus"] == "DELETE_COMPLETE" else found
        time.sleep(0.2)


def up(url, stack, file, parameters):
    # A template of this size does not fit into a request, on AWS neither.
    bucket(url).upload_file(str(INFRA / file), BUCKET, file)
    cloudformation = client("cloudformation", url)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in json.loads(parameters).items()]
    cloudformation.create_stack(StackName=stack, TemplateURL=f"{url}/{BUCKET}/{file}", Parameters=given,
                                Capabilities=["CAPABILITY_IAM"])
    found = finished(cloudformation, stack)
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if "FAILED" in event["ResourceStatus"]]
    assert found and found["StackStatus"] == "CREATE_COMPLETE", (found, failed)
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def down(url, stack):
    cloudformation = client("cloudformation", url)
    cloudformation.delete_stack(StackName=stack)
    left = finished(cloudformation, stack)
    return {"left": left and left["StackStatus"]}


def package(url, key, file):
    bucket(url).upload_file(file, BUCKET, key)


def invoke(url, function, event):
    answer = client("lambda", url).invoke(FunctionName=function, Payload=event)
    payload = json.loads(answer["Payload"].read() or b"null")
    return {"error": answer.get("FunctionError"), "answer": payload}


def permissions(url):
    iam, found = client("iam", url), {}
    for role in iam.list_roles()["Roles"]:
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            found[name] = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return found


def inventory(url):
    def names(service, call, field, name=None, **arguments):
        found = getattr(client(service, url), call)(**arguments).get(field, [])
        return sorted(entry[name] if name else entry for entry in found)

    return {
        "queues": names("sqs", "list_queues", "QueueUrls"),
        "topics": names("sns", "list_topics", "Topics", "TopicArn"),
        "subscriptions": names("sns", "list_subscriptions", "Subscriptions", "Endpoint"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "mappings": names("lambda", "list_event_source_mappings", "EventSourceMappings", "EventSourceArn"),
        "log groups": names("logs", "describe_log_groups", "logGroups", "logGroupName"),
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "dashboards": names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        "rules": names("events", "list_rules", "Rules", "Name"),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "schedule groups": names("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
        "schedules": names("scheduler", "list_schedules", "Schedules", "Name"),
        "aliases": names("kms", "list_aliases", "Aliases", "AliasName"),
        "exports": names("cloudformation", "list_exports", "Exports", "Name"),
    }


url, command, *arguments = sys.argv[1:]
commands = {"up": up, "down": down, "package": package, "invoke": invoke, "permissions": permissions,
            "inventory": inventory}
print(json.dumps(commands[command](url, *arguments)))
