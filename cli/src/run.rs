//! `snapkeep run`: plan and back up from this machine. Lanes inside the process stand in the place of SQS; planner and
//! worker are the deployed ones.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use planner::plan::plan;
use planner::summary::Summary;
use serde_json::json;
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::policy::{Policy, Regions};
use tokio::sync::mpsc;
use worker::lanes::Lanes;

use crate::in_process::work;
use crate::outcome::Verdicts;
use crate::plan::{MOST_ROWS, Output, collect, default_regions, notes, plan_text, reached, volumes};
use crate::policy::PolicyOptions;
use crate::progress::Progress;
use crate::show::show;
use crate::{Error, exit};

/// Plan and back up from this machine, with no stack deployed. A policy that is a dry run is only planned.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policy: PolicyOptions,
    /// A table for people, or JSON for programs.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub summary: Option<Summary>,
    pub verdicts: Verdicts,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let policy = self.policy.read(now)?;
        let regions = default_regions(policy.regions.as_ref())?;
        let config = config::Lanes::from_env()?;
        let aws = Arc::new(Aws::from_env().await);
        if policy.dry_run {
            let (summary, jobs) = collect(&aws, &policy, &regions).await;
            reached(&summary)?;
            show(&plan_text(&summary, &jobs, MOST_ROWS));
            return Ok(exit::DONE);
        }
        eprintln!("Policy {}, slot {}", policy.name, policy.slot);
        let lanes = Lanes::new(Arc::clone(&aws), config);
        let run = back_up(&aws, &lanes, &policy, &regions, now).await;
        run.summary.as_ref().map_or(Ok(()), reached)?;
        match self.output {
            Output::Json => show(&json!({"summary": run.summary, "verdicts": run.verdicts}).to_string()),
            Output::Table => show(&run.text(&policy)),
        }
        Ok(run.exit_code())
    }
}

/// Plans and works at the same time, and stops when the person says so: what is not done by then has no verdict, and
/// the same slot again takes it up.
pub(crate) async fn back_up(aws: &Aws, lanes: &Lanes, policy: &Policy, regions: &Regions, now: DateTime<Utc>) -> Run {
    let (sender, receiver) = mpsc::channel(1000);
    let mut verdicts = Verdicts::default();
    let mut progress = Progress::new();
    let worked = work(lanes, receiver, now, |event| {
        let counts = verdicts.note(&event);
        progress.show(&event, counts, lanes.pace(&event.job().lane()).as_ref());
    });
    let summary = tokio::select! {
        (summary, ()) = async { tokio::join!(plan(aws, policy, regions, sender), worked) } => Some(summary),
        _ = tokio::signal::ctrl_c() => None,
    };
    progress.end();
    Run { summary, verdicts }
}

impl Run {
    /// What it came to, for people, and what to type next.
    pub fn text(&self, policy: &Policy) -> String {
        let mut parts = vec![self.verdicts.text()];
        parts.extend(self.summary.iter().flat_map(notes));
        let again = format!("the same command with --slot {} takes what is missing, and only that.", policy.slot);
        if self.summary.is_none() {
            parts.push(format!("Stopped, with at least {} open: {again}", volumes(self.verdicts.open())));
        } else if self.exit_code() != exit::DONE {
            parts.push(format!("When the cause is mended, {again}"));
        }
        parts.push("A snapshot is a backup when EC2 has completed it, which takes minutes to hours:".into());
        parts.push(format!(
            "  aws ec2 describe-snapshots --owner-ids self --filters Name=tag:snapkeep:slot,Values={} \
             --query 'Snapshots[].[SnapshotId,State,Progress]' --output table",
            policy.slot
        ));
        parts.join("\n")
    }

    pub fn exit_code(&self) -> u8 {
        let is_planned = self.summary.as_ref().is_some_and(|summary| summary.problems().is_empty());
        match is_planned && self.verdicts.failed.is_empty() {
            true => exit::DONE,
            false => exit::PARTLY,
        }
    }
}
