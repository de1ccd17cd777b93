//! A plan to prune, and what was done of it, for people and for programs.

use chrono::{DateTime, Utc};
use planner::prune::{Adoptable, Judged};
use serde_json::{Value, json};
use shared::rules::retention::Verdict;
use shared::vocabulary::report::DeadLetter;

use super::deletion::Deletion;
use super::{Done, Plan};
use crate::plan::{MOST_ROWS, Output};
use crate::table::{plain, table};

impl Plan {
    /// The plan, as it was asked for.
    pub fn show(&self, output: Output) -> String {
        match output {
            Output::Json => self.json().to_string(),
            Output::Table => self.text(MOST_ROWS),
        }
    }

    fn json(&self) -> Value {
        let volumes = self.volumes.iter().map(|judged| {
            let Judged { place, volume, presence, verdicts, findings } = judged;
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            json!({
                "account": place.account, "region": place.region, "volume": volume, "presence": presence,
                "findings": findings, "snapshots": verdicts.iter().map(row).collect::<Vec<_>>(),
            })
        });
        json!({
            "dry_run": true, "plan": self.changes.hash(), "at": self.at, "summary": self.summary,
            "changes": self.changes, "adopt": self.adoptable.iter().map(Adoptable::row).collect::<Vec<_>>(), "volumes": volumes.collect::<Vec<_>>(),
        })
    }

    /// The plan for people, with at most so many snapshots named.
    pub fn text(&self, most: usize) -> String {
        let mut parts = vec![format!("What no rule keeps, on {}", self.at.format("%Y-%m-%d %H:%M UTC"))];
        let expires = |judged: &&Judged| judged.verdicts.iter().any(Verdict::expires);
        let (first, rest): (Vec<&Judged>, Vec<&Judged>) = self.volumes.iter().partition(expires);
        let rows: Vec<_> = first.into_iter().chain(rest).flat_map(rows).collect();
        let more = rows.len().saturating_sub(most);
        if !rows.is_empty() {
            let heads = ["Region", "Volume", "Policy", "Snapshot", "Started (UTC)", "Verdict", "Why"];
            parts.push(table(heads, &[], rows.into_iter().take(most).collect()));
        }
        if more > 0 {
            parts.push(format!(" and {more} more snapshots; `prune --dry-run --output json` has them all\n"));
        }
        if !self.adoptable.is_empty() {
            parts.push(self.adoptable_table());
        }
        parts.push(self.summary_table());
        parts.extend(self.notes());
        parts.push(self.what_next());
        parts.join("\n")
    }

    fn adoptable_table(&self) -> String {
        let rows = self.adoptable.iter().take(MOST_ROWS).map(|found| {
            let Adoptable { place, snapshot, tags } = found;
            let becomes = match tags {
                Ok(tags) => {
                    tags.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect::<Vec<_>>().join("\n")
                }
                Err(why) => format!("left alone: {}", plain(why)),
            };
            [place.region.clone(), snapshot.volume.clone(), snapshot.id.clone(), began(snapshot.started), becomes]
        });
        let heads = ["Region", "Volume", "Another tool's snapshot", "Started (UTC)", "Would be adopted as"];
        let more = self.adoptable.len().saturating_sub(MOST_ROWS);
        let rest = if more > 0 {
            format!("\n and {more} more; `--dry-run --output json` has them all\n")
        } else {
            String::new()
        };
        format!("{}{rest}", table(heads, &[], rows.collect()))
    }

    fn summary_table(&self) -> String {
        let rows = self.summary.regions.iter().map(|region| {
            let prune = region.prune.clone().unwrap_or_default();
            let left: Vec<String> = region.skipped.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
            let counts = [region.volumes, prune.snapshots, prune.expiring].map(|count| count.to_string());
            let [volumes, snapshots, expiring] = counts;
            [region.region.clone(), region.account.clone(), volumes, snapshots, expiring, left.join("\n")]
        });
        let heads = ["Region", "Account", "Volumes", "Snapshots", "Expire", "Cannot be deleted"];
        table(heads, &heads[2..5], rows.collect())
    }

