//! The peers' Python: an environment of its own in cargo's target folder, made once, with these versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, binaries};

/// What is installed. boto3 is the version that Cloud Custodian's release goes with.
pub const PACKAGES: [&str; 3] = ["boto3==1.43.103", "botocore==1.43.127", "c7n==0.9.53"];

/// The folder of the environment's programs.
pub fn bin() -> Result<PathBuf> {
    let name = format!("bench-python-{}", PACKAGES.join("-").replace("==", "-"));
    let folder = binaries::target().join(name);
    if !folder.join("complete").exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))?;
        std::fs::write(folder.join("complete"), "")?;
    }
    Ok(folder.canonicalize()?.join("bin"))
}

/// The folder of our own scripts.
pub fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn run(command: &mut Command) -> Result<()> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed").into()),
    }
}
