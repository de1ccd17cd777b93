//! `snapkeep coverage`: what is covered and what is not. The audit that is deployed, and nothing is enqueued.

mod csv;
mod text;

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use planner::audit::{Coverage, Meter, Reading, Row, Wanted, audit};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::rules::coverage::Verdict;
use shared::rules::stock::DEFAULT_QUOTA;
use shared::vocabulary::policy::{Audit, Policy, Regions};
use tokio::sync::mpsc;

use crate::plan::default_regions;
use crate::policy::of_file;
use crate::show::show;
use crate::table::plain;
use crate::{Error, exit};

/// Show what is covered and what is not: one verdict for each volume that a policy selects, from EC2 alone.
///
/// Exit code 4 when a volume is not covered, or a place could not be read to its end.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A policy as a JSON file, one that takes snapshots or one that audits; `-` reads standard input. Several times for
    /// several policies.
    #[arg(long, short, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// How old a backup may be, instead of what the policy says: 90m, 26h, 8d [default: 26h, or 150m for hourly rules].
    #[arg(long, value_name = "TIME")]
    rpo: Option<String>,
    /// Of several policies, only the one of this name.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Where to look, instead of what the policy or the environment says: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// Show the volumes with these verdicts [default: failed,never,stale in a table, all in JSON and CSV]. What is counted
    /// and the exit code stay the same.
    #[arg(long, value_name = "VERDICTS", value_delimiter = ',', value_parser = Verdict::WORDS)]
    only: Vec<String>,
    /// How many snapshots a Region may have, where the quota (L-309BACF6) was raised.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_QUOTA)]
    quota: usize,
    /// A table for people, JSON for programs, or CSV with a line for each volume.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Csv,
}

/// A policy, what was found of it, and the volumes that are shown.
pub(crate) struct Audited {
    pub coverage: Coverage,
    pub rows: Vec<Row>,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let audits = self.audits(now)?;
        let aws = Aws::from_env().await;
        let mut all = Vec::new();
        for audit in audits {
            let regions = default_regions(audit.policy.regions.as_ref())?;
            let mut audited = look(&aws, &audit, &regions, now).await;
            reached(&audited.coverage)?;
            audited.rows.retain(|row| self.shows(&row.verdict));
            all.push(audited);
        }
        show(&match self.output {
            Output::Table => text::text(&all, self.quota, now),
            Output::Json => json!({"policies": all.iter().map(|one| self.json(one)).collect::<Vec<_>>()}).to_string(),
            Output::Csv => csv::csv(&all, now),
        });
        let has_gaps = all.iter().any(|audited| audited.coverage.has_gaps());
        Ok(if has_gaps { exit::UNCOVERED } else { exit::DONE })
    }

    fn shows(&self, verdict: &Verdict) -> bool {
        match (self.only.is_empty(), self.output) {
            (true, Output::Table) => verdict.is_covered() == Some(false),
            (true, _) => true,
            (false, _) => self.only.iter().any(|word| word == verdict.word()),
        }
    }

    fn json(&self, audited: &Audited) -> Value {
        let mut coverage = json!(audited.coverage);
        for (region, found) in coverage["regions"].as_array_mut().into_iter().flatten().zip(&audited.coverage.regions) {
            let stock = found.stock;
            region["snapshots"] = json!({
                "count": stock.snapshots, "quota": self.quota, "weekly_growth": stock.weekly(),
                "days_until_full": stock.days_until(self.quota),
            });
        }
        json!({"coverage": coverage, "volumes": audited.rows})
    }

    fn audits(&self, now: DateTime<Utc>) -> Result<Vec<Audit>, Error> {
        let regions = self.regions.as_deref().map(|regions| Regions::parse("regions", regions)).transpose()?;
        let mut audits = Vec::new();
        for file in &self.file {
            let audit = self.audit(of_file(file)?, regions.clone(), now)?;
            let is_meant = self.policy.as_ref().is_none_or(|policy| *policy == audit.policy.name);
            audits.extend(is_meant.then_some(audit));
        }
        match (audits.is_empty(), &self.policy) {
            (true, Some(policy)) => Err(Error::Usage(format!("none of the files has a policy {}", plain(policy)))),
            _ => Ok(audits),
        }
    }

    fn audit(&self, event: Value, regions: Option<Regions>, now: DateTime<Utc>) -> Result<Audit, Error> {
        audit_of(event, self.rpo.as_deref(), regions, now)
    }
}

