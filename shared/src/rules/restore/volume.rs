//! The volume that a snapshot becomes: like its source, as far as that is known.

use super::choose::source;
use crate::rules::tags::{LONGEST_VALUE, MOST_TAGS, is_reserved};
use crate::vocabulary::inventory::{Snapshot, Tags};
use crate::vocabulary::problem::shortened;
use crate::vocabulary::restore::{NewVolume, RestoreId, Shape, VolumeDetails};
use crate::vocabulary::tag;

/// What a volume is made as when nobody knows what its source was.
const DEFAULT_KIND: &str = "gp3";

/// The volume to be made of `snapshot` in `zone`, and what a person should know about it. Type, speed and tags are those
/// of the `source`; of one that is gone, the snapshot tells what it can. A volume may be larger than its snapshot, and
/// never smaller.
pub fn planned(
    id: &RestoreId,
    snapshot: &Snapshot,
    source: Option<&VolumeDetails>,
    zone: &str,
) -> (NewVolume, Vec<String>) {
    let mut notes = Vec::new();
    let shape = match source {
        Some(source) => like(&source.shape, snapshot.volume_gib, &mut notes),
        None => {
            notes.push(format!(
                "the source is gone, and its type with it: made as {DEFAULT_KIND}; another one later: aws ec2 modify-volume"
            ));
            Shape { kind: DEFAULT_KIND.into(), gib: snapshot.volume_gib, ..Shape::default() }
        }
    };
    let (tags, dropped) = tags(id, snapshot, source);
    notes.extend((!dropped.is_empty()).then(|| format!("there is no room for the tags {}", dropped.join(", "))));
    (NewVolume { snapshot: snapshot.id.clone(), zone: zone.into(), shape, tags }, notes)
}

/// The volume that a drill makes: as plain as possible, and with none of the source's tags, so that no policy and no
/// script takes it for one that is used.
pub fn drilled(id: &RestoreId, snapshot: &Snapshot, zone: &str) -> NewVolume {
    let shape = Shape { kind: DEFAULT_KIND.into(), gib: snapshot.volume_gib, ..Shape::default() };
    let name = format!("snapkeep drill of {}", source(snapshot).unwrap_or("a volume"));
    let mut tags = own_tags(id, snapshot);
    tags.extend([(tag::DRILL, id.as_str().into()), (tag::NAME, name)].map(|(key, value)| (key.into(), value)));
    NewVolume { snapshot: snapshot.id.clone(), zone: zone.into(), shape, tags }
}

/// EC2 tells operations a second of types for which it would refuse to be told them, such as gp2:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
fn like(source: &Shape, least: u32, notes: &mut Vec<String>) -> Shape {
    if source.gib > least {
        notes.push(format!(
            "the source has {} GiB and the snapshot {least}: the filesystem on it may have to be grown again",
            source.gib
        ));
    }
    let (has_iops, has_throughput) = (matches!(&*source.kind, "gp3" | "io1" | "io2"), source.kind == "gp3");
    Shape {
        gib: source.gib.max(least),
        iops: source.iops.filter(|_| has_iops),
        throughput: source.throughput.filter(|_| has_throughput),
        ..source.clone()
    }
}

/// All tags of a restored volume, and the keys for which there was no room: ours, then its name, then the source's. What
/// makes a policy take the source makes it take this one too.
fn tags(id: &RestoreId, snapshot: &Snapshot, source: Option<&VolumeDetails>) -> (Vec<(String, String)>, Vec<String>) {
    let mut tags = own_tags(id, snapshot);
    let copied: &Tags = source.map_or(&snapshot.tags, |source| &source.volume.tags);
    let name = copied.get(tag::NAME).cloned().unwrap_or_else(|| format!("restored from {}", snapshot.id));
    tags.push((tag::NAME.into(), name));
    let mut dropped = Vec::new();
    for (key, value) in copied.iter().filter(|(key, _)| !is_reserved(key) && *key != tag::NAME) {
        match tags.len() < MOST_TAGS {
            true => tags.push((key.clone(), value.clone())),
            false => dropped.push(key.clone()),
        }
    }
    (tags, dropped)
}

