//! `snapkeep`, the operator's tool: the same planner and worker, from a terminal.
//!
//! One file for each command; `in_process` is what stands in the place of SQS when no stack is deployed.

mod ask;
mod coverage;
mod demo;
mod dlq;
mod doctor;
pub mod exit;
mod explain;
mod in_process;
mod outcome;
mod plan;
mod policy;
mod progress;
mod prune;
pub mod report;
mod restore;
mod run;
mod show;
mod stop;
mod table;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// EBS snapshots done right: every volume that a policy selects gets exactly one verdict.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage or a refused policy, 3 done in part, 4 not covered or not known, or
/// `doctor` has found something.
#[derive(Debug, Parser)]
#[command(name = "snapkeep", version)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    /// Log what happens to standard error, line by line.
    #[arg(long, short, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work in half a minute: a small fleet in a simulated EC2, no AWS account needed.
    Demo(demo::Options),
    /// Show what a policy would back up, and do nothing.
    Plan(plan::Options),
    /// Plan and back up from this machine, with no stack deployed.
    Run(run::Options),
    /// Show what no rule keeps, snapshot by snapshot with the reasons, and delete it when told to.
    Prune(prune::Options),
    /// Show what is covered and what is not: one verdict for each volume that a policy selects.
    Coverage(coverage::Options),
    /// Work through the jobs queue from here, without Lambda.
    Work(work::Options),
    /// Write what is covered and what is not into one HTML file, for people who ask.
    Report(report::Options),
    /// Show one volume: which policy selects it and why, its snapshots, and what will be deleted when.
    Explain(explain::Options),
    /// Get volumes back: of a volume, an instance or a snapshot; undo it; or try it with --drill.
    Restore(restore::Options),
    /// Look for what will bite: selectors, typos in tags, schedules, permissions, quotas. Changes nothing.
    Doctor(doctor::Options),
    /// Look at dead letters: what failed for good, why, whether it is still needed; send it again, or drop it.
    Dlq(dlq::Options),
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Exit code 2.
    #[error("the policy was refused, nothing was done: {0}")]
    Policy(#[from] shared::vocabulary::problem::Problem),
    /// Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Options {
    /// Whether logs are wanted: asked for, or all that there is to see.
    pub fn verbose(&self) -> bool {
        self.verbose || matches!(self.command, Command::Work(_))
    }

    /// Does what was asked for, and says how it ended.
    pub async fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Demo(options) => options.run().await,
            Command::Plan(options) => options.run().await,
            Command::Run(options) => options.run().await,
            Command::Prune(options) => options.run().await,
            Command::Coverage(options) => options.run().await,
            Command::Report(options) => options.run().await,
            Command::Explain(options) => options.run().await,
            Command::Restore(options) => options.run().await,
            Command::Doctor(options) => options.run().await,
            Command::Dlq(options) => options.run().await,
            Command::Work(options) => options.run().await,
        };
        let (code, error) = match result {
            Ok(code) => return ExitCode::from(code),
            Err(error @ (Error::Policy(_) | Error::Usage(_))) => (exit::USAGE, error),
            Err(error @ Error::Failed(_)) => (exit::FAILED, error),
        };
        eprintln!("snapkeep: {error}");
        ExitCode::from(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }
}
