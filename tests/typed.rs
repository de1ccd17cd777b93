//! `snapkeep`, typed on a command line.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::lambda::binary;
use crate::stack::environment;

/// What it said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

/// Types `line`, with EC2 at `ec2` and `input` on standard input.
pub(crate) async fn snapkeep(ec2: &str, line: &str, input: &str) -> Said {
    snapkeep_with(ec2, line, input, &[]).await
}

/// The same, with these environment variables.
pub(crate) async fn snapkeep_with(ec2: &str, line: &str, input: &str, settings: &[(&str, &str)]) -> Said {
    snapkeep_words(ec2, &line.split(' ').collect::<Vec<_>>(), input, settings).await
}

/// The same, where a word may have spaces in it.
pub(crate) async fn snapkeep_words(ec2: &str, words: &[&str], input: &str, settings: &[(&str, &str)]) -> Said {
    let mut process = Command::new(binary("snapkeep").await)
        .args(words)
        .env_clear()
        .envs(environment(ec2, ec2))
        .envs(settings.iter().copied())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = process.wait_with_output().await.unwrap();
    Said {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
