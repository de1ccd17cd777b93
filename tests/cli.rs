//! `snapkeep` as an operator types it.

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

use crate::stack::ACCOUNT;
use crate::typed::snapkeep;

const REGION: &str = "eu-central-1";

async fn serve(volumes: usize) -> (Server, Vec<String>) {
    let world = World::default();
    let volumes = Fleet::new(ACCOUNT, REGION, volumes).build(&world);
    (Server::start_local(world).await.unwrap(), volumes)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_the_whole_way_of_a_backup() {
    let said = snapkeep("http://127.0.0.1:1", "demo", "").await;
    assert_eq!(said.exit, 0, "{}", said.err);
    for words in [
        "Policy daily, slot ",
        "50 volumes to back up",
        "CustomerKeyHasBeenRevoked: The customer master key",
        "Subject: snapkeep daily: 1 volume not backed up",
        "Deleted 2 of 2 snapshots.",
        "56 snapshots: ",
        "cargo run -p cli -- plan",
    ] {
        assert!(said.out.contains(words), "{words} is missing from {}", said.out);
    }
    assert!(said.err.contains("ap-southeast-2: 10 of 10 done, throttled"), "plain lines, no terminal: {}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing_and_a_run_does_what_it_said_once() {
    let (server, volumes) = serve(6).await;
    let flags = "--tag Backup=true --retain 7d --slot 2026-11-20T02:00:00Z --output json";
    let plan = snapkeep(&server.url, &format!("plan {flags}"), "").await;
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!((plan["plan"].as_array().unwrap().len(), server.world.snapshots().len()), (6, 0));

    for (created, already_there) in [(6, 0), (0, 6)] {
        let run = snapkeep(&server.url, &format!("run {flags}"), "").await;
        let said: Value = serde_json::from_str(&run.out).unwrap();
        let region = &said["verdicts"]["regions"][0];
        assert_eq!((&region["created"], &region["already_there"]), (&json!(created), &json!(already_there)));
        assert_eq!((run.exit, server.world.snapshots().len()), (0, 6));
    }
    let planned: Vec<&str> = plan["plan"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    for snapshot in server.world.snapshots() {
        assert!(
            planned.contains(&snapshot.tags["snapkeep:job"].as_ref())
                && volumes.iter().any(|volume| **volume == *snapshot.volume)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_failed_volume_says_which_and_what_to_type() {
    let (server, volumes) = serve(3).await;
    let fault = Fault::on("CreateSnapshot", 400, "CustomerKeyHasBeenRevoked", "the key is revoked");
    server.world.faults().set(fault.for_resource(&volumes[0]));
    let policy = json!({
        "action": "snapshot", "policy": "daily", "select": {"tags": {"Backup": []}}, "retain": "7d",
        "scheduled_time": "<aws.scheduler.scheduled-time>",
    });
    let run = snapkeep(&server.url, "run --file - --slot 2026-11-20T02:00:00Z", &policy.to_string()).await;
    assert_eq!(run.exit, 3, "done in part");
    assert!(run.out.contains(&volumes[0]) && run.out.contains("CustomerKeyHasBeenRevoked: the key is revoked"));
    assert!(run.out.contains("--slot 2026-11-20T02:00:00Z takes what is missing"), "{}", run.out);
    assert_eq!(server.world.snapshots().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_has_its_exit_code() {
    let (server, _) = serve(1).await;
    let check = async |line: &str, input: &str, exit: i32, words: &str| {
        let said = snapkeep(&server.url, line, input).await;
        assert_eq!(said.exit, exit, "{line}: {}{}", said.out, said.err);
        assert!(format!("{}{}", said.out, said.err).contains(words), "{line}: {}{}", said.out, said.err);
    };
    check("plan", "", 2, "--tag Backup=true --retain 7d").await;
    check("plan --tag Backup=true --retain soon", "", 2, "`retain` is \"soon\"; allowed: `7`").await;
    check("plan --file -", "{", 2, "is not JSON").await;
    check("plan --file /no/such/file", "", 2, "could not read the policy /no/such/file").await;
    check("run --file -", r#"{"action": "prune"}"#, 2, "`action` is \"prune\"").await;
    check("backup", "", 2, "unrecognized subcommand").await;
    check("plan --tag Backup=True --retain 7d", "", 0, "the policy selects nothing").await;
    server.world.faults().set(Fault::on("DescribeVolumes", 403, "UnauthorizedOperation", "not allowed"));
    check("plan --tag Backup=true --retain 7d", "", 3, "could not list volumes in eu-central-1: UnauthorizedOperation")
        .await;
    server.world.faults().set(Fault::on("GetCallerIdentity", 403, "ExpiredToken", "the token has expired"));
    check("plan --tag Backup=true --retain 7d", "", 1, "ExpiredToken: the token has expired").await;
}
