//! A drill is written down: as metrics, and as a report that the notifier tells.

use std::collections::BTreeMap;

use serde_json::json;
use shared::aws::sqs::Message;
use shared::stdout::emit;
use shared::vocabulary::metric::Metric;
use shared::vocabulary::report::{self, DrillFailure, Report};
use shared::vocabulary::tag;

use super::text::Plan;
use super::trial::{Trial, Verdict};
use super::{Drawn, Drill};
use crate::table::plain;

impl Drill<'_> {
    /// Metrics, and one report for each policy. What could not be told is said here.
    pub(super) async fn record(&self, plan: &Plan, trials: &[Trial]) {
        let succeeded = trials.iter().filter(|trial| trial.is_good()).count();
        let failed = trials.iter().filter(|trial| matches!(trial.verdict, Verdict::Failed(_))).count();
        let metrics = [Metric::count("DrillSucceeded", succeeded), Metric::count("DrillFailed", failed)];
        emit(self.config.metrics.as_ref(), self.now, &metrics, &[("drill", json!(self.id))]);
        let Some(url) = &self.config.reports_queue_url else { return };
        let queue = self.aws.queue(url);
        for report in self.reports(plan, trials) {
            let message = Message { body: Report::Drill(report).body(), ..Message::default() };
            if let Err(error) = queue.send(&message).await {
                eprintln!("snapkeep: nobody is told of this drill: {}", plain(&error.to_string()));
            }
        }
    }

    fn reports(&self, plan: &Plan, trials: &[Trial]) -> Vec<report::Drill> {
        let mut policies = BTreeMap::<&str, Vec<(&Drawn, &Trial)>>::new();
        for (drawn, trial) in plan.drawn.iter().zip(trials).filter(|(_, trial)| trial.verdict != Verdict::NotTried) {
            let policy = drawn.snapshot.tags.get(tag::POLICY).map(String::as_str).unwrap_or_default();
            policies.entry(policy).or_default().push((drawn, trial));
        }
        let reports = policies.into_iter().map(|(policy, trials)| report::Drill {
            version: report::VERSION,
            policy: policy.into(),
            drill: self.id.as_str().into(),
            seed: self.seed.clone(),
            succeeded: trials.iter().filter(|(_, trial)| trial.is_good()).count(),
            failed: trials.iter().filter_map(|(drawn, trial)| failure(drawn, trial)).collect(),
            at: self.now,
        });
        reports.collect()
    }
}

fn failure(drawn: &Drawn, trial: &Trial) -> Option<DrillFailure> {
    let Verdict::Failed(reason) = &trial.verdict else { return None };
    Some(DrillFailure {
        account: drawn.place.account.clone(),
        region: drawn.place.region.clone(),
        snapshot: drawn.snapshot.id.clone(),
        volume: drawn.snapshot.volume.clone(),
        reason: reason.clone(),
    })
}
