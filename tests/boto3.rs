//! The simulator through boto3 and the AWS CLI, which nobody here wrote: their paginators, waiters and error parsing.

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

/// A command of the AWS CLI, and what it prints. Names of ids stand for ids.
const COMMANDS: &str = r#"
describe-volumes --page-size 20 --query length(Volumes)
50
describe-volumes --max-items 7 --query length(Volumes)
7
describe-volumes --page-size 10 --filters Name=tag-key,Values=nobody --query length(Volumes)
0
describe-instances --filters Name=tag:Backup,Values=true --page-size 10 --query length(Reservations)
25
create-snapshot --volume-id VOLUME --tag-specifications ResourceType=snapshot,Tags=[{Key=job,Value=1}] --query State
"pending"
wait snapshot-completed --filters Name=tag:job,Values=1 --owner-ids self
describe-snapshots --owner-ids self --filters Name=tag:job,Values=1,2 Name=status,Values=completed --query Snapshots[0].Progress
"100%"
describe-snapshots --page-size 5 --query length(Snapshots)
2
delete-snapshot --snapshot-id snap-0123456789abcdef0
An error occurred (InvalidSnapshot.NotFound) when calling the DeleteSnapshot operation: The snapshot 'snap-0123456789abcdef0' does not exist.
create-snapshot --volume-id VOLUME --dry-run
An error occurred (DryRunOperation) when calling the CreateSnapshot operation: Request would have succeeded, but DryRun flag is set.
create-snapshot --volume-id vol-xyz
An error occurred (InvalidVolumeID.Malformed) when calling the CreateSnapshot operation: Invalid id: "vol-xyz"
terminate-instances --instance-ids INSTANCE --query TerminatingInstances[0].CurrentState.Name
"shutting-down"
wait instance-terminated --instance-ids INSTANCE
create-volume --availability-zone eu-central-1a --size 8 --query State
"creating"
list-snapshots-in-recycle-bin --query length(Snapshots)
0
describe-regions --filters Name=opt-in-status,Values=not-opted-in --all-regions --query length(Regions)
4
"#;

/// Waiters wait 15 seconds between two looks, and cannot be told otherwise: what they wait for is there at the first.
#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_works_with_the_simulator_unchanged() {
    let world = World::new(Settings { completes_after: chrono::TimeDelta::zero(), ..Settings::default() });
    world.set(|settings| settings.changes_after = chrono::TimeDelta::zero());
    let volumes = Fleet::new(ACCOUNT, "eu-central-1", 50).build(&world);
    let instance = world.region("eu-central-1", |region| region.instances.iter().last().unwrap().id.to_string());
    let server = Server::start_local(world).await.unwrap();
    let aws = python::bin().await.join("aws");
    let commands = COMMANDS.trim().lines();
    let is_command =
        |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains('-') && line.contains(' ');
    let typed: Vec<String> = commands.clone().filter(is_command).map(String::from).collect();
    let mut said = String::new();
    for line in typed {
        let words = line.replace("VOLUME", &volumes[0]).replace("INSTANCE", &instance);
        let mut command = Command::new(&aws);
        command.arg("ec2").args(words.split(' ')).args(["--output", "json", "--endpoint-url", &server.url]);
        command.env_clear().envs([
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap().replace("aws: [ERROR]: ", "");
        said.push_str(&format!("{line}\n{}", text.trim_start()));
    }
    assert_eq!(said.trim(), COMMANDS.trim());
}
