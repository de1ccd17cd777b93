//! The same calls through boto3 and through our adapters, against moto, which nobody here wrote, and against the
//! simulator. Where they differ, AWS's documentation says who is right. The outcome is `simulator/CROSSCHECK.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use futures::TryStreamExt;
use shared::aws::Aws;
use shared::vocabulary::selection::TagMatch;
use simulator::server::Server;
use simulator::world::World;

use crate::emulator::Emulator;
use crate::python;
use crate::stack::ACCOUNT;

const REGION: &str = "eu-central-1";

/// What moto says, what the simulator says, and where it stands who is right.
type Difference = (&'static str, &'static str, &'static str, &'static str);

include!("differences.rs");

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_and_moto_agree_but_where_the_documentation_says_who_is_right() {
    let world = World::default();
    let [soon, sooner] = [2000, 500].map(chrono::TimeDelta::milliseconds);
    world.set(|settings| (settings.completes_after, settings.changes_after) = (soon, sooner));
    let simulator = Server::start_local(world).await.unwrap();
    let moto = Emulator::start_moto().await;
    let (ours, theirs) = tokio::join!(ask(&simulator.url), ask(&moto.url));
    assert_eq!(names(&ours), names(&theirs), "the same questions");
    let text = tables(&ours, &theirs);

    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/CROSSCHECK.md");
    let is_same = std::fs::read_to_string(&kept).is_ok_and(|kept| kept == text);
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("CROSSCHECK.md");
    std::fs::write(&new, text).unwrap();
    assert!(is_same, "look at it, and if it is right: cp {} {}", new.display(), kept.display());
}

/// The answers in the order of the questions.
async fn ask(url: &str) -> Vec<(String, String)> {
    let (python, address) = (python::bin().await.join("python"), url.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/crosscheck/probes.py");
    let run = move || python::run(Command::new(python).args([script, &address]));
    let said = tokio::task::spawn_blocking(run).await.unwrap();
    let lines = said.lines().map(|line| line.split_once('\t').unwrap_or((line, "")));
    let boto3 = lines.map(|(name, said)| (format!("boto3: {name}"), said.to_string()));
    boto3.chain(ask_through_our_adapters(url).await).collect()
}

/// In the fleet that the script has left behind.
async fn ask_through_our_adapters(url: &str) -> Vec<(String, String)> {
    let aws = Aws::at_endpoint(url, ACCOUNT).await;
    let ec2 = aws.ec2(None, REGION).await.unwrap();
    let with =
        |key: &str, values: &[&str]| TagMatch([(key.into(), values.iter().map(|v| (*v).into()).collect())].into());
    let mut said = Vec::new();
    let mut say = |name: &str, words: String| said.push((format!("adapter: {name}"), words));

    let regions = ec2.enabled_regions().await.unwrap();
    say("our Region is enabled", regions.contains(&REGION.into()).to_string());
    let instances: Vec<_> = ec2.instances(&with("Backup", &["true"])).try_collect::<Vec<_>>().await.unwrap().concat();
    let devices: usize = instances.iter().map(|instance| instance.volumes.len()).sum();
    let is_root = |instance: &shared::vocabulary::inventory::Instance| {
        let root = instance.root_device.as_ref();
        instance.volumes.iter().filter(|volume| Some(&volume.device) == root).count() == 1
    };
    let roots = instances.iter().filter(|instance| is_root(instance)).count();
    say(
        "living instances with a tag, their volumes and boot volumes",
        format!("{} {devices} {roots}", instances.len()),
    );
    let everything = TagMatch(BTreeMap::new());
    let volumes: Vec<_> = ec2.volumes(&everything, Some("in-use")).try_collect::<Vec<_>>().await.unwrap().concat();
    let attached = volumes.iter().filter(|volume| volume.attachments.len() == 1).count();
    say("volumes in use, and those attached once", format!("{} {attached}", volumes.len()));
    let literal: Vec<_> = ec2.volumes(&with("role", &["a*b"]), None).try_collect::<Vec<_>>().await.unwrap().concat();
    say("volumes with a tag that has an asterisk in it", literal.len().to_string());
    let tags = || vec![("snapkeep:job".to_string(), "job-1".to_string()), ("a<b>&\"c\"".into(), "é".into())];
    let volume = &volumes.last().unwrap().id;
    let made = ec2.create_snapshot(volume, "through the adapter", tags()).await.unwrap();
    let found = ec2.snapshots_of_jobs(&["job-1".into(), "job-2".into()].into()).await.unwrap();
    let is_it = found.len() == 1 && found[0].id == made && found[0].tags == tags().into_iter().collect();
    say("a snapshot is created, and found by its job with its tags", is_it.to_string());
    for (name, volume) in [("a volume that is not there", "vol-0123456789abcdef0"), ("a malformed volume id", "vol-x")]
    {
        let error = ec2.create_snapshot(volume, "", tags()).await.unwrap_err();
        say(
            name,
            format!("{} {}, with a request id: {}", error.code, error.status.unwrap_or(0), error.request_id.is_some()),
        );
    }
    said
}

fn names(answers: &[(String, String)]) -> Vec<&str> {
    answers.iter().map(|(name, _)| name.as_str()).collect()
}

fn tables(ours: &[(String, String)], theirs: &[(String, String)]) -> String {
    let (mut agreed, mut differing) = (String::new(), String::new());
    let (mut explained, mut unexplained) = (0, Vec::new());
    for ((name, our), (_, their)) in ours.iter().zip(theirs) {
        let known = DIFFERENCES.iter().find(|(known, ..)| known == name);
        match known {
            None if our == their => writeln!(agreed, "| {name} | {our} |").unwrap(),
            Some((_, moto, simulator, right)) if (their.as_str(), our.as_str()) == (*moto, *simulator) => {
                explained += 1;
                writeln!(differing, "| {name} | {moto} | {simulator} | {right} |").unwrap();
            }
            _ => unexplained.push(format!("{name}: moto says {their}, the simulator {our}")),
        }
    }
    assert!(unexplained.is_empty(), "nobody has said who is right:\n{}", unexplained.join("\n"));
    assert_eq!(explained, DIFFERENCES.len(), "every difference is one");
    format!(
        "# The simulator and moto, asked the same\n\n\
         Made by `cargo test --workspace --test e2e crosscheck`, which fails if one of the two says something else: the same calls\n\
         through boto3 ([the questions](../tests/crosscheck/probes.py)) and through our own adapters, against moto 5.2.5\n\
         and against the simulator. Where they differ, the last column says who is right, and where that stands.\n\n\
         ## Where they differ\n\n| question | moto | simulator | who is right |\n|---|---|---|---|\n{differing}\n\
         ## Where they agree\n\n| question | answer |\n|---|---|\n{agreed}"
    )
}