fn own_tags(id: &RestoreId, snapshot: &Snapshot) -> Vec<(String, String)> {
    let device = snapshot.tags.get(tag::DEVICE).map(|device| shortened(device, LONGEST_VALUE));
    let own = [
        (tag::RESTORE, Some(id.to_string())),
        (tag::RESTORED_FROM, Some(snapshot.id.clone())),
        (tag::RESTORED_VOLUME, source(snapshot).map(String::from)),
        (tag::RESTORED_DEVICE, device),
    ];
    own.into_iter().filter_map(|(key, value)| Some((key.into(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::choose::tests::snapshot;
    use super::*;
    use crate::vocabulary::inventory::Volume;

    fn id() -> RestoreId {
        RestoreId::parse("", "r-3f2a9c07be51").unwrap()
    }

    fn of(kind: &str, gib: u32, tags: &[(&str, &str)]) -> VolumeDetails {
        let tags = tags.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect();
        let shape = Shape {
            kind: kind.into(),
            gib,
            iops: Some(4000),
            throughput: Some(250),
            is_multi_attach: false,
            outpost: None,
        };
        VolumeDetails {
            volume: Volume { id: "vol-1".into(), tags, ..Volume::default() },
            shape,
            ..VolumeDetails::default()
        }
    }

    fn made(source: Option<&VolumeDetails>) -> (NewVolume, Vec<String>) {
        planned(
            &id(),
            &snapshot("snap-1", "vol-1", "2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z"),
            source,
            "eu-central-1a",
        )
    }

    #[test]
    fn a_volume_has_its_sources_type_and_speed_as_far_as_ec2_wants_to_be_told_them() {
        let speed = |kind: &str| {
            let shape = made(Some(&of(kind, 8, &[]))).0.shape;
            (shape.kind, shape.iops, shape.throughput)
        };
        for kind in ["gp2", "st1", "sc1", "standard"] {
            assert_eq!(speed(kind), (kind.into(), None, None));
        }
        assert_eq!(speed("gp3"), ("gp3".into(), Some(4000), Some(250)));
        assert_eq!(speed("io1"), ("io1".into(), Some(4000), None));
        assert_eq!(speed("io2"), ("io2".into(), Some(4000), None));
    }

    #[test]
    fn a_volume_is_never_smaller_than_its_snapshot_nor_than_its_source() {
        let (volume, notes) = made(Some(&of("gp3", 20, &[])));
        assert_eq!((volume.shape.gib, notes.len()), (20, 1));
        assert_eq!(made(Some(&of("gp3", 4, &[]))).0.shape.gib, 8);
        let (volume, notes) = made(None);
        assert_eq!((volume.shape.kind.as_str(), volume.shape.gib), ("gp3", 8));
        assert!(notes[0].contains("gone"), "{notes:?}");
    }

    #[test]
    fn it_says_by_its_tags_what_it_is_and_bears_the_sources_but_no_orders() {
        let source = of(
            "gp3",
            8,
            &[("Backup", "true"), ("aws:x", "y"), ("snapkeep:restore", "r-1"), ("Name", "db"), ("DeleteOn", "x")],
        );
        let expected = "snapkeep:restore=r-3f2a9c07be51 snapkeep:restored-from=snap-1 snapkeep:restored-volume=vol-1 \
            Name=db Backup=true";
        let shown = |tags: &[(String, String)]| {
            tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&made(Some(&source)).0.tags), expected);
        let mut of_gone = snapshot("snap-1", "vol-1", "2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z");
        of_gone.tags.extend([("Team", "x"), ("DeleteOn", "2026-11-27")].map(|(key, value)| (key.into(), value.into())));
        of_gone.tags.insert(tag::DEVICE.into(), "/dev/sdf".into());
        let expected = "snapkeep:restore=r-3f2a9c07be51 snapkeep:restored-from=snap-1 snapkeep:restored-volume=vol-1 \
            snapkeep:restored-device=/dev/sdf Name=restored from snap-1 Team=x";
        assert_eq!(shown(&planned(&id(), &of_gone, None, "eu-central-1a").0.tags), expected);
    }

    #[test]
    fn a_drills_volume_has_no_tag_that_anybody_goes_by() {
        let of = snapshot("snap-1", "vol-1", "2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z");
        let tags = drilled(&id(), &of, "eu-central-1a").tags;
        assert!(tags.iter().all(|(key, _)| key.starts_with("snapkeep:") || key == tag::NAME), "{tags:?}");
        assert!(tags.contains(&(tag::DRILL.into(), id().to_string())));
    }

    #[test]
    fn never_more_than_fifty_tags() {
        let many: Vec<(String, String)> = (0..50).map(|n| (format!("t{n:02}"), String::new())).collect();
        let mut source = of("gp3", 8, &[]);
        source.volume.tags = many.into_iter().collect();
        let (volume, notes) = made(Some(&source));
        assert_eq!(volume.tags.len(), 50);
        assert!(notes[0].contains("no room for the tags t46, t47, t48, t49"), "{notes:?}");
    }
}
