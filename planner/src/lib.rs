//! The planner: a policy in, one job for each volume out; or for each volume of which some snapshot expires; or what is
//! covered and what is not.
//!
//! [`Planner::handle`] is the Lambda. [`mod@plan`] is what it does, and what the operator's tool does without a queue;
//! [`survey`] is its pure half.

pub mod audit;
pub mod place;
pub mod plan;
pub mod prune;
mod send;
pub mod summary;
pub mod survey;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::aws::sqs::{Message, Queue};
use shared::config;
use shared::stdout::emit;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Audit, Input};
use shared::vocabulary::report::{self, Report};
use shared::vocabulary::slot::Slot;
use tokio::sync::mpsc::{self, Receiver};
use tracing::{error, info, warn};

use crate::audit::{Reading, Wanted, audit};
use crate::plan::plan;
use crate::prune::{prune, rows};
use crate::summary::{PruneSummary, RegionSummary, Summary};

/// The planner Lambda.
#[derive(Debug)]
pub struct Planner {
    aws: Aws,
    config: config::Planner,
    jobs: Queue,
    reports: Queue,
}

/// Lambda answers with at most 6 MB: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST_PLAN: usize = 5_000_000;
/// Findings of a Region that are told. The rest is counted.
const MOST_TOLD: usize = 50;
/// Jobs on their way from the Regions to the queue: enough to fill batches, few enough to forget.
const UNDER_WAY: usize = 200;

impl Planner {
    /// Reads the environment and makes the clients: once for each cold start.
    pub async fn from_env() -> Result<Self, lambda_runtime::Error> {
        let config = config::Planner::from_env()?;
        let aws = Aws::from_env().await;
        let (jobs, reports) = (aws.queue(&config.jobs_queue_url), aws.queue(&config.reports_queue_url));
        Ok(Self { aws, config, jobs, reports })
    }

    /// Plans the policy that `event` is, and answers with a summary for each account and Region.
    ///
    /// Fails where the policy is refused, and then nothing was enqueued; and where a Region, or a job of it, could
    /// not be planned. Lambda tries an asynchronous invocation again, which is harmless: the slot is the same, so
    /// the jobs are.
    pub async fn handle(&self, event: &Value, now: DateTime<Utc>) -> Result<Value, Diagnostic> {
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let (aws, regions) = (&self.aws, &self.config.regions);
        let summary = match Input::parse(event, now) {
            Ok(Input::Snapshot(policy)) if policy.dry_run => {
                return Ok(dry_run(plan(aws, &policy, regions, sender), receiver).await);
            }
            Ok(Input::Prune(policy)) if policy.dry_run => {
                let (seen, judged) = mpsc::channel(UNDER_WAY);
                drop(receiver);
                return Ok(dry_run(prune(aws, &policy, regions, now, sender, Some(seen)), rows(judged)).await);
            }
            Ok(Input::Snapshot(policy)) => self.enqueue(plan(aws, &policy, regions, sender), receiver).await,
            Ok(Input::Prune(policy)) => {
                let planned = prune(aws, &policy, regions, now, sender, None);
                let mut summary = self.enqueue(planned, receiver).await;
                summary.errors.extend(self.tell_findings(&summary, now).await);
                summary
            }
            Ok(Input::Audit(policy)) => return self.audit(&policy, now).await,
            Err(problem) => {
                let problem = format!("the policy was refused, nothing was enqueued: {problem}");
                return Err(self.failed("PolicyRefused", None, vec![problem], now).await);
            }
        };
        emit(self.config.metrics.as_ref(), now, &summary.metrics(), &[("slot", json!(summary.slot))]);
        match summary.problems() {
            problems if problems.is_empty() => Ok(json!(summary)),
            problems => Err(self.failed("PlanIncomplete", Some(&summary), problems, now).await),
        }
    }

    /// Audits a policy: tells people what is not covered, and enqueues again what the last run has missed.
    ///
    /// Fails only where nobody could be told. What is unknown or could not be enqueued is in the report, and the next
    /// audit looks again; failing for it, the invocation would be tried again, and people would be told three times.
    async fn audit(&self, policy: &Audit, now: DateTime<Utc>) -> Result<Value, Diagnostic> {
        let (jobs, receiver) = mpsc::channel(UNDER_WAY);
        let (aws, regions) = (&self.aws, &self.config.regions);
        if policy.policy.dry_run {
            let (rows, judged) = mpsc::channel(UNDER_WAY);
            let wanted = Wanted { jobs, rows: Some(rows), reading: Reading::Managed, meter: Arc::default() };
            drop(receiver);
            return Ok(dry_run(audit(aws, policy, regions, now, wanted), judged).await);
        }
        let wanted = Wanted { jobs, rows: None, reading: Reading::Managed, meter: Arc::default() };
        let (mut coverage, unsent) =
            tokio::join!(audit(aws, policy, regions, now, wanted), send::send(&self.jobs, receiver));
        coverage.add_unsent(unsent);
        emit(self.config.metrics.as_ref(), now, &coverage.metrics(now), &[("slot", json!(coverage.slot))]);
        let (covered, uncovered) = coverage.covered();
        info!(
            policy.name = coverage.policy, policy.slot = %coverage.slot, covered, uncovered,
            unknown = coverage.unknown_places(), jobs = coverage.jobs,
            "audited {}: {covered} volumes are covered, {uncovered} are not", coverage.policy,
        );
        let Some(report) = coverage.report(policy.tells_unselected, now) else { return Ok(json!(coverage)) };
        match self.tell(&Report::Coverage(report)).await {
            Ok(()) => Ok(json!(coverage)),
            Err(error) => {
                let message =
                    format!("nobody was told of {uncovered} uncovered volumes of {}: {error}", coverage.policy);
                error!("{message}");
                Err(Diagnostic { error_type: "AuditUntold".into(), error_message: message })
            }
        }
    }

