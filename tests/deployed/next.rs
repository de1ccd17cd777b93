//! The next release, whose job message has another version: this source, in which one number is another.
//!
//! What is tried so is the way there and back, and that a message is read, or refused without loss, by its version alone.
//! What the next version will say is not known today.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cloud::{REPOSITORY, package};
use crate::python;

/// The folder with its packages.
pub(super) async fn packages() -> PathBuf {
    let folder = python::build_folder().parent().unwrap().join("next");
    let binaries = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || build(&folder)
    });
    package(&binaries.await.unwrap(), &folder.join("x86_64")).await
}

/// The build folder is that of this build, so that no dependency is built a second time; the programs are put elsewhere.
/// The whole workspace is chosen for the same reason: its features are those of this build.
fn build(folder: &Path) -> PathBuf {
    let (source, programs) = (folder.join("source"), folder.join("programs"));
    copy(&source);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            "planner",
            "--bin",
            "worker",
            "--bin",
            "notifier",
            "--target-dir",
        ])
        .arg(&programs)
        .current_dir(&source);
    python::run(cargo.env("CARGO_BUILD_BUILD_DIR", python::build_folder().parent().unwrap()));
    programs.join("debug")
}

/// With the times of the files, so that what has not changed is not built anew.
fn copy(source: &Path) {
    let _ = std::fs::remove_dir_all(source);
    std::fs::create_dir_all(source).unwrap();
    let entries = std::fs::read_dir(REPOSITORY).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let parts = entries.filter(|name| name != "target" && !name.starts_with('.'));
    python::run(Command::new("cp").arg("-a").args(parts).arg(source).current_dir(REPOSITORY));
    change(&source.join("shared/src/vocabulary/job.rs"), "pub const VERSION: u64 = 1;", "pub const VERSION: u64 = 2;");
    // Another version of the packages, too: cargo would take the two for the same, and one's programs for the other's.
    let version = |version: &str| format!("version = \"{version}\"");
    change(&source.join("Cargo.toml"), &version(env!("CARGO_PKG_VERSION")), &version("999.0.0"));
}

fn change(file: &Path, from: &str, to: &str) {
    let (text, time) = (std::fs::read_to_string(file).unwrap(), std::fs::metadata(file).unwrap().modified().unwrap());
    assert!(text.contains(from), "{}: {from}", file.display());
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
}
