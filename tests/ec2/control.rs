//! The simulator itself, spoken to over HTTP and started as a program.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::faults::{Cut, Effect, Fault};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::*;

const SCENARIO: &str = r#"
clock = { hold = "2026-11-20T02:00:00Z" }
[settings]
completes_after = 30
[[fleet]]
account = "123456789012"
regions = ["eu-central-1", "us-east-1"]
volumes = 3
tags = { Backup = "true" }
"#;

/// What `method` on `path` answers: an HTTP status and JSON.
async fn http(url: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let request = format!(
        "{method} /_simulator/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn everything_is_set_moved_read_and_reset_over_http() {
    let (server, ec2) = serve(World::default()).await;
    let ask = async |method: &str, path: &str, body: &str| http(&server.url, method, path, body).await;
    let done = (200, json!({"done": true}));
    assert_eq!(ask("POST", "scenario", SCENARIO).await, done);
    let found = ec2.describe_volumes().send().await.unwrap().volumes.unwrap();
    let ids: Vec<String> = found.into_iter().filter_map(|volume| volume.volume_id).collect();
    assert_eq!(ids.len(), 3);

    let fault =
        json!({"action": CREATE, "resource": ids[0], "times": 1, "error": {"status": 500, "code": "InternalError"}});
    assert_eq!(ask("POST", "faults", &fault.to_string()).await, done);
    assert_eq!(ask("GET", "faults", "").await.1[0]["error"]["code"], "InternalError");
    let create = async |id: &str| outcome(ec2.create_snapshot().volume_id(id).send().await);
    assert_eq!((create(&ids[0]).await, create(&ids[0]).await), ("InternalError".into(), "ok".into()));
    assert_eq!(ask("DELETE", "faults", "").await, done);
    assert_eq!(ask("GET", "faults", "").await.1, json!([]));

    let moved = ask("POST", "clock", r#"{"advance_seconds": 31.5}"#).await;
    assert_eq!(moved, (200, json!({"now": "2026-11-20T02:00:31.500Z"})));
    assert_eq!(own_snapshots(&ec2).await[0].state.as_ref().unwrap().as_str(), "completed");

    let settings = r#"{"quotas": {"seconds_between_snapshots": 3600}, "lag": 2.5}"#;
    assert_eq!(ask("POST", "settings", settings).await, done);
    let settings = ask("GET", "settings", "").await.1;
    assert_eq!((&settings["lag"], &settings["quotas"]["concurrent_snapshots"]), (&json!(2.5), &json!(5)));
    assert_eq!(create(&ids[0]).await, "SnapshotCreationPerVolumeRateExceeded");

    let counters = ask("GET", "counters", "").await.1;
    assert_eq!(counters[CREATE], json!({"calls": 3, "throttled": 0, "faulted": 1}));
    let by_second = ask("GET", "counters?by=second", "").await.1;
    let creates = by_second.as_array().unwrap().iter().filter(|line| line["action"] == CREATE);
    let creates: Vec<_> =
        creates.map(|line| (line["second"].as_str().unwrap(), line["calls"].as_u64().unwrap())).collect();
    assert_eq!(creates, [("2026-11-20T02:00:00Z", 2), ("2026-11-20T02:00:31Z", 1)]);
    let by_region = ask("GET", "counters?by=region", "").await.1;
    assert!(by_region.as_array().unwrap().iter().all(|line| line["region"] == REGION && line["account"] == ACCOUNT));

    assert_eq!(ask("POST", "reset", "").await, done);
    assert_eq!(ask("GET", "history", "").await.1, json!([]));
    assert_eq!(outcome(ec2.describe_volumes().volume_ids(&ids[0]).send().await), "InvalidVolume.NotFound");
}

const CREATE: &str = "CreateSnapshot";

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_its_field() {
    let (server, _) = serve(World::default()).await;
    for (method, path, body, expected) in [
        ("POST", "faults", r#"{"action": "X", "cut": "sometimes"}"#, "unknown variant `sometimes`"),
        ("POST", "settings", r#"{"lagg": 1}"#, "unknown field `lagg`"),
        ("POST", "clock", r#"{"advance": 1}"#, "unknown variant `advance`"),
        ("POST", "scenario", "[[fleet]]\nregions = []", "missing field `account`"),
        ("GET", "counters?by=day", "", "by is day; allowed: region and second"),
        ("GET", "history?from=x", "", "allowed: the number of a call"),
        ("PUT", "clock", "", "PUT clock"),
    ] {
        let (status, said) = http(&server.url, method, path, body).await;
        assert!(status >= 400 && said["error"].as_str().unwrap().contains(expected), "{path}: {status} {said}");
    }
}

/// Later checks of permissions need it: every call with its caller, its role, and what it names.
#[tokio::test]
async fn the_history_says_who_called_what_and_what_came_of_it() {
    let world = held();
    let ids = volumes(&world, 2);
    world.faults().set(Fault::new(CREATE, Effect::Cut(Cut::After)).for_resource(&ids[1]));
    let (server, ec2) = serve(world).await;
    snapshot(&ec2, &ids[0]).await;
    let role = aws_config::sts::AssumeRoleProvider::builder(format!("arn:aws:iam::{STRANGER}:role/path/worker"))
        .session_name("run-7")
        .configure(&config_of(&server.url, ACCOUNT).await)
        .build()
        .await;
    let config = config_of(&server.url, ACCOUNT).await.into_builder();
    let role = aws_credential_types::provider::SharedCredentialsProvider::new(role);
    let assumed = Client::new(&config.credentials_provider(role).build());
    let refused = assumed.delete_snapshot().snapshot_id("snap-0123456789abcdef0").send().await;
    let request_id = aws_sdk_ec2::operation::RequestId::request_id(&refused.unwrap_err()).unwrap().to_string();
    assert_eq!(outcome(ec2.create_snapshot().volume_id(&ids[1]).send().await), "no answer");

    let calls = http(&server.url, "GET", "history", "").await.1;
    let told: Vec<String> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            let word = |field: &str| call[field].as_str().unwrap_or("-").to_string();
            format!(
                "{} {} {} {} {} {}",
                word("account"),
                word("action"),
                word("caller"),
                word("role"),
                call["resources"],
                word("outcome")
            )
        })
        .collect();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    let session = format!("arn:aws:sts::{STRANGER}:assumed-role/worker/run-7 arn:aws:iam::{STRANGER}:role/path/worker");
    assert_eq!(
        told,
        [
            format!("{ACCOUNT} CreateSnapshot {root} - [\"{}\"] ok", ids[0]),
            format!("{ACCOUNT} AssumeRole {root} - [] ok"),
            format!("{STRANGER} DeleteSnapshot {session} [\"snap-0123456789abcdef0\"] InvalidSnapshot.NotFound"),
            format!("{ACCOUNT} CreateSnapshot {root} - [\"{}\"] ok", ids[1]),
        ]
    );
    assert_eq!(calls[2]["request_id"], json!(request_id));
    assert_eq!((&calls[3]["faulted"], &calls[0]["faulted"]), (&json!(true), &json!(false)));
    let rest = http(&server.url, "GET", "history?from=3", "").await.1;
    assert_eq!(rest.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_program_serves_a_scenario_from_a_file_and_says_what_is_wrong_with_it() {
    let program = crate::lambda::binary("simulator").await;
    let help = Command::new(&program).arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for words in ["--scenario", "--listen", "AWS_ENDPOINT_URL_EC2", "simulator/README.md"] {
        assert!(help.contains(words), "{words} is missing from {help}");
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (good, bad) = (folder.join("good.toml"), folder.join("bad.toml"));
    std::fs::write(&good, SCENARIO).unwrap();
    std::fs::write(&bad, SCENARIO.replace("volumes = 3", "volumes = \"three\"")).unwrap();
    for (path, listen, expected) in [
        (&bad, "127.0.0.1:0", "invalid type: string \"three\", expected usize"),
        (&folder.join("none.toml"), "127.0.0.1:0", "No such file"),
        (&good, "0.0.0.0:0", "--listen is 0.0.0.0:0; allowed: a loopback address"),
    ] {
        let said =
            Command::new(&program).arg("--scenario").arg(path).args(["--listen", listen]).output().await.unwrap();
        let error = String::from_utf8(said.stderr).unwrap();
        assert!(said.status.code() == Some(2) && error.contains(expected), "{error}");
    }
    let mut running = Command::new(&program)
        .arg("--scenario")
        .arg(&good)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap();
    let ec2 = Client::new(&config_of(url, ACCOUNT).await);
    assert_eq!(ec2.describe_volumes().send().await.unwrap().volumes.unwrap().len(), 3);
}