    async fn enqueue(&self, planned: impl Future<Output = Summary>, jobs: Receiver<Job>) -> Summary {
        let (mut summary, unsent) = tokio::join!(planned, send::send(&self.jobs, jobs));
        summary.add_unsent(unsent);
        log(&summary);
        summary
    }

    /// A report for each Region where a person must look before anything more is deleted. What nobody could be told
    /// fails the invocation, so that it is tried again.
    async fn tell_findings(&self, summary: &Summary, at: DateTime<Utc>) -> Vec<String> {
        let mut untold = Vec::new();
        for region in &summary.regions {
            let Some(report) = findings(region, summary.slot, at) else { continue };
            let told = self.tell(&Report::Retention(report)).await;
            untold.extend(told.err().map(|error| format!("nobody was told of {}: {error}", region.region)));
        }
        untold
    }

    async fn tell(&self, report: &Report) -> Result<(), ApiError> {
        self.reports.send(&Message { body: report.body(), ..Message::default() }).await
    }

    /// Tells the people, and makes the invocation fail. A report that cannot be sent is in the failure as well.
    async fn failed(
        &self,
        kind: &str,
        summary: Option<&Summary>,
        problems: Vec<String>,
        at: DateTime<Utc>,
    ) -> Diagnostic {
        let message = problems.join("\n");
        error!(error.kind = kind, "could not plan: {message}");
        let report = Report::Planning(report::Planning {
            version: report::VERSION,
            policy: summary.map(|summary| summary.policy.clone()),
            slot: summary.map(|summary| summary.slot),
            problems,
            at,
        });
        if let Err(unsent) = self.tell(&report).await {
            error!("nobody was told of it: {unsent}");
        }
        Diagnostic { error_type: kind.into(), error_message: message }
    }
}

/// The same plan, and nothing is sent. What does not fit into a Lambda's answer is left out visibly.
async fn dry_run<S: Serialize, T: Serialize>(planned: impl Future<Output = S>, mut rows: Receiver<T>) -> Value {
    let collect = async {
        let (mut plan, mut size, mut omitted) = (Vec::new(), 0, 0);
        while let Some(row) = rows.recv().await {
            let row = json!(row);
            size += row.to_string().len();
            match size <= LARGEST_PLAN {
                true => plan.push(row),
                false => omitted += 1,
            }
        }
        (plan, omitted)
    };
    let (summary, (plan, omitted)) = tokio::join!(planned, collect);
    json!({"dry_run": true, "summary": summary, "plan": plan, "omitted": omitted})
}

/// What a person must look at in a Region; `None` if there is nothing.
fn findings(region: &RegionSummary, slot: Slot, at: DateTime<Utc>) -> Option<report::Retention> {
    let prune = region.prune.as_ref()?;
    let capped = prune.capped.as_ref().map(|capped| {
        let (expiring, there, most) = (prune.expiring, prune.snapshots, capped.most);
        format!("{expiring} of {there} snapshots would have been deleted, and the cap allows {most}: none was")
    });
    (capped.is_some() || !region.warnings.is_empty()).then(|| report::Retention {
        version: report::VERSION,
        account: region.account.clone(),
        region: region.region.clone(),
        slot,
        capped,
        would_delete: prune.capped.iter().flat_map(|capped| capped.would_delete.iter().take(10).cloned()).collect(),
        findings: region.warnings.iter().take(MOST_TOLD).cloned().collect(),
        count: prune.findings.max(region.warnings.len()),
        at,
    })
}

fn log(summary: &Summary) {
    for region in &summary.regions {
        info!(
            policy.name = summary.policy, policy.slot = %summary.slot, account = region.account, region = region.region,
            volumes = region.volumes, jobs = region.jobs,
            "planned {} jobs of {} in {}", region.jobs, summary.policy, region.region,
        );
        if let Some(PruneSummary { snapshots, expiring, capped: Some(capped), .. }) = &region.prune {
            warn!(
                account = region.account,
                region = region.region,
                snapshots,
                expiring,
                most = capped.most,
                "nothing is deleted in {}: {expiring} of {snapshots} snapshots would be, the cap allows {}",
                region.region,
                capped.most,
            );
        }
        for warning in &region.warnings {
            warn!(policy.name = summary.policy, region = region.region, "{warning}");
        }
    }
}
