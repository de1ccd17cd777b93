//! `snapkeep prune`: what no rule keeps, and why; and its deletion, when a person says so.

mod deletion;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use planner::prune::{Adoptable, Judged, Seen, prune};
use planner::summary::Summary;
use serde::Serialize;
use serde_json::json;
use shared::aws::Aws;
use shared::config;
use shared::rules::retention::Verdict;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Prune, Regions};
use shared::vocabulary::report::DeadLetter;
use tokio::sync::mpsc;
use worker::lanes::{Lanes, Left, Outcome, Pruned};

use self::deletion::Deletion;
pub(crate) use self::text::{began, row, snapshots};
use crate::in_process::{Event, work};
use crate::outcome::Verdicts;
use crate::plan::{Output, default_regions, reached};
use crate::policy::of_file;
use crate::progress::Progress;
use crate::show::show;
use crate::{Error, exit};

/// Show what no rule keeps, snapshot by snapshot with the reasons, and delete it when told to.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The policy as a JSON file, the same that a schedule has as its input; `-` reads standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with = "orphans")]
    file: Option<PathBuf>,
    /// Where to look, instead of what the policy or the environment says: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// What becomes of the last snapshot of a volume that is gone [default: keep-last].
    #[arg(long, value_name = "keep-last|by-rule|90d")]
    orphans: Option<String>,
    /// How many snapshots may go in one Region, instead of 100 or a fifth of them. Where more would, none goes.
    #[arg(long, value_name = "COUNT")]
    cap: Option<u64>,
    /// Only show.
    #[arg(long, conflicts_with_all = ["yes", "plan"])]
    dry_run: bool,
    /// Delete without asking.
    #[arg(long, short)]
    yes: bool,
    /// Do what this plan showed and nothing else: the hash that a dry run printed, or the file that
    /// `--dry-run --output json` wrote. Without it, `--yes` adopts nothing.
    #[arg(long, value_name = "HASH|FILE")]
    plan: Option<String>,
    /// A table for people, or JSON for programs, with every snapshot.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Everything that was looked at, and what would be done.
pub(crate) struct Plan {
    /// What would be done.
    pub changes: Deletion,
    at: DateTime<Utc>,
    summary: Summary,
    jobs: Vec<Job>,
    volumes: Vec<Judged>,
    adoptable: Vec<Adoptable>,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Done {
    deleted: BTreeSet<String>,
    adopted: BTreeSet<String>,
    /// Deleted by somebody else since, or no longer ours.
    gone: BTreeSet<String>,
    /// Snapshot → why it was not deleted.
    left: BTreeMap<String, String>,
    failed: Vec<DeadLetter>,
    /// What was to be adopted, and could not be.
    errors: Vec<String>,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let policy = self.policy(now)?;
        let regions = default_regions(policy.regions.as_ref())?;
        let lanes = config::Lanes::from_env()?;
        let shown_before = self.plan.as_deref().map(shown_before).transpose()?;
        let aws = Arc::new(Aws::from_env().await);
        let plan = Plan::make(&aws, &policy, &regions, now).await;
        reached(&plan.summary)?;

        let is_dry = self.dry_run || policy.dry_run;
        let Agreed { mut changes, mut left, gone } = plan.agreed(shown_before.as_ref())?;
        if self.yes && shown_before.is_none() && !changes.adopt.is_empty() {
            eprintln!(
                "Nothing is adopted that was not shown before: look with --dry-run, and then say --plan HASH --yes"
            );
            changes.adopt.clear();
        }
        if self.output == Output::Json && !is_dry && !self.yes {
            const LOOK: &str = "nothing was deleted: with --output json say --dry-run, or --yes";
            return Err(Error::Usage(LOOK.into()));
        }
        if is_dry || self.output == Output::Table {
            show(&plan.show(self.output));
        }
        if is_dry {
            return Ok(plan.exit_code());
        }
        let mut done = Done::default();
        if !changes.is_empty() {
            if !self.yes && !confirmed(&changes)? {
                eprintln!("Nothing was deleted.");
                return Ok(plan.exit_code());
            }
            done = plan.apply(&aws, lanes, &changes, now).await;
        }
        left.append(&mut done.left);
        left.retain(|snapshot, _| !done.deleted.contains(snapshot));
        done.left = left;
        done.gone.extend(gone);
        match self.output {
            Output::Json => show(&json!({"plan": changes.hash(), "result": done}).to_string()),
            Output::Table if changes.is_empty() && done.left.is_empty() && done.gone.is_empty() => {}
            Output::Table => show(&done.text(&changes)),
        }
        Ok(if done.is_whole() { plan.exit_code() } else { exit::PARTLY })
    }