/// A policy that takes snapshots is audited as it stands.
pub(crate) fn audit_of(
    mut event: Value,
    rpo: Option<&str>,
    regions: Option<Regions>,
    now: DateTime<Utc>,
) -> Result<Audit, Error> {
    let is_of_snapshots = event.get("action").is_none_or(|action| action == "snapshot");
    if let Some(fields) = event.as_object_mut() {
        regions.iter().for_each(|_| drop(fields.remove("regions")));
        if let Some(rpo) = rpo {
            is_of_snapshots.then(|| fields.insert("action".into(), json!("audit")));
            fields.insert("rpo".into(), json!(rpo));
        }
    }
    let mut audit = match is_of_snapshots && rpo.is_none() {
        true => Audit::of(Policy::parse(&event, now)?),
        false => Audit::parse(&event, now)?,
    };
    audit.policy.regions = regions.or(audit.policy.regions);
    Ok(audit)
}

/// Audits one policy, and shows on a terminal how far it is.
pub(crate) async fn look(aws: &Aws, policy: &Audit, regions: &Regions, now: DateTime<Utc>) -> Audited {
    let (rows, mut receiver) = mpsc::channel(1000);
    let (jobs, _) = mpsc::channel(1);
    let meter = Arc::new(Meter::default());
    let wanted = Wanted { jobs, rows: Some(rows), reading: Reading::All, meter: Arc::clone(&meter) };
    let collected = async {
        let mut rows = Vec::new();
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows.sort_by(|one: &Row, other| key(one).cmp(&key(other)));
        rows
    };
    let name = plain(&policy.policy.name);
    let audited = async { tokio::join!(audit(aws, policy, regions, now, wanted), collected) };
    let (coverage, rows) = tokio::select! {
        audited = audited => audited,
        never = progress(&name, &meter) => never,
    };
    Audited { coverage, rows }
}

/// The worst first, then by place.
fn key(row: &Row) -> (Option<usize>, &str, &str, &str) {
    let rank = Verdict::WORDS.iter().position(|word| *word == row.verdict.word());
    (rank, &row.region, &row.account, &row.volume)
}

/// Shows how much has been read, and never ends.
async fn progress<T>(policy: &str, meter: &Meter) -> T {
    if !stderr().is_terminal() {
        return std::future::pending().await;
    }
    let bar = ProgressBar::new_spinner();
    loop {
        let (snapshots, volumes) = meter.read();
        bar.set_message(format!("{policy}: {snapshots} snapshots read, {volumes} volumes judged"));
        bar.tick();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Fails where no place could be looked at: without credentials there is nothing to show.
pub(crate) fn reached(coverage: &Coverage) -> Result<(), Error> {
    match coverage.regions.is_empty() {
        false => Ok(()),
        true => Err(Error::Failed(format!(
            "{}\nNo Region could be looked at. Which credentials are used: aws sts get-caller-identity; \
             choose others with AWS_PROFILE, or sign in with: aws sso login",
            plain(&coverage.errors.join("; "))
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        Line::try_parse_from(format!("x --file daily.json {line}").split_whitespace()).unwrap().options
    }

    fn check(event: Value, line: &str, expected: (&str, i64)) {
        let audit = options(line).audit(event, None, "2026-11-20T06:00:00Z".parse().unwrap()).unwrap();
        assert_eq!((audit.policy.name.as_str(), audit.rpo), (expected.0, TimeDelta::hours(expected.1)));
    }

    #[test]
    fn a_policy_that_takes_snapshots_and_one_that_audits_are_audited() {
        let policy =
            |action: &str| json!({"action": action, "policy": "daily", "select": {"tags": {}}, "retain": "7d"});
        check(policy("snapshot"), "", ("daily", 26));
        check(policy("snapshot"), "--rpo 50h", ("daily", 50));
        let mut audit = policy("audit");
        audit["rpo"] = json!("30h");
        check(audit.clone(), "", ("daily", 30));
        check(audit, "--rpo 50h", ("daily", 50));
        check(json!({"SnapshotKeyWord": "SnapshotDaily"}), "", ("SnapshotDaily", 26));
        let prune = options("").audit(json!({"action": "prune"}), None, DateTime::UNIX_EPOCH).unwrap_err();
        assert!(prune.to_string().contains("\"audit\""), "{prune}");
    }

    #[test]
    fn a_table_shows_what_is_not_covered_and_programs_get_everything() {
        let fresh = Verdict::Fresh { at: DateTime::UNIX_EPOCH };
        let shows = |line: &str| (options(line).shows(&Verdict::Never), options(line).shows(&fresh));
        assert_eq!(shows(""), (true, false));
        assert_eq!(shows("--output json"), (true, true));
        assert_eq!(shows("--only fresh,new"), (false, true));
        assert_eq!(shows("--only never --output csv"), (true, false));
    }

    #[test]
    fn a_verdict_that_is_none_is_refused() {
        assert!(Line::try_parse_from(["x", "--file", "a", "--only", "old"]).is_err());
    }
}
