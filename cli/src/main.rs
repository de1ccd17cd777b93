//! `snapkeep`, the operator's tool.

use std::io::stderr;
use std::process::ExitCode;

use clap::Parser;
use cli::Options;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let filter = if options.verbose() { "info,planner=debug,worker=debug" } else { "off" };
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(stderr).init();
    options.run().await
}
