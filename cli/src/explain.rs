//! `snapkeep explain`: one volume, which policy selects it and why, its snapshots, and what goes when.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use planner::place::{Place, places};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::rules::fate::without_lists;
use shared::rules::forecast::forecast;
use shared::rules::retain_rule::retain_rule;
use shared::rules::retention::{Case, Judgement, judge};
use shared::rules::select::{Attached, Verdict as Selected, explained, verdict};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Instance, Presence, Snapshot, Volume};
use shared::vocabulary::job::is_volume;
use shared::vocabulary::orphans::Orphans;
use shared::vocabulary::policy::{Account, Policy, Regions};
use shared::vocabulary::problem::Problem;
use shared::vocabulary::tag;

use crate::plan::{Output, default_regions};
use crate::policy::of_file;
use crate::prune::{began, row};
use crate::show::show;
use crate::table::{plain, table};
use crate::{Error, exit};

/// Show one volume: which policy selects it and why, its snapshots, and what will be deleted when.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The volume, such as vol-0123456789abcdef0. It may be gone.
    volume: String,
    /// A policy as a JSON file, the same that a schedule has as its input; several times for several policies.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Where to look, instead of what the environment says: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// What a prune does with the last snapshot of a volume that is gone.
    #[arg(long, value_name = "keep-last|by-rule|90d", default_value_t = Orphans::KeepLast)]
    orphans: Orphans,
    /// Text for people, or JSON for programs.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A volume, as far as it is still there.
struct Found {
    region: String,
    volume: Option<(Volume, Vec<Instance>)>,
    snapshots: Vec<Snapshot>,
    judgement: Judgement,
    goes: BTreeMap<String, DateTime<Utc>>,
    /// What could not be looked at.
    warnings: Vec<String>,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    pub async fn run(self) -> Result<u8, Error> {
        let now = Utc::now();
        if !is_volume(&self.volume) {
            let problem = Problem::value("volume", &self.volume, "a volume id such as vol-0123456789abcdef0");
            return Err(Error::Usage(problem.to_string()));
        }
        let policies = self.file.iter().map(|file| Ok((file, Policy::parse(&of_file(file)?, now)?)));
        let policies = policies.collect::<Result<Vec<_>, Error>>()?;
        let said = self.regions.as_deref().map(|regions| Regions::parse("regions", regions)).transpose()?;
        let regions = default_regions(said.as_ref())?;
        let aws = Aws::from_env().await;
        let (account, found) = self.find(&aws, &regions, now).await?;
        let Some(found) = found else {
            return Err(Error::Failed(format!(
                "{} is in none of the Regions that were looked at, in account {account}, and neither is a snapshot of \
                 ours of it. Look elsewhere with --regions all, or in another account with AWS_PROFILE",
                self.volume
            )));
        };
        let told: Vec<(String, String)> = policies
            .iter()
            .map(|(file, policy)| (format!("{} ({})", policy.name, file.display()), found.told(policy)))
            .collect();
        match self.output {
            Output::Json => show(&self.json(&account, &found, &told).to_string()),
            Output::Table => show(&self.text(&account, &found, &told)),
        }
        Ok(exit::DONE)
    }

    /// The first Region that has the volume or a snapshot of it.
    async fn find(&self, aws: &Aws, regions: &Regions, now: DateTime<Utc>) -> Result<(String, Option<Found>), Error> {
        let (places, mut errors) = places(aws, &[Account::Own], regions).await;
        for place in &places {
            match self.look(aws, place, now).await {
                Ok(None) => {}
                Ok(Some(found)) => return Ok((place.account.clone(), Some(found))),
                Err(error) => errors.push(error.to_string()),
            }
        }
        // Where it may be all the same.
        match (errors.into_iter().next(), places.into_iter().next()) {
            (None, Some(place)) => Ok((place.account, None)),
            (error, _) => Err(Error::Failed(error.unwrap_or_else(|| "no Region to look into".into()))),
        }
    }

    async fn look(&self, aws: &Aws, place: &Place, now: DateTime<Utc>) -> Result<Option<Found>, ApiError> {
        let Place { account, region, role } = place;
        let ec2 = aws.ec2(role.as_ref(), region).await?;
        let volume = ec2.volume(&self.volume).await?;
        let mut of_volumes = ec2.snapshots_of_volumes(&[self.volume.clone()].into()).await?;
        let snapshots = of_volumes.remove(&self.volume).unwrap_or_default();
        if volume.is_none() && snapshots.is_empty() {
            return Ok(None);
        }
        let (holds, errors) = ec2.holds().await;
        let warnings = without_lists(errors)?;
        let case = Case {
            account,
            volume: &self.volume,
            presence: if volume.is_some() { Presence::Living } else { Presence::Gone },
            orphans: self.orphans,
            holds: &holds,
            now,
        };
        let (judgement, goes) = (judge(&case, &snapshots), forecast(&case, &snapshots));
        Ok(Some(Found { region: region.clone(), volume, snapshots, judgement, goes, warnings }))
    }

