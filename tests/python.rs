//! A virtual environment under `target/`, made once: MiniStack, moto, the boto3 that goes with the botocore they want,
//! and the AWS CLI, which brings its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::sync::OnceCell;

const PACKAGES: [&str; 4] = ["ministack==1.5.33", "boto3==1.43.106", "moto[server]==5.2.5", "awscli==1.46.3"];

/// The folder of the environment's programs.
pub(crate) async fn bin() -> &'static Path {
    static MADE: OnceCell<PathBuf> = OnceCell::const_new();
    MADE.get_or_init(|| async { tokio::task::spawn_blocking(make).await.unwrap() }).await
}

/// The folder that the tests were built into: `target/debug`.
pub(crate) fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().into()
}

/// Made beside its final place and moved there whole, so that one that broke off is not taken for one that is there.
fn make() -> PathBuf {
    let name = format!("python-{}", PACKAGES.join("-").replace("==", "-").replace("[server]", ""));
    let folder = build_folder().parent().unwrap().join(name);
    if !folder.join("complete").exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES));
        std::fs::write(folder.join("complete"), "").unwrap();
    }
    folder.join("bin")
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{stdout}\n{stderr}");
    stdout.into_owned()
}
