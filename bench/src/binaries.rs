//! The shipped binaries: those of a folder, or built here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// What is deployed.
pub const FUNCTIONS: [&str; 3] = ["planner", "worker", "notifier"];

/// The folder with all of [`FUNCTIONS`]: the given one, or cargo's `ship` after a build.
pub fn folder(given: Option<PathBuf>) -> Result<PathBuf> {
    let folder = match given {
        Some(folder) => folder,
        None => build()?,
    };
    match FUNCTIONS.iter().find(|name| !folder.join(name).is_file()) {
        Some(missing) => Err(format!("--binaries is {}; there is no {missing} in it", folder.display()).into()),
        None => Ok(folder),
    }
}

/// Where cargo builds.
#[expect(clippy::disallowed_methods, reason = "cargo says it in the environment, and no configuration of ours does")]
pub fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let packages = FUNCTIONS.iter().flat_map(|name| ["-p", name]);
    let status =
        Command::new(env!("CARGO")).args(["build", "--profile", "ship"]).args(packages).current_dir(&root).status()?;
    match status.success() {
        true => Ok(target().join("ship")),
        false => Err("the shipped binaries could not be built".into()),
    }
}
