//! The simulator through boto3, which nobody here wrote: its paginators, its waiter and its error parsing.

use std::process::Command;

use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::{Settings, World};

use crate::python;
use crate::stack::ACCOUNT;

const SCRIPT: &str = r#"
import boto3, sys
from botocore.config import Config
from botocore.exceptions import ClientError
url = sys.argv[1]
def client(name, region="eu-central-1", **keys):
    keys = keys or dict(aws_access_key_id="123456789012", aws_secret_access_key="x")
    return boto3.client(name, region_name=region, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}), **keys)
ec2 = client("ec2")
reservations = [page["Reservations"] for page in ec2.get_paginator("describe_instances").paginate(
    Filters=[{"Name": "tag:Backup", "Values": ["true"]}], PaginationConfig={"PageSize": 10})]
print("instance pages", [len(page) for page in reservations])
volumes = [v for page in ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 20}) for v in page["Volumes"]]
print("volumes", len(volumes), volumes[0]["State"], volumes[0]["Attachments"][0]["State"])
made = ec2.create_snapshot(VolumeId=volumes[0]["VolumeId"], Description="d", TagSpecifications=[
    {"ResourceType": "snapshot", "Tags": [{"Key": "snapkeep:job", "Value": "j-1"}]}])
print("created", made["State"], made["OwnerId"], made["Tags"])
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[made["SnapshotId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "tag:snapkeep:job", "Values": ["j-1", "j-2"]}])["Snapshots"]
print("found", len(found), found[0]["State"], found[0]["Progress"])
ec2.create_tags(Resources=[made["SnapshotId"]], Tags=[{"Key": "KeepForever", "Value": ""}])
print("tags", sorted(t["Key"] for t in ec2.describe_snapshots(SnapshotIds=[made["SnapshotId"]])["Snapshots"][0]["Tags"]))
for call in (lambda: ec2.create_snapshot(VolumeId="vol-0123456789abcdef0"), lambda: ec2.delete_snapshot(SnapshotId="snap-1"),
             lambda: ec2.describe_volumes(Filters=[{"Name": "colour", "Values": ["blue"]}]), lambda: ec2.describe_addresses()):
    try:
        call(); print("not refused")
    except ClientError as error:
        print("refused", error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
sts = client("sts")
print("caller", sts.get_caller_identity()["Account"])
role = sts.assume_role(RoleArn="arn:aws:iam::210987654321:role/snapkeep", RoleSessionName="snapkeep")["Credentials"]
other = client("sts", aws_access_key_id=role["AccessKeyId"], aws_secret_access_key=role["SecretAccessKey"], aws_session_token=role["SessionToken"])
print("assumed", other.get_caller_identity()["Account"])
print("regions", len(ec2.describe_regions()["Regions"]))
"#;

const EXPECTED: &str = "\
instance pages [10, 10, 5]
volumes 50 in-use attached
created pending 123456789012 [{'Key': 'snapkeep:job', 'Value': 'j-1'}]
found 1 completed 100%
tags ['KeepForever', 'snapkeep:job']
refused InvalidVolume.NotFound 400
refused InvalidSnapshotID.Malformed 400
refused InvalidParameterValue 400
refused InvalidAction 400
caller 123456789012
assumed 210987654321
regions 17
";

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_the_simulator_unchanged() {
    let world = World::new(Settings { completes_after: chrono::TimeDelta::seconds(2), ..Settings::default() });
    Fleet::new(ACCOUNT, "eu-central-1", 50).build(&world);
    let server = Server::start_local(world).await.unwrap();
    let (python, url) = (python::bin().await.join("python"), server.url.clone());
    let said = tokio::task::spawn_blocking(move || python::run(Command::new(python).args(["-c", SCRIPT, &url])));
    assert_eq!(said.await.unwrap(), EXPECTED);
}
