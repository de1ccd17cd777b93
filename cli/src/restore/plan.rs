//! A plan: which volumes are made of which snapshots, where, and as which devices they are attached.

use std::collections::BTreeSet;

use chrono::SubsecRound;
use planner::place::Place;
use shared::aws::ec2::Ec2;
use shared::rules::restore::choose::source;
use shared::rules::restore::device::{Device, device};
use shared::rules::restore::volume::planned;
use shared::vocabulary::inventory::Snapshot;
use shared::vocabulary::restore::{InstanceDetails, NewVolume, RestoreId, Target, VolumeDetails};
use shared::vocabulary::tag;

use super::find::Found;
use crate::Error;
use crate::table::plain;

/// Whether and where to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attach {
    No,
    /// To the instance that has or had the source.
    ToItsOwn,
    To(String),
}

/// What is to be made. Nothing of it is there yet.
pub(super) struct Plan {
    pub id: RestoreId,
    pub target: Target,
    pub place: Place,
    pub ec2: Ec2,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
    /// Where to attach, or where one may attach later.
    pub instance: Option<InstanceDetails>,
    pub attach: Attach,
    /// Policy and slot, where all are of one.
    pub slot: Option<(String, String)>,
    pub is_mixed: bool,
}

/// One volume to be made.
pub(super) struct Row {
    pub snapshot: Snapshot,
    pub source: Option<String>,
    pub is_source_there: bool,
    pub new: NewVolume,
    /// The device on the instance, where it is to be attached.
    pub device: Option<String>,
}

impl Attach {
    /// Reads `--attach` and `--attach=i-…`.
    pub fn parse(text: Option<&str>) -> Result<Self, Error> {
        match text {
            None => Ok(Self::No),
            Some("") => Ok(Self::ToItsOwn),
            Some(text) => match text.parse() {
                Ok(Target::Instance(id)) => Ok(Self::To(id)),
                _ => Err(Error::Usage(format!(
                    "--attach={text} is no instance; allowed: --attach, or --attach=i-0123456789abcdef0"
                ))),
            },
        }
    }
}

impl Plan {
    pub fn make(
        id: RestoreId,
        target: Target,
        found: Found,
        is_mixed: bool,
        zone: Option<&str>,
        attach: &Attach,
    ) -> Result<Self, Error> {
        let Found { place, ec2, set, sources, instance } = found;
        let mut notes = set.notes;
        let mut rows = Vec::new();
        let mut snapshots = set.snapshots;
        let root = instance.as_ref().and_then(|instance| instance.instance.root_device.clone());
        snapshots.sort_by_key(|snapshot| {
            let device = snapshot.tags.get(tag::DEVICE).cloned();
            (device != root, device)
        });
        for snapshot in snapshots {
            let of = source(&snapshot).map(String::from);
            let there = of.as_ref().and_then(|id| sources.get(id));
            let zone = zone_of(zone, attach, instance.as_ref(), there, &snapshot, &place.region)?;
            let (new, about) = planned(&id, &snapshot, there, &zone);
            let name = of.clone().unwrap_or_else(|| snapshot.id.clone());
            notes.extend(about.into_iter().map(|note| format!("{name}: {note}")));
            rows.push(Row { is_source_there: there.is_some(), source: of, snapshot, new, device: None });
        }
        let slot = set.slot;
        let mut plan = Self { id, target, place, ec2, rows, notes, instance, attach: attach.clone(), slot, is_mixed };
        if *attach != Attach::No {
            plan.give_devices(&sources)?;
        }
        Ok(plan)
    }

    /// Gives each volume a name on the instance. Nothing is detached to make room.
    fn give_devices(&mut self, sources: &std::collections::BTreeMap<String, VolumeDetails>) -> Result<(), Error> {
        let Some(InstanceDetails { instance, state, .. }) = &self.instance else {
            return Err(Error::Usage(format!(
                "--attach: the instance of {} is not there. Name another one, --attach=i-…, or leave --attach out",
                self.target.id()
            )));
        };
        let mut taken: BTreeSet<String> = instance.volumes.iter().map(|volume| volume.device.clone()).collect();
        let is_stopped = state == "stopped";
        for row in &mut self.rows {
            let there = row.source.as_ref().and_then(|id| sources.get(id));
            let now = there.and_then(|source| source.volume.attachments.first()).map(|each| each.device.as_str());
            let original = now.or(row.snapshot.tags.get(tag::DEVICE).map(String::as_str));
            let found = device(original, instance.root_device.as_deref(), is_stopped, &taken);
            let of = row.source.clone().unwrap_or_else(|| row.snapshot.id.clone());
            match &found {
                Device::Original(_) => {}
                Device::Another(name, why) => {
                    let was = original.unwrap_or("not known");
                    self.notes.push(format!("{of} was {} and is attached as {name}: {why}", plain(was)));
                }
                Device::NoneFree => {
                    self.notes.push(format!("{of} is not attached: no device name from /dev/sdf to /dev/sdp is free"));
                }
            }
            row.device = found.name().map(String::from);
            taken.extend(row.device.clone());
        }
        Ok(())
    }

