//! Which volumes a policy selects, and why not the others.

use std::fmt;

use crate::vocabulary::inventory::{Instance, Tags, Volume};
use crate::vocabulary::selection::{AttachmentState, Resource, Selection, TagMatch};

/// What a selection says of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is backed up, as the volume of this instance at this device where it is attached.
    Selected(Option<Attached<'a>>),
    /// The selection matches it, and something takes it out.
    Skipped(Skip),
    /// The selection is not about it.
    Outside,
}

/// An instance that has the volume, and the device there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Attached<'a> {
    pub instance: &'a Instance,
    pub device: &'a str,
}

/// Why a matching volume is not backed up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// Its instance has this excluded tag.
    InstanceTag(String),
    /// It has this excluded tag itself.
    VolumeTag(String),
    /// Its instance boots from it, and the policy leaves boot volumes out.
    BootVolume,
    /// EC2 takes no snapshot of a volume in this state.
    State(String),
}

/// The verdict on `volume`, which is attached as `attached` says. A Multi-Attach volume is one volume:
/// of several instances that would select it, the one with the lowest id stands for all.
pub fn verdict<'a>(selection: &Selection, volume: &Volume, attached: &[Attached<'a>]) -> Verdict<'a> {
    let candidates = match matching(selection, volume, attached) {
        Some(candidates) => candidates,
        None => return Verdict::Outside,
    };
    if matches!(volume.state.as_str(), "creating" | "deleting" | "deleted" | "error") {
        return Verdict::Skipped(Skip::State(volume.state.clone()));
    }
    if let Some(key) = selection.exclude_tags.any(&volume.tags) {
        return Verdict::Skipped(Skip::VolumeTag(key.into()));
    }
    match instance_for(selection, &candidates) {
        Ok(instance) => Verdict::Selected(instance),
        Err(skip) => Verdict::Skipped(skip),
    }
}

/// Why a selection takes `volume`, or why it does not, in words.
pub fn explained(selection: &Selection, volume: &Volume, attached: &[Attached<'_>]) -> String {
    match verdict(selection, volume, attached) {
        Verdict::Selected(Some(found)) if selection.resource == Resource::Instance => {
            format!("selected, because its instance {} has {}", found.instance.id, wanted(&selection.tags))
        }
        Verdict::Selected(_) => format!("selected, because it has {}", wanted(&selection.tags)),
        Verdict::Skipped(skip) => format!("left out: {skip}"),
        Verdict::Outside => format!("not selected: {}", outside(selection, volume, attached)),
    }
}

fn outside(selection: &Selection, volume: &Volume, attached: &[Attached<'_>]) -> String {
    let lack = |who: &str, tags| lacking(&selection.tags, tags).map(|what| format!("{who} {what}"));
    match selection.resource {
        Resource::Instance if attached.is_empty() => "it is attached to no instance".into(),
        Resource::Instance => {
            let instances = attached.iter().map(|attached| attached.instance);
            let lacking =
                instances.filter_map(|instance| lack(&format!("its instance {}", instance.id), &instance.tags));
            lacking.collect::<Vec<_>>().join("; ")
        }
        Resource::Volume(_) => lack("it", &volume.tags).unwrap_or_else(|| format!("it is {}", volume.state)),
    }
}

/// What is wanted and not there, of the first tag that does not match.
fn lacking(wanted: &TagMatch, tags: &Tags) -> Option<String> {
    let (key, values) =
        wanted.0.iter().find(|(key, values)| !TagMatch([((*key).clone(), (*values).clone())].into()).all(tags))?;
    Some(match tags.get(key) {
        None => format!("has no tag {key}"),
        Some(found) => format!("has the tag {key}={found}, and {} is wanted", values.join(" or ")),
    })
}

fn wanted(tags: &TagMatch) -> String {
    let tags = tags.0.iter().map(|(key, values)| match values.is_empty() {
        true => format!("the tag {key}"),
        false => format!("the tag {key}={}", values.join(" or ")),
    });
    let tags: Vec<String> = tags.collect();
    if tags.is_empty() { "no tag to have".into() } else { tags.join(" and ") }
}

/// The attachments that make the selection match, in the order of their instances' ids.
fn matching<'a>(selection: &Selection, volume: &Volume, attached: &[Attached<'a>]) -> Option<Vec<Attached<'a>>> {
    let mut attached = attached.to_vec();
    attached.sort_by(|one, other| one.instance.id.cmp(&other.instance.id));
    match selection.resource {
        Resource::Instance => {
            attached.retain(|attached| selection.tags.all(&attached.instance.tags));
            (!attached.is_empty()).then_some(attached)
        }
        Resource::Volume(state) => {
            let state_matches = match state {
                AttachmentState::Any => true,
                AttachmentState::InUse => volume.state == "in-use",
                AttachmentState::Available => volume.state == "available",
            };
            (state_matches && selection.tags.all(&volume.tags)).then_some(attached)
        }
    }
}

