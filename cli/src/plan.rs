//! `snapkeep plan`: what a policy would back up. The same planner as the run, and nothing is sent.

use chrono::Utc;
use clap::{Args, ValueEnum};
use planner::plan::plan;
use planner::summary::Summary;
use serde_json::json;
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Policy, Regions};
use shared::vocabulary::tag;
use tokio::sync::mpsc;

use crate::policy::PolicyOptions;
use crate::show::show;
use crate::table::{plain, table};
use crate::{Error, exit};

/// Show what a policy would back up, and do nothing.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policy: PolicyOptions,
    /// A table for people, or JSON for programs, with every job whole.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// A table of more volumes than this is cut: nobody reads it, and JSON has them all.
pub(crate) const MOST_ROWS: usize = 60;

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let policy = self.policy.read(Utc::now())?;
        let regions = default_regions(policy.regions.as_ref())?;
        let (summary, jobs) = collect(&Aws::from_env().await, &policy, &regions).await;
        reached(&summary)?;
        match self.output {
            Output::Json => show(&json!({"dry_run": true, "summary": summary, "plan": jobs, "omitted": 0}).to_string()),
            Output::Table => show(&plan_text(&summary, &jobs, MOST_ROWS)),
        }
        Ok(if summary.problems().is_empty() { exit::DONE } else { exit::PARTLY })
    }
}

/// Fails where no Region could be looked at: without credentials there is no half of a plan to show.
pub(crate) fn reached(summary: &Summary) -> Result<(), Error> {
    match summary.regions.is_empty() {
        false => Ok(()),
        true => Err(Error::Failed(format!(
            "{}\nNo Region could be looked at. Which credentials are used: aws sts get-caller-identity; \
             choose others with AWS_PROFILE, or sign in with: aws sso login",
            plain(&summary.problems().join("; "))
        ))),
    }
}

/// The environment is asked only where the policy does not say.
pub(crate) fn default_regions(said: Option<&Regions>) -> Result<Regions, Error> {
    match said {
        Some(regions) => Ok(regions.clone()),
        None => Ok(config::regions_from_env()?),
    }
}

/// The whole plan, in the order of Region and volume.
pub(crate) async fn collect(aws: &Aws, policy: &Policy, regions: &Regions) -> (Summary, Vec<Job>) {
    let (sender, mut receiver) = mpsc::channel(1000);
    let jobs = async {
        let mut jobs = Vec::new();
        while let Some(job) = receiver.recv().await {
            jobs.push(job);
        }
        jobs
    };
    let (summary, mut jobs) = tokio::join!(plan(aws, policy, regions, sender), jobs);
    jobs.sort_by(|one: &Job, other| {
        (&one.region, &one.account, &one.volume).cmp(&(&other.region, &other.account, &other.volume))
    });
    (summary, jobs)
}

/// The plan for people, with at most so many volumes named.
pub(crate) fn plan_text(summary: &Summary, jobs: &[Job], most: usize) -> String {
    let mut parts =
        vec![format!("Policy {}, slot {}: {} to back up", plain(&summary.policy), summary.slot, volumes(summary.jobs))];
    if !jobs.is_empty() {
        let rows = jobs.iter().take(most).map(|job| {
            let name = job.tags.get(tag::NAME).map(|name| plain(name)).unwrap_or_default();
            let rule = job.retain.as_ref();
            let delete_on = rule.and_then(|rule| rule.delete_on(job.slot, job.time_zone)).map(|day| day.to_string());
            let of = |part: &Option<String>| part.clone().unwrap_or_default();
            [
                job.region.clone(),
                job.volume.clone(),
                name,
                of(&job.instance),
                of(&job.device),
                rule.map(ToString::to_string).unwrap_or_default(),
                of(&delete_on),
            ]
        });
        parts.push(table(
            ["Region", "Volume", "Name", "Instance", "Device", "Retain", "DeleteOn"],
            &[],
            rows.collect(),
        ));
    }
    if jobs.len() > most {
        parts.push(format!(" and {} more; `plan --output json` has them all\n", jobs.len() - most));
    }
    parts.push(summary_table(summary));
    parts.extend(notes(summary));
    parts.join("\n")
}

fn summary_table(summary: &Summary) -> String {
    let rows = summary.regions.iter().map(|region| {
        let skipped: Vec<String> = region.skipped.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
        [
            region.region.clone(),
            region.account.clone(),
            region.instances.unwrap_or_default().to_string(),
            region.volumes.to_string(),
            region.jobs.to_string(),
            skipped.join("\n"),
        ]
    });
    let heads = ["Region", "Account", "Instances", "Volumes", "Jobs", "Skipped"];
    table(heads, &["Instances", "Volumes", "Jobs"], rows.collect())
}

/// What went wrong and what should be looked at, a line each.
pub(crate) fn notes(summary: &Summary) -> Vec<String> {
    let warnings = summary.regions.iter().flat_map(|region| {
        region.warnings.iter().map(|warning| format!("warning: {}: {}", region.region, plain(warning)))
    });
    let errors = summary.problems().into_iter().map(|problem| format!("error: {}", plain(&problem)));
    let nothing = (summary.jobs == 0 && summary.problems().is_empty()).then(|| {
        "warning: the policy selects nothing. Tags are case-sensitive; see them with: \
         aws ec2 describe-tags --filters Name=resource-type,Values=instance"
            .into()
    });
    warnings.chain(errors).chain(nothing).collect()
}

pub(crate) fn volumes(count: usize) -> String {
    format!("{count} volume{}", if count == 1 { "" } else { "s" })
}