    /// What this restore has made before, if it was interrupted. If that is not what the plan of now would make, another
    /// command was typed than the one that was interrupted.
    pub async fn there(&self) -> Result<Vec<VolumeDetails>, Error> {
        let there = self.ec2.volumes_with_tag(tag::RESTORE, Some(self.id.as_str())).await;
        let there = there.map_err(|error| Error::Failed(plain(&error.to_string())))?;
        let is_planned = |volume: &VolumeDetails| {
            self.rows.iter().any(|row| volume.volume.tags.get(tag::RESTORED_FROM) == Some(&row.snapshot.id))
        };
        match there.iter().find(|volume| !is_planned(volume)) {
            None => Ok(there),
            Some(other) => Err(Error::Usage(format!(
                "restore {} has made {} of {}, which is not what is planned now: type the command as it was printed, with \
                 its --at, or take it back: snapkeep restore --undo {} --regions {}",
                self.id,
                other.volume.id,
                plain(other.volume.tags.get(tag::RESTORED_FROM).map_or("another snapshot", String::as_str)),
                self.id,
                self.place.region
            ))),
        }
    }

    /// What to type to go on, if it is interrupted: it names the moment, so that it finds the same snapshots.
    pub fn command(&self) -> String {
        let mut words = vec![format!("snapkeep restore {}", self.target.id())];
        if !matches!(self.target, Target::Snapshot(_)) {
            let newest = self.rows.iter().filter_map(|row| row.snapshot.started).max();
            words.extend(newest.map(|at| format!("--at {}", at.trunc_subsecs(0).format("%Y-%m-%dT%H:%M:%SZ"))));
            let of_volume = match self.target {
                Target::Volume(_) => self.rows.first().and_then(|row| row.snapshot.tags.get(tag::POLICY)),
                _ => None,
            };
            let policy = self.slot.as_ref().map(|(policy, _)| policy).or(of_volume);
            words.extend(policy.map(|policy| format!("--policy {}", quoted(policy))));
            words.extend(self.is_mixed.then(|| "--mixed".into()));
        }
        words.extend(self.rows.first().map(|row| format!("--zone {}", row.new.zone)));
        match &self.attach {
            Attach::No => {}
            Attach::ToItsOwn => words.push("--attach".into()),
            Attach::To(instance) => words.push(format!("--attach={instance}")),
        }
        words.push(format!("--regions {} --resume {}", self.place.region, self.id));
        words.join(" ")
    }

    pub fn undo(&self) -> String {
        format!("snapkeep restore --undo {} --regions {}", self.id, self.place.region)
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        true => text.into(),
        false => format!("'{}'", plain(text).replace('\'', r"'\''")),
    }
}

/// Where the volume goes: as it was typed, where the instance is that it is for, where the source is.
fn zone_of(
    typed: Option<&str>,
    attach: &Attach,
    instance: Option<&InstanceDetails>,
    source: Option<&VolumeDetails>,
    snapshot: &Snapshot,
    region: &str,
) -> Result<String, Error> {
    let of_instance = instance.map(|instance| instance.zone.as_str()).filter(|zone| !zone.is_empty());
    let of_source = source.map(|source| source.zone.as_str()).filter(|zone| !zone.is_empty());
    if let (Some(typed), Some(there), true) = (typed, of_instance, *attach != Attach::No)
        && typed != there
    {
        return Err(Error::Usage(format!(
            "--zone {typed}: the instance is in {there}, and a volume can only be attached in its own zone"
        )));
    }
    let zone = match attach {
        Attach::No => typed.or(of_source).or(of_instance),
        Attach::ToItsOwn | Attach::To(_) => typed.or(of_instance).or(of_source),
    };
    zone.map(String::from).ok_or_else(|| {
        Error::Usage(format!(
            "neither the volume nor the instance of {} is there any more, so that nobody knows where it was: say \
             --zone, such as --zone {region}a",
            snapshot.id
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_names_an_instance_or_none() {
        let parse = |text: Option<&str>| Attach::parse(text).map_err(|error| error.to_string());
        assert_eq!(parse(None), Ok(Attach::No));
        assert_eq!(parse(Some("")), Ok(Attach::ToItsOwn));
        assert_eq!(parse(Some("i-0123456789abcdef0")), Ok(Attach::To("i-0123456789abcdef0".into())));
        assert!(parse(Some("vol-0123456789abcdef0")).unwrap_err().contains("is no instance"));
    }

    #[test]
    fn a_policys_name_stays_one_word_in_a_shell() {
        assert_eq!(quoted("daily_1.b-c"), "daily_1.b-c");
        assert_eq!(quoted("it's $(reboot)"), r"'it'\''s $(reboot)'");
        assert_eq!(quoted(""), "''");
    }
}