/// The first instance that nothing takes out; where all are taken out, why the first one is.
fn instance_for<'a>(selection: &Selection, candidates: &[Attached<'a>]) -> Result<Option<Attached<'a>>, Skip> {
    let mut first_reason = None;
    for attached in candidates {
        let is_boot = attached.instance.root_device.as_deref() == Some(attached.device);
        let reason = match selection.exclude_tags.any(&attached.instance.tags) {
            Some(key) => Skip::InstanceTag(key.into()),
            None if selection.exclude_boot_volumes && is_boot => Skip::BootVolume,
            None => return Ok(Some(*attached)),
        };
        first_reason.get_or_insert(reason);
    }
    first_reason.map_or(Ok(None), Err)
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceTag(key) => write!(f, "instance has the excluded tag {key}"),
            Self::VolumeTag(key) => write!(f, "volume has the excluded tag {key}"),
            Self::BootVolume => f.write_str("boot volume"),
            Self::State(state) => write!(f, "volume is in state {state}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::inventory::Tags;
    use crate::vocabulary::selection::TagMatch;

    fn tags(text: &str) -> Tags {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.into(), value.into())).collect()
    }

    /// `Backup=true|yes Team=` reads: Backup is true or yes, and Team is there.
    fn tag_match(text: &str) -> TagMatch {
        let values = |value: &str| value.split('|').filter(|value| !value.is_empty()).map(String::from).collect();
        TagMatch(tags(text).into_iter().map(|(key, value)| (key, values(&value))).collect())
    }

    fn selection(resource: Resource, tags: &str, exclude: &str) -> Selection {
        Selection { resource, tags: tag_match(tags), exclude_tags: tag_match(exclude), exclude_boot_volumes: false }
    }

    fn volume(state: &str, tags_: &str) -> Volume {
        Volume { id: "vol-1".into(), state: state.into(), tags: tags(tags_), ..Volume::default() }
    }

    fn instance(id: &str, tags_: &str) -> Instance {
        Instance { id: id.into(), tags: tags(tags_), root_device: Some("/dev/xvda".into()), volumes: vec![] }
    }

    /// The verdict in a word: the instance's id, `-` for none, or why not.
    fn check(selection: &Selection, volume: &Volume, instances: &[(&Instance, &'static str)], expected: &str) {
        let attached: Vec<_> = instances.iter().map(|(instance, device)| Attached { instance, device }).collect();
        let found = match verdict(selection, volume, &attached) {
            Verdict::Selected(Some(attached)) => attached.instance.id.clone(),
            Verdict::Selected(None) => "-".into(),
            Verdict::Skipped(skip) => skip.to_string(),
            Verdict::Outside => "outside".into(),
        };
        assert_eq!(found, expected, "{selection:?} {volume:?} {instances:?}");
    }

    #[test]
    fn every_volume_of_a_matching_instance_is_selected() {
        let rule = selection(Resource::Instance, "Backup=true|yes Team=", "");
        let plain = volume("in-use", "");
        check(&rule, &plain, &[(&instance("i-1", "Backup=yes Team=db"), "/dev/xvda")], "i-1");
        check(&rule, &plain, &[(&instance("i-1", "Backup=yes"), "/dev/xvda")], "outside");
        check(&rule, &plain, &[(&instance("i-1", "Backup=True Team=db"), "/dev/xvda")], "outside");
        check(&rule, &volume("in-use", "Backup=yes Team=db"), &[], "outside");
    }

    #[test]
    fn values_are_literal() {
        let rule = selection(Resource::Instance, "Backup=*", "");
        check(&rule, &volume("in-use", ""), &[(&instance("i-1", "Backup=true"), "/dev/sdf")], "outside");
        check(&rule, &volume("in-use", ""), &[(&instance("i-1", "Backup=*"), "/dev/sdf")], "i-1");
    }

    #[test]
    fn a_multi_attach_volume_is_selected_once_by_the_lowest_instance_that_nothing_takes_out() {
        let rule = selection(Resource::Instance, "Backup=true", "Backup-Not=");
        let (a, b, c) = (
            instance("i-a", "Backup=true Backup-Not=x"),
            instance("i-b", "Backup=true"),
            instance("i-c", "Backup=true"),
        );
        let plain = volume("in-use", "");
        check(&rule, &plain, &[(&c, "/dev/sdf"), (&b, "/dev/sdf"), (&a, "/dev/sdf")], "i-b");
        check(&rule, &plain, &[(&a, "/dev/sdf")], "instance has the excluded tag Backup-Not");
    }

    #[test]
    fn an_excluded_tag_on_instance_or_volume_takes_the_volume_out() {
        let rule = selection(Resource::Instance, "Backup=true", "Scratch=true");
        let (plain, scratch) = (instance("i-1", "Backup=true"), instance("i-1", "Backup=true Scratch=true"));
        check(&rule, &volume("in-use", "Scratch=false"), &[(&plain, "/dev/sdf")], "i-1");
        check(&rule, &volume("in-use", "Scratch=true"), &[(&plain, "/dev/sdf")], "volume has the excluded tag Scratch");
        check(&rule, &volume("in-use", ""), &[(&scratch, "/dev/sdf")], "instance has the excluded tag Scratch");
        let volumes = selection(Resource::Volume(AttachmentState::Any), "", "Scratch=true");
        check(&volumes, &volume("in-use", ""), &[(&scratch, "/dev/sdf")], "instance has the excluded tag Scratch");
    }

    #[test]
    fn boot_volumes_are_left_out_where_the_policy_says_so() {
        let mut rule = selection(Resource::Instance, "Backup=true", "");
        let server = instance("i-1", "Backup=true");
        check(&rule, &volume("in-use", ""), &[(&server, "/dev/xvda")], "i-1");
        rule.exclude_boot_volumes = true;
        check(&rule, &volume("in-use", ""), &[(&server, "/dev/xvda")], "boot volume");
        check(&rule, &volume("in-use", ""), &[(&server, "/dev/sdf")], "i-1");
    }

    #[test]
    fn volumes_are_selected_by_their_own_tags_and_state() {
        let any = selection(Resource::Volume(AttachmentState::Any), "Backup=true", "");
        check(&any, &volume("available", "Backup=true"), &[], "-");
        check(&any, &volume("available", "Backup=no"), &[], "outside");
        let in_use = selection(Resource::Volume(AttachmentState::InUse), "", "");
        check(&in_use, &volume("in-use", ""), &[(&instance("i-1", ""), "/dev/sdf")], "i-1");
        check(&in_use, &volume("available", ""), &[], "outside");
        let loose = selection(Resource::Volume(AttachmentState::Available), "", "");
        check(&loose, &volume("available", ""), &[], "-");
    }

    #[test]
    fn a_volume_that_ec2_cannot_snapshot_is_skipped_with_its_state() {
        let any = selection(Resource::Volume(AttachmentState::Any), "", "");
        for state in ["creating", "deleting", "deleted", "error"] {
            check(&any, &volume(state, ""), &[], &format!("volume is in state {state}"));
        }
    }
}
