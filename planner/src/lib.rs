//! The planner: a policy in, one job for each volume out.
//!
//! [`Planner::handle`] is the Lambda. [`mod@plan`] is what it does, and what the operator's tool does without a queue;
//! [`survey`] is its pure half.

pub mod plan;
mod send;
pub mod summary;
pub mod survey;

use chrono::{DateTime, Utc};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::aws::sqs::{Message, Queue};
use shared::config;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::Policy;
use shared::vocabulary::report::{self, Report};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::plan::plan;
use crate::summary::Summary;

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
        let policy = match Policy::parse(event, now) {
            Ok(policy) => policy,
            Err(problem) => {
                let problem = format!("the policy was refused, nothing was enqueued: {problem}");
                return Err(self.failed("PolicyRefused", None, vec![problem], now).await);
            }
        };
        match policy.dry_run {
            true => Ok(self.dry_run(&policy).await),
            false => self.enqueue(&policy, now).await,
        }
    }

    async fn enqueue(&self, policy: &Policy, now: DateTime<Utc>) -> Result<Value, Diagnostic> {
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let planned = plan(&self.aws, policy, &self.config.regions, sender);
        let (mut summary, unsent) = tokio::join!(planned, send::send(&self.jobs, receiver));
        summary.add_unsent(unsent);
        log(&summary);
        match summary.problems() {
            problems if problems.is_empty() => Ok(json!(summary)),
            problems => Err(self.failed("PlanIncomplete", Some(policy), problems, now).await),
        }
    }

    /// The same plan, and nothing is sent. What does not fit into a Lambda's answer is left out visibly.
    async fn dry_run(&self, policy: &Policy) -> Value {
        let (sender, mut receiver) = mpsc::channel::<Job>(UNDER_WAY);
        let collect = async {
            let (mut jobs, mut size, mut omitted) = (Vec::new(), 0, 0);
            while let Some(job) = receiver.recv().await {
                size += job.body().len();
                match size <= LARGEST_PLAN {
                    true => jobs.push(job),
                    false => omitted += 1,
                }
            }
            (jobs, omitted)
        };
        let (summary, (jobs, omitted)) = tokio::join!(plan(&self.aws, policy, &self.config.regions, sender), collect);
        json!({"dry_run": true, "summary": summary, "plan": jobs, "omitted": omitted})
    }

    /// Tells the people, and makes the invocation fail. A report that cannot be sent is in the failure as well.
    async fn failed(
        &self,
        kind: &str,
        policy: Option<&Policy>,
        problems: Vec<String>,
        at: DateTime<Utc>,
    ) -> Diagnostic {
        let message = problems.join("\n");
        error!(error.kind = kind, "could not plan: {message}");
        let report = Report::Planning(report::Planning {
            version: report::VERSION,
            policy: policy.map(|policy| policy.name.clone()),
            slot: policy.map(|policy| policy.slot),
            problems,
            at,
        });
        let sent = self.reports.send(&Message { body: report.body(), ..Message::default() }).await;
        if let Err(unsent) = sent {
            error!("nobody was told of it: {unsent}");
        }
        Diagnostic { error_type: kind.into(), error_message: message }
    }
}

fn log(summary: &Summary) {
    for region in &summary.regions {
        info!(
            policy.name = summary.policy, policy.slot = %summary.slot, account = region.account, region = region.region,
            instances = region.instances, volumes = region.volumes, jobs = region.jobs,
            "planned {} jobs of {} in {}", region.jobs, summary.policy, region.region,
        );
        for warning in &region.warnings {
            warn!(policy.name = summary.policy, region = region.region, "{warning}");
        }
    }
}
