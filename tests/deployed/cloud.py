"""The control plane of a story: invocations, and what there is at all. Prints JSON.

cloud.py URL bucket                     makes the bucket for packages
cloud.py URL outputs STACK              prints the outputs of a stack
cloud.py URL invoke FUNCTION EVENT      invokes a function, and prints its answer
cloud.py URL permissions                prints the statements of each role's own policies, by the role's name
cloud.py URL trusts                     prints who may assume each role, by the role's name
cloud.py URL resources                  prints the statements of the policies of queues, topics and keys
cloud.py URL logs GROUP                 prints what a function has logged
cloud.py URL inventory                  prints the names of everything that a stack could leave behind
"""

import json
import sys

import boto3
from botocore.config import Config

ACCOUNT, REGION, BUCKET = "123456789012", "eu-central-1", "packages"


def client(name, url):
    assert url.startswith("http://127.0.0.1:"), f"{url}: only this machine"
    config = Config(retries={"max_attempts": 1}, read_timeout=120)
    return boto3.client(name, endpoint_url=url, region_name=REGION, aws_access_key_id=ACCOUNT,
                        aws_secret_access_key="test", config=config)


def bucket(url):
    client("s3", url).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def outputs(url, stack):
    found = client("cloudformation", url).describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def invoke(url, function, event):
    answer = client("lambda", url).invoke(FunctionName=function, Payload=event)
    payload = json.loads(answer["Payload"].read() or b"null")
    return {"error": answer.get("FunctionError"), "answer": payload}


def statements(document):
    return (json.loads(document) if isinstance(document, str) else document)["Statement"]


def permissions(url):
    iam, found = client("iam", url), {}
    for role in iam.list_roles()["Roles"]:
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
            found.setdefault(role["RoleName"], []).extend(statements(document))
    return found


def trusts(url):
    roles = client("iam", url).list_roles()["Roles"]
    return {role["RoleName"]: statements(role["AssumeRolePolicyDocument"]) for role in roles}


def resources(url):
    sqs, sns, kms, found = client("sqs", url), client("sns", url), client("kms", url), {}
    for queue in sqs.list_queues().get("QueueUrls", []):
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"]).get("Attributes", {})
        if "Policy" in attributes:
            found[queue.rsplit("/", 1)[1]] = statements(attributes["Policy"])
    for topic in sns.list_topics()["Topics"]:
        policy = sns.get_topic_attributes(TopicArn=topic["TopicArn"])["Attributes"]["Policy"]
        found["topic"] = statements(policy)
    for alias in kms.list_aliases()["Aliases"]:
        policy = kms.get_key_policy(KeyId=alias["TargetKeyId"], PolicyName="default")["Policy"]
        found["key"] = statements(policy)
    return found


def logs(url, group):
    pages = client("logs", url).get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def inventory(url):
    def names(service, call, field, name=None, **arguments):
        found = getattr(client(service, url), call)(**arguments).get(field, [])
        return sorted(entry[name] if name else entry for entry in found)

    return {
        "stacks": names("cloudformation", "list_stacks", "StackSummaries", "StackName",
                        StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_FAILED"]),
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
commands = [bucket, outputs, invoke, permissions, trusts, resources, logs, inventory]
print(json.dumps({command.__name__: command for command in commands}[command](url, *arguments)))