    fn policy(&self, now: DateTime<Utc>) -> Result<Prune, Error> {
        let mut event = match &self.file {
            Some(file) => of_file(file)?,
            None => json!({"action": "prune"}),
        };
        let regions = self.regions.as_deref().map(|regions| Regions::parse("regions", regions)).transpose()?;
        if let Some(fields) = event.as_object_mut() {
            regions.iter().for_each(|_| drop(fields.remove("regions")));
            fields.extend(self.orphans.iter().map(|orphans| ("orphans".into(), json!(orphans))));
            fields.extend(self.cap.iter().map(|cap| ("cap".into(), json!({"count": cap}))));
        }
        let policy = Prune::parse(&event, now)?;
        Ok(Prune { regions: regions.or(policy.regions), ..policy })
    }
}

/// What a person has been shown and what is there, brought together.
struct Agreed {
    changes: Deletion,
    /// Snapshot → what has changed about it, so that it is left.
    left: BTreeMap<String, String>,
    gone: BTreeSet<String>,
}

fn kept_since(verdict: &Verdict) -> String {
    format!("kept since: {}", verdict.why().join("; "))
}

/// A plan that a person has seen before: whole, or only its hash.
enum Before {
    Hash(String),
    Whole(Deletion),
}

fn shown_before(named: &str) -> Result<Before, Error> {
    let is_hash = named.len() == 12 && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash && !Path::new(named).exists() {
        return Ok(Before::Hash(named.to_lowercase()));
    }
    let plan = Deletion::read(named, &of_file(Path::new(named))?);
    plan.map(Before::Whole).map_err(|problem| Error::Usage(format!("nothing was deleted: {problem}")))
}

