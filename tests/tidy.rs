//! Who may know whom: the invariants of ARCHITECTURE.md, as far as a text search can hold them.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// The Rust files below `folder`, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn check_absent(folder: &str, words: &[&str], except: &str) {
    for (path, text) in sources(folder) {
        let is_excepted = !except.is_empty() && path.starts_with(root().join(except));
        for word in words.iter().filter(|_| !is_excepted) {
            assert!(!text.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn only_the_adapters_know_the_sdk() {
    for folder in ["shared/src", "planner/src", "worker/src", "notifier/src", "cli/src", "simulator/src", "bench/src"] {
        check_absent(folder, &["aws_sdk_", "aws_config", "aws_smithy"], "shared/src/aws");
    }
}

#[test]
fn rules_and_vocabulary_do_no_io_and_know_no_adapter() {
    let io = ["crate::aws", "crate::config", "async fn", ".await", "std::fs", "std::net", "tokio", "::now()"];
    check_absent("shared/src/vocabulary", &[&io[..], &["crate::rules"]].concat(), "");
    // The one `now()` is in a test that needs any instant at all.
    check_absent("shared/src/rules", &io[..io.len() - 1], "");
    check_absent("shared/src/aws", &["crate::rules", "crate::config"], "");
}

#[test]
fn the_lambdas_do_not_know_each_other_and_nothing_deployed_knows_the_simulator() {
    let lambdas = ["planner", "worker", "notifier"];
    for lambda in lambdas {
        let others: Vec<String> =
            lambdas.iter().filter(|other| **other != lambda).map(|other| format!("{other}::")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        check_absent(&format!("{lambda}/src"), &[&others[..], &["simulator::", "cli::"]].concat(), "");
    }
    check_absent("shared/src", &["planner::", "worker::", "notifier::", "simulator::", "cli::"], "");
    check_absent("cli/src", &["simulator::"], "cli/src/demo.rs");
}

/// Whoever deletes has asked the rules a moment ago, and whoever tags a snapshot that is there is a person.
#[test]
fn only_the_worker_deletes_and_only_a_person_adopts() {
    let allowed = [("delete_snapshot(", "worker/src/lanes/prune.rs"), ("add_tags(", "cli/src/prune.rs")];
    for (call, place) in allowed {
        let folders = ["planner/src", "worker/src", "notifier/src", "cli/src"];
        folders.into_iter().for_each(|folder| check_absent(folder, &[call], place));
        assert!(std::fs::read_to_string(root().join(place)).unwrap().contains(call), "{place} does not call {call}");
    }
}

/// A volume that is made, attached or deleted is a restore's, and what is deleted has been looked at a moment ago.
#[test]
fn only_a_restore_touches_volumes_and_only_its_own_are_deleted() {
    let folders = ["planner/src", "worker/src", "notifier/src", "cli/src"];
    for (call, place) in [
        ("create_volume(", "cli/src/restore"),
        ("attach_volume(", "cli/src/restore"),
        ("delete_volume(", "cli/src/restore/remove.rs"),
    ] {
        folders.into_iter().for_each(|folder| check_absent(folder, &[call], place));
    }
    for folder in folders {
        check_absent(folder, &["detach_volume("], "");
    }
    let remove = std::fs::read_to_string(root().join("cli/src/restore/remove.rs")).unwrap();
    let (looked, deleted) = (remove.find("held(&found").unwrap(), remove.find("delete_volume(").unwrap());
    assert!(looked < deleted, "the tag and the state are looked at before the call");
}