    fn notes(&self) -> Vec<String> {
        let warnings = self.summary.regions.iter().flat_map(|region| {
            region.warnings.iter().map(|warning| format!("warning: {}: {}", region.region, plain(warning)))
        });
        let capped = self.summary.regions.iter().filter_map(|region| {
            let prune = region.prune.as_ref()?;
            let most = prune.capped.as_ref()?.most;
            Some(format!(
                "error: {}: {} of {} snapshots would go, and the cap allows {most}: nothing of it is deleted. If it is \
                 meant: --cap {}, or \"cap\" in the policy",
                region.region, prune.expiring, prune.snapshots, prune.expiring
            ))
        });
        let errors = self.summary.problems().into_iter().map(|problem| format!("error: {}", plain(&problem)));
        warnings.chain(capped).chain(errors).collect()
    }

    fn what_next(&self) -> String {
        let Deletion { delete, adopt } = &self.changes;
        match self.changes.is_empty() {
            true => "Nothing is to be deleted.".into(),
            false => {
                let adopt = if adopt.is_empty() { String::new() } else { format!(", {} to adopt", adopt.len()) };
                let hash = self.changes.hash();
                format!(
                    "Plan {hash}: {} to delete{adopt}. To do exactly this: the same command without --dry-run and with \
                     --plan {hash} --yes",
                    snapshots(delete.len())
                )
            }
        }
    }
}

impl Done {
    /// What was done, for people.
    pub fn text(&self, changes: &Deletion) -> String {
        let deleted = self.deleted.len();
        let mut parts = vec![format!("Deleted {deleted} of {}.", snapshots(changes.delete.len()))];
        if !changes.adopt.is_empty() {
            let adopted = self.adopted.len();
            parts.push(format!("Adopted {adopted} of {}: the next run counts them.", snapshots(changes.adopt.len())));
        }
        if !self.left.is_empty() {
            let rows = self.left.iter().map(|(snapshot, why)| [snapshot.clone(), plain(why)]);
            parts.push(table(["Left", "Why"], &[], rows.collect()));
        }
        if !self.gone.is_empty() {
            parts.push(format!("{} gone already, or no longer ours.", snapshots(self.gone.len())));
        }
        let failed = self.failed.iter().map(|letter| {
            let DeadLetter { volume, region, failure, .. } = letter;
            format!("error: {region}: {volume}: {}: {}", failure.code, plain(&failure.message))
        });
        parts.extend(failed.chain(self.errors.iter().map(|error| format!("error: {}", plain(error)))));
        parts.join("\n")
    }
}

/// A verdict for programs.
pub(crate) fn row(verdict: &Verdict) -> Value {
    json!({
        "snapshot": verdict.snapshot, "policy": verdict.policy, "started": verdict.started,
        "verdict": verdict.word(), "why": verdict.why(),
    })
}

fn rows(judged: &Judged) -> impl Iterator<Item = [String; 7]> {
    judged.verdicts.iter().map(|verdict| {
        [
            judged.place.region.clone(),
            judged.volume.clone(),
            plain(verdict.policy.as_deref().unwrap_or_default()),
            verdict.snapshot.clone(),
            began(verdict.started),
            verdict.word().into(),
            plain(&verdict.why().join("; ")),
        ]
    })
}

/// To the minute, in UTC, and without a space: a column that is never broken.
pub(crate) fn began(started: Option<DateTime<Utc>>) -> String {
    started.map_or("unknown".into(), |started| started.format("%Y-%m-%dT%H:%M").to_string())
}

pub(crate) fn snapshots(count: usize) -> String {
    format!("{count} snapshot{}", if count == 1 { "" } else { "s" })
}
