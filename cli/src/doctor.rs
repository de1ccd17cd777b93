//! `snapkeep doctor`: what will bite, before it bites.
//!
//! `look` reads, and every check is a function of what was read: one file for each family.

mod cap;
mod encryption;
mod finding;
mod look;
mod near;
mod overlaps;
mod permissions;
mod quota;
mod rhythms;
mod schedules;
mod seen;
mod selectors;
mod source;
mod steady;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;
use shared::aws::Aws;
use shared::config::Lanes;
use shared::rules::stock::DEFAULT_QUOTA;
use shared::vocabulary::policy::Regions;

use self::finding::Diagnosis;
use self::look::{Found, look};
use self::seen::Seen;
use self::source::Source;
use self::words::{counted, thousands};
use crate::Error;
use crate::plan::{Output, default_regions};
use crate::show::show;
use crate::table::plain;

/// Look for what will bite: selectors that select nothing, typos in tags, schedules that never fire, missing
/// permissions, quotas. Changes nothing.
///
/// Exit codes: 0 nothing found, or only notices; 1 failed; 2 wrong usage or a refused policy; 3 something could not be
/// looked at; 4 something was found that a person must see to.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A policy as a JSON file, the same that a schedule has as its input; several times for several policies.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// When the policy of a file runs: the first is the first file's, and so on. 'cron(0 5 * * ? *) Europe/Zurich'.
    #[arg(long, value_name = "EXPRESSION", requires = "file")]
    schedule: Vec<String>,
    /// The deployed schedules of this stack, in the Region of the environment.
    #[arg(long, value_name = "STACK", conflicts_with = "schedule_group")]
    stack: Option<String>,
    /// The deployed schedules of this group.
    #[arg(long, value_name = "GROUP")]
    schedule_group: Option<String>,
    /// Where to look, instead of what the policies or the environment say: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// Text for people, or JSON for programs.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What the checks look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked<'a> {
    sources: &'a [Source],
    seen: &'a [Seen],
    /// `CreateSnapshot` calls per second in each lane.
    create_rate: f64,
    now: DateTime<Utc>,
}

/// Regions of which the figures are shown.
const MOST_FIGURES: usize = 5;

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        let mut sources = self.files(now)?;
        let said = self.regions.as_deref().map(|regions| Regions::parse("regions", regions)).transpose()?;
        let create_rate = Lanes::from_env()?.create_rate;
        let aws = Aws::from_env().await;
        let mut diagnosis = Diagnosis::default();
        if let Some(group) = self.stack.as_ref().or(self.schedule_group.as_ref()) {
            match aws.schedule_group(group).schedules().await {
                Ok(deployed) if deployed.is_empty() => diagnosis.findings.push(schedules::none(group)),
                Ok(deployed) => sources.extend(deployed.iter().map(|one| Source::of_schedule(group, one, now))),
                Err(error) if sources.is_empty() => return Err(Error::Failed(plain(&error.to_string()))),
                Err(error) => diagnosis.unseen.push(plain(&error.to_string())),
            }
        }
        let regions = default_regions_of(&sources, said.as_ref())?;
        let found = look(&aws, &sources, said.as_ref(), &regions).await;
        reached(&found)?;
        let looked = Looked { sources: &sources, seen: &found.seen, create_rate, now };
        diagnose(&mut diagnosis, &looked, &found);
        let figures = quota::figures(&looked, MOST_FIGURES);
        match self.output {
            Output::Json => show(
                &json!({"looked_at": looked.what(), "figures": figures, "findings": diagnosis.findings,
                "unseen": diagnosis.unseen, "not_checked": diagnosis.not_made})
                .to_string(),
            ),
            Output::Table => show(&text::text(&looked.what(), &diagnosis, &figures)),
        }
        Ok(diagnosis.exit())
    }

    fn files(&self, now: DateTime<Utc>) -> Result<Vec<Source>, Error> {
        const EXAMPLE: &str =
            "say what to look at: --file daily.json --schedule 'cron(0 5 * * ? *)', or --stack snapkeep";
        if self.file.is_empty() && self.stack.is_none() && self.schedule_group.is_none() {
            return Err(Error::Usage(EXAMPLE.into()));
        }
        if self.schedule.len() > self.file.len() {
            let (schedules, files) = (self.schedule.len(), self.file.len());
            return Err(Error::Usage(format!(
                "{schedules} times --schedule and {files} times --file: at most one each"
            )));
        }
        let schedules = self.schedule.iter().map(|text| Some(text.as_str())).chain(std::iter::repeat(None));
        self.file.iter().zip(schedules).map(|(file, schedule)| Source::of_file(file, schedule, now)).collect()
    }
}

