//! Where and when was measured: figures without it say little.

use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::Utc;
use serde_json::{Value, json};

use crate::python::PACKAGES;

/// Processor, memory, load, date, commit and versions.
#[expect(clippy::disallowed_methods, reason = "the edge: results are dated")]
pub fn describe(binaries: &Path) -> Value {
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        found.map(|(_, value)| value.trim().to_string()).unwrap_or_default()
    };
    json!({
        "date": Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        "processor": line("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal"),
        "load": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "commit": said(Command::new("git").args(["describe", "--always", "--dirty"])),
        "python": said(Command::new("python3").arg("--version")),
        "packages": PACKAGES,
        "binaries": binaries.display().to_string(),
    })
}

fn said(command: &mut Command) -> String {
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}
