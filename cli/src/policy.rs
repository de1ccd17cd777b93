//! A policy from a file, from standard input or from flags: all three are read as the planner reads its input.

use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::{Map, Value, json};
use shared::vocabulary::policy::{Policy, Regions};

use crate::Error;

/// Which policy.
#[derive(Debug, Args)]
pub(crate) struct PolicyOptions {
    /// The policy as a JSON file, the same that a schedule has as its input; `-` reads standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["tag", "retain", "policy", "resource", "state", "exclude_tag", "exclude_boot_volumes", "time_zone"])]
    file: Option<PathBuf>,
    /// Without a file: select by this tag. `Backup=true` is a value, `Backup` any value; the same key again is "or",
    /// another key "and".
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    tag: Vec<String>,
    /// Leave out what has this tag, on the instance or on the volume.
    #[arg(long, value_name = "KEY[=VALUE]")]
    exclude_tag: Vec<String>,
    /// Whether --tag speaks of instances or of volumes.
    #[arg(long, value_name = "instance|volume")]
    resource: Option<String>,
    /// With --resource volume: only volumes in this state.
    #[arg(long, value_name = "in-use|available")]
    state: Option<String>,
    /// Leave out the volumes that instances boot from.
    #[arg(long)]
    exclude_boot_volumes: bool,
    /// How long to keep the snapshots: 7, 7d, 4w, 12m, 2y, "daily=7 weekly=4", forever.
    #[arg(long, value_name = "RULE")]
    retain: Option<String>,
    /// The policy's name, which its snapshots bear [default: manual].
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Whose days and weeks the retain rule counts [default: UTC].
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Where to look, instead of what the policy or the environment says: all, or eu-central-1,us-east-1.
    #[arg(long, short, value_name = "REGIONS")]
    regions: Option<String>,
    /// The slot, instead of the policy's scheduled time or the present minute. The same slot again takes only what is
    /// missing of it.
    #[arg(long, value_name = "TIME")]
    slot: Option<String>,
}

impl PolicyOptions {
    /// The policy, read and checked.
    pub fn read(&self, now: DateTime<Utc>) -> Result<Policy, Error> {
        let mut event = match &self.file {
            Some(file) => of_file(file)?,
            None => self.of_flags()?,
        };
        let regions = self.regions.as_deref().map(|regions| Regions::parse("regions", regions)).transpose()?;
        if let Some(fields) = event.as_object_mut() {
            regions.iter().for_each(|_| drop(fields.remove("regions")));
            fields.extend(self.slot.iter().map(|slot| ("scheduled_time".into(), json!(slot))));
        }
        let policy = Policy::parse(&event, now)?;
        Ok(Policy { regions: regions.or(policy.regions), ..policy })
    }

    fn of_flags(&self) -> Result<Value, Error> {
        const EXAMPLE: &str = "say which policy: --file daily.json, or --tag Backup=true --retain 7d";
        let Some(retain) = self.retain.as_deref().filter(|_| !self.tag.is_empty() || self.resource.is_some()) else {
            return Err(Error::Usage(EXAMPLE.into()));
        };
        let mut select = json!({
            "resource": self.resource.as_deref().unwrap_or("instance"),
            "tags": tag_match(&self.tag),
            "exclude_tags": tag_match(&self.exclude_tag),
            "exclude_boot_volumes": self.exclude_boot_volumes,
        });
        if let Some(state) = &self.state {
            select["state"] = json!(state);
        }
        Ok(json!({
            "action": "snapshot",
            "policy": self.policy.as_deref().unwrap_or("manual"),
            "select": select,
            "retain": retain,
            "time_zone": self.time_zone.as_deref().unwrap_or("UTC"),
        }))
    }
}

pub(crate) fn of_file(file: &Path) -> Result<Value, Error> {
    let name = file.display();
    let text = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        _ => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| Error::Usage(format!("could not read the policy {name}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Error::Usage(format!("the policy {name} is not JSON: {error}")))
}

/// `["Backup=true", "Backup=yes", "Team"]` as `{"Backup": ["true", "yes"], "Team": []}`.
fn tag_match(tags: &[String]) -> Value {
    let mut match_ = Map::new();
    for tag in tags {
        let (key, value) = tag.split_once('=').map_or((tag.as_str(), None), |(key, value)| (key, Some(value)));
        let values = match_.entry(key).or_insert_with(|| json!([]));
        if let (Some(values), Some(value)) = (values.as_array_mut(), value) {
            values.push(json!(value));
        }
    }
    Value::Object(match_)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        policy: PolicyOptions,
    }

    fn read(line: &str) -> Result<Policy, Error> {
        let line = Line::try_parse_from(line.split(' ')).map_err(|error| Error::Usage(error.to_string()))?;
        line.policy.read("2026-11-20T02:00:30Z".parse().unwrap())
    }

    #[test]
    fn flags_make_a_policy() {
        let policy =
            read("x --tag Backup=true --tag Backup=yes --tag Team --retain 7d --regions eu-west-1,us-east-1").unwrap();
        assert_eq!(policy.name, "manual");
        assert_eq!(policy.select.tags.0["Backup"], ["true", "yes"]);
        assert!(policy.select.tags.0["Team"].is_empty());
        assert_eq!(policy.slot.to_string(), "2026-11-20T02:00:00Z");
    }

    fn check_refused(line: &str, expected: &str) {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }

    #[test]
    fn bad_flags_are_refused_as_a_bad_policy_is() {
        check_refused("x", "--tag Backup=true --retain 7d");
        check_refused("x --tag Backup=true", "--retain 7d");
        check_refused("x --tag Backup=true --retain soon", "`retain` is \"soon\"; allowed: `7`");
        check_refused("x --tag Backup=true --retain 7d --regions mars", "`regions` is \"mars\"");
        check_refused("x --tag Backup=true --retain 7d --slot noon", "`scheduled_time` is \"noon\"");
        check_refused("x --file daily.json --tag Backup=true", "cannot be used with");
        check_refused("x --file /no/such/file", "could not read the policy /no/such/file");
    }
}