    fn json(&self, account: &str, found: &Found, told: &[(String, String)]) -> Value {
        let rows = found.judgement.verdicts.iter().map(|verdict| {
            let mut row = row(verdict);
            row["goes"] = json!(found.goes.get(&verdict.snapshot));
            row
        });
        let findings: Vec<String> = found.notes().collect();
        json!({
            "volume": self.volume, "account": account, "region": found.region, "what": found.what(),
            "policies": told.iter().map(|(policy, why)| json!({"policy": policy, "why": why})).collect::<Vec<_>>(),
            "snapshots": rows.collect::<Vec<_>>(), "findings": findings,
        })
    }

    fn text(&self, account: &str, found: &Found, told: &[(String, String)]) -> String {
        let mut parts = vec![format!("{} in {}, account {account}: {}", self.volume, found.region, found.what())];
        parts.extend(told.iter().map(|(policy, why)| format!("Policy {}: {}", plain(policy), plain(why))));
        if told.is_empty() {
            parts.push("Which policy selects it, its snapshots do not say: name the policies with --file".into());
        }
        let states: BTreeMap<&str, &Snapshot> =
            found.snapshots.iter().map(|snapshot| (snapshot.id.as_str(), snapshot)).collect();
        let rows = found.judgement.verdicts.iter().map(|verdict| {
            let state = states.get(verdict.snapshot.as_str()).map(|snapshot| snapshot.state.clone());
            let goes = match found.goes.get(&verdict.snapshot) {
                _ if verdict.expires() => "next-prune".into(),
                Some(time) => time.format("%Y-%m-%d").to_string(),
                None => String::new(),
            };
            [
                verdict.snapshot.clone(),
                plain(verdict.policy.as_deref().unwrap_or_default()),
                began(verdict.started),
                state.unwrap_or_default(),
                verdict.word().into(),
                goes,
                plain(&verdict.why().join("; ")),
            ]
        });
        let rows: Vec<_> = rows.collect();
        match rows.is_empty() {
            true => parts.push("It has no snapshot of ours.".into()),
            false => {
                let heads = ["Snapshot", "Policy", "Started (UTC)", "State", "Verdict", "Goes", "Why"];
                parts.push(String::new());
                parts.push(table(heads, &[], rows));
                parts.push("Goes: when no rule keeps it any more, if backups go on as the last few came.".into());
            }
        }
        parts.extend(found.notes().map(|note| format!("warning: {}", plain(&note))));
        parts.join("\n")
    }
}

impl Found {
    /// What a person should look at.
    fn notes(&self) -> impl Iterator<Item = String> {
        self.judgement.findings.iter().map(ToString::to_string).chain(self.warnings.iter().cloned())
    }

    /// The volume in a few words.
    fn what(&self) -> String {
        let Some((volume, instances)) = &self.volume else { return "gone; its snapshots are orphans".into() };
        let name = volume.tags.get(tag::NAME).map(|name| format!("\"{}\", ", plain(name))).unwrap_or_default();
        let at = attached(volume, instances).into_iter().map(|place| {
            let name = place.instance.tags.get(tag::NAME).map(|name| format!(" \"{}\"", plain(name)));
            format!("{}{} as {}", place.instance.id, name.unwrap_or_default(), place.device)
        });
        let at: Vec<String> = at.collect();
        match at.is_empty() {
            true => format!("{name}{}", volume.state),
            false => format!("{name}{}, attached to {}", volume.state, at.join(", ")),
        }
    }

    /// Whether `policy` selects it, why, and under which rule.
    fn told(&self, policy: &Policy) -> String {
        let Some((volume, instances)) = &self.volume else { return "not selected: the volume is gone".into() };
        let attached = attached(volume, instances);
        let why = explained(&policy.select, volume, &attached);
        match verdict(&policy.select, volume, &attached) {
            Selected::Selected(attached) => {
                let (rule, warning) = retain_rule(policy, attached.map(|attached| attached.instance));
                let warning = warning.map(|warning| format!("; {warning}")).unwrap_or_default();
                format!("{why}; retain {rule}{warning}")
            }
            Selected::Skipped(_) | Selected::Outside => why,
        }
    }
}

fn attached<'a>(volume: &'a Volume, instances: &'a [Instance]) -> Vec<Attached<'a>> {
    let places = volume.attachments.iter().filter_map(|attachment| {
        let instance = instances.iter().find(|instance| instance.id == attachment.instance)?;
        Some(Attached { instance, device: &attachment.device })
    });
    places.collect()
}