/// Asks on the terminal; the answer is no unless it is yes. Where nobody can answer, `--yes` must have been said.
fn confirmed(changes: &Deletion) -> Result<bool, Error> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let hash = changes.hash();
        return Err(Error::Usage(format!(
            "nothing was deleted. To delete exactly what was shown: the same command with --plan {hash} --yes"
        )));
    }
    let adopt = if changes.adopt.is_empty() { String::new() } else { format!(", adopt {}", changes.adopt.len()) };
    eprint!("Delete {} for good{adopt}? [y/N] ", snapshots(changes.delete.len()));
    let mut answer = String::new();
    let read = stderr().flush().and_then(|()| stdin().read_line(&mut answer));
    read.map_err(|error| Error::Failed(format!("could not read the answer, nothing was deleted: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl Plan {
    /// Looks at everything, and decides what is to be done.
    pub async fn make(aws: &Aws, policy: &Prune, regions: &Regions, now: DateTime<Utc>) -> Self {
        let (jobs_sender, mut jobs_receiver) = mpsc::channel(1000);
        let (seen_sender, mut seen_receiver) = mpsc::channel(1000);
        let jobs = async {
            let mut jobs: Vec<Job> = Vec::new();
            while let Some(job) = jobs_receiver.recv().await {
                jobs.push(job);
            }
            jobs
        };
        let seen = async {
            let (mut volumes, mut adoptable) = (Vec::new(), Vec::new());
            while let Some(seen) = seen_receiver.recv().await {
                match seen {
                    Seen::Volume(judged) => volumes.push(judged),
                    Seen::Adoptable(found) => adoptable.push(found),
                }
            }
            (volumes, adoptable)
        };
        let planned = prune(aws, policy, regions, now, jobs_sender, Some(seen_sender));
        let (summary, jobs, (mut volumes, adoptable)) = tokio::join!(planned, jobs, seen);
        let order =
            |judged: &Judged| (judged.place.region.clone(), judged.place.account.clone(), judged.volume.clone());
        volumes.sort_by_key(order);
        // A Region that was not read whole, or where the cap has stopped the run, has no jobs: nothing of it goes.
        let is_stopped = |judged: &Judged| {
            let regions = summary.regions.iter();
            let mut here = regions
                .filter(|region| (&region.region, &region.account) == (&judged.place.region, &judged.place.account));
            here.any(|region| {
                region.error.is_some() || region.prune.as_ref().is_some_and(|prune| prune.capped.is_some())
            })
        };
        let changes = Deletion::of(&volumes, &adoptable, is_stopped);
        Self { at: now, summary, jobs, volumes, adoptable, changes }
    }

    /// What is to be done now, by what was shown before.
    fn agreed(&self, before: Option<&Before>) -> Result<Agreed, Error> {
        let all = || Agreed { changes: self.changes.clone(), left: BTreeMap::new(), gone: BTreeSet::new() };
        match before {
            None => Ok(all()),
            Some(Before::Hash(hash)) if *hash == self.changes.hash() => Ok(all()),
            Some(Before::Hash(hash)) => Err(Error::Usage(format!(
                "nothing was deleted: the plan is another one now, {} instead of {hash}. See it: snapkeep prune \
                 --dry-run; or keep a plan in a file (--output json), and what changes since is left and named",
                self.changes.hash()
            ))),
            Some(Before::Whole(shown)) => Ok(self.compared(shown)),
        }
    }

    fn compared(&self, shown: &Deletion) -> Agreed {
        let verdicts = self.volumes.iter().flat_map(|judged| &judged.verdicts);
        let now: BTreeMap<&str, &Verdict> = verdicts.map(|verdict| (verdict.snapshot.as_str(), verdict)).collect();
        let (mut left, mut gone) = (BTreeMap::new(), BTreeSet::new());
        let mut changes = shown.clone();
        changes.delete.retain(|snapshot, _| {
            match now.get(snapshot.as_str()) {
                _ if self.changes.delete.contains_key(snapshot) => return true,
                // Half a list says nothing about what is not on it.
                None if !self.summary.problems().is_empty() => {
                    left.insert(snapshot.clone(), "not seen: not all Regions could be read".into());
                }
                None => drop(gone.insert(snapshot.clone())),
                Some(verdict) if verdict.expires() => {
                    left.insert(snapshot.clone(), "its Region was stopped, by the cap or by an error".into());
                }
                Some(verdict) => drop(left.insert(snapshot.clone(), kept_since(verdict))),
            }
            false
        });
        let since = self.changes.delete.iter().filter(|(snapshot, _)| !shown.delete.contains_key(*snapshot));
        left.extend(since.map(|(snapshot, why)| (snapshot.clone(), format!("expires since: {why}"))));
        changes.adopt.retain(|snapshot, tags| self.changes.adopt.get(snapshot) == Some(tags));
        let not_adopted = shown.adopt.keys().filter(|snapshot| !changes.adopt.contains_key(*snapshot));
        left.extend(not_adopted.map(|snapshot| (snapshot.clone(), "not to be adopted like this any more".into())));
        Agreed { changes, left, gone }
    }

    /// Adopts and deletes `changes`, with the worker that is deployed.
    pub async fn apply(&self, aws: &Arc<Aws>, config: config::Lanes, changes: &Deletion, now: DateTime<Utc>) -> Done {
        let mut done = Done::default();
        for adoptable in &self.adoptable {
            let Some(tags) = changes.adopt.get(&adoptable.snapshot.id) else { continue };
            match adopt(aws, adoptable, tags.clone()).await {
                Ok(()) => drop(done.adopted.insert(adoptable.snapshot.id.clone())),
                Err(error) => done.errors.push(error.to_string()),
            }
        }
        let lanes = Lanes::new(Arc::clone(aws), config).limited_to(changes.shown());
        let (sender, receiver) = mpsc::channel(self.jobs.len().max(1));
        for job in &self.jobs {
            // The channel has room for all of them.
            let _ = sender.try_send(job.clone());
        }
        drop(sender);
        let (mut verdicts, mut progress) = (Verdicts::default(), Progress::new());
        let worked = work(&lanes, receiver, now, |event| {
            let counts = verdicts.note(&event);
            progress.show(&event, counts, lanes.pace(&event.job().lane()).as_ref());
            if let Event::Finished(_, Outcome::Pruned(Pruned { deleted, left })) = event {
                done.deleted.extend(deleted.iter().cloned());
                done.left.extend(left.iter().map(|Left { snapshot, why }| (snapshot.clone(), why.clone())));
            }
        });
        tokio::select! {
            () = worked => {}
            _ = tokio::signal::ctrl_c() => done.errors.push("stopped; what was not deleted is still there".into()),
        }
        progress.end();
        done.deleted.extend(lanes.deleted());
        done.failed = verdicts.failed;
        let spoken_for = |snapshot: &&String| done.deleted.contains(*snapshot) || done.left.contains_key(*snapshot);
        let silent: Vec<String> = changes.delete.keys().filter(|snapshot| !spoken_for(snapshot)).cloned().collect();
        match done.failed.is_empty() && done.errors.is_empty() {
            true => done.gone.extend(silent),
            false => done.left.extend(silent.into_iter().map(|snapshot| (snapshot, "not reached".into()))),
        }
        done
    }

    fn exit_code(&self) -> u8 {
        let is_capped =
            self.summary.regions.iter().any(|region| region.prune.as_ref().is_some_and(|prune| prune.capped.is_some()));
        match self.summary.problems().is_empty() && !is_capped {
            true => exit::DONE,
            false => exit::PARTLY,
        }
    }
}

async fn adopt(
    aws: &Aws,
    adoptable: &Adoptable,
    tags: Vec<(String, String)>,
) -> Result<(), shared::vocabulary::api_error::ApiError> {
    let ec2 = aws.ec2(adoptable.place.role.as_ref(), &adoptable.place.region).await?;
    ec2.add_tags(&adoptable.snapshot.id, tags).await
}

impl Done {
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.failed.is_empty() && self.errors.is_empty()
    }
}