/// The environment is asked only where some policy does not say where to look.
fn default_regions_of(sources: &[Source], said: Option<&Regions>) -> Result<Regions, Error> {
    let all_say = sources.iter().filter_map(Source::places).all(|(_, regions)| regions.is_some());
    match said {
        None if all_say => Ok(Regions::These(Vec::new())),
        said => default_regions(said),
    }
}

/// Fails where nothing could be looked at and nobody was refused: without a network there is nothing to find.
fn reached(found: &Found) -> Result<(), Error> {
    let all_failed = found
        .seen
        .iter()
        .all(|seen| seen.errors.len() >= 3 || seen.errors.iter().any(|(action, _)| *action == "sts:AssumeRole"));
    let first = found.seen.iter().flat_map(|seen| &seen.errors).map(|(_, error)| error.to_string());
    let first = found.errors.iter().cloned().chain(first).next();
    match first {
        Some(first) if all_failed && found.roles.is_empty() && !permissions::any_refused(&found.seen) => {
            Err(Error::Failed(format!(
                "{}\nNothing could be looked at. Which credentials are used: aws sts get-caller-identity",
                plain(&first)
            )))
        }
        _ => Ok(()),
    }
}

/// All checks, and what could not be checked.
fn diagnose(diagnosis: &mut Diagnosis, looked: &Looked<'_>, found: &Found) {
    let (permissions, unseen) = permissions::check(&found.seen, &found.roles);
    diagnosis.unseen.extend(found.errors.iter().map(|error| plain(error)));
    diagnosis.unseen.extend(unseen);
    diagnosis.not_made = not_made(looked);
    let families = [
        permissions,
        selectors::check(looked),
        schedules::check(looked),
        rhythms::check(looked),
        overlaps::check(looked),
        quota::check(looked),
        encryption::check(looked.seen),
    ];
    diagnosis.findings.extend(families.concat());
    diagnosis.findings.sort_by_key(|finding| finding.severity);
}

/// Checks that need what nobody gave, each with what to give.
fn not_made(looked: &Looked<'_>) -> Vec<String> {
    let mut not_made = Vec::new();
    for source in looked.sources {
        match (&source.unread_schedule, &source.schedule) {
            (Some(problem), _) => {
                not_made.push(format!("{}: when it runs: {}", source.origin, plain(&problem.to_string())))
            }
            (None, None) => not_made.push(format!(
                "{}: rhythm, clocks, pace and growth. When does it run? --schedule 'cron(0 5 * * ? *)'",
                source.origin
            )),
            (None, Some(_)) => {}
        }
    }
    let own_stack = looked.seen.iter().any(|seen| seen.place.role.is_none())
        && looked.sources.iter().all(|source| source.is_deployed);
    if own_stack {
        not_made.push("whether the stack's worker may take and delete snapshots: EC2 answers for whoever asks".into());
    }
    let is_without = |seen: &&Seen| {
        seen.errors.is_empty() && seen.snapshots.deletable.is_none() && !(own_stack && seen.place.role.is_none())
    };
    let without: Vec<String> = looked.seen.iter().filter(is_without).map(Seen::name).collect();
    if !without.is_empty() {
        not_made.push(format!("ec2:DeleteSnapshot, as there is no snapshot of ours to ask about: {}", first(&without)));
    }
    let unasked = looked.seen.iter().filter_map(|seen| Some((seen, seen.quota.as_ref()?.as_ref().err()?)));
    let unasked: Vec<_> = unasked.map(|(seen, error)| (seen.name(), error.code.clone())).collect();
    if let Some((_, code)) = unasked.first() {
        let names: Vec<String> = unasked.iter().map(|(name, _)| name.clone()).collect();
        not_made.push(format!(
            "the quota of snapshots: AWS's {} is taken, Service Quotas says {}: {}",
            thousands(DEFAULT_QUOTA),
            plain(code),
            first(&names)
        ));
    }
    not_made
}

/// The first few names.
fn first(names: &[String]) -> String {
    let mut sample = words::Sample::default();
    names.iter().for_each(|name| sample.add(name));
    sample.names()
}

impl Looked<'_> {
    /// What was looked at, in a sentence.
    fn what(&self) -> String {
        let accounts: BTreeSet<&str> = self.seen.iter().map(|seen| seen.place.account.as_str()).collect();
        let policies = match self.sources.len() {
            1 => "1 policy".into(),
            count => format!("{count} policies"),
        };
        let volumes = self.seen.iter().flat_map(|seen| seen.policies.values()).map(|selected| selected.volumes).sum();
        let snapshots = self.seen.iter().map(|seen| seen.snapshots.all).sum();
        format!(
            "Looked at {policies} in {} of {}: {} selected, {} there.",
            counted(self.seen.len(), "Region"),
            counted(accounts.len(), "account"),
            counted(volumes, "volume"),
            counted(snapshots, "snapshot")
        )
    }
}
