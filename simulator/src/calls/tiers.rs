//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotTier.html> and
//! `DescribeSnapshotTierStatus`.
//!
//! AWS documents the rules (<https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive.html>), and the codes
//! of none of the refusals.

use chrono::{DateTime, Utc};

use super::snapshots::{hiding_recoverable, not_found, owned};
use super::{Answer, Ids, filters_among, invalid_value, page};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::text;
use crate::world::snapshot::{Archive, Snapshot, SnapshotState};
use crate::world::{Due, World};

pub(super) fn modify(world: &World, call: &Call) -> Answer {
    let id = call.params.required("SnapshotId")?;
    match call.params.text("StorageTier") {
        Some("archive") => {}
        other => {
            let other = other.unwrap_or_default();
            return Err(invalid_value(format!("Value ({other}) for parameter storageTier is invalid.")));
        }
    }
    let settings = world.settings();
    world.region(&call.region, |region| {
        let snapshot = owned(region, call, id)?;
        let is_of_backup = snapshot.tags.contains_key("aws:backup:source-resource");
        let image = region.images.lookup("block-device-mapping.snapshot-id", id).next();
        if snapshot.state != SnapshotState::Completed || snapshot.rare().archive.is_some() {
            let message = format!("The snapshot '{id}' is not completed, or archived already");
            return Err(Refusal::client("IncorrectState", message));
        }
        if image.is_some() || is_of_backup || snapshot.rare().outpost.is_some() {
            let message = format!("The snapshot '{id}' belongs to an image, to AWS Backup or to an Outpost");
            return Err(Refusal::client("UnsupportedOperation", message));
        }
        let of_volume = region.snapshots.count(&[("volume-id", &snapshot.volume), (".in-archive", "true")]);
        let under_way = region.snapshots.count(&[(".archived-for", &call.account)]);
        let quotas = &settings.quotas;
        if of_volume >= quotas.archived_per_volume || under_way >= quotas.archives_in_progress {
            return Err(Refusal::client(
                "ResourceLimitExceeded",
                "Too many archived snapshots or archives in progress",
            ));
        }
        let (began, until) = (call.now, call.now + settings.archives_after);
        let archive = Archive::UnderWay { began, until };
        region.snapshots.change(id, |snapshot| snapshot.rare_mut().archive = Some(archive));
        region.at(until, Due::SnapshotArchived(text(id)));
        Ok(())
    })?;
    let mut xml = Xml::default();
    xml.text("snapshotId", id).time("tieringStartTime", call.now);
    Ok(xml)
}

/// All snapshots of the account that are not in the Recycle Bin, those that were never archived as well.
pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let known = [
        ("snapshot-id", "snapshot-id"),
        ("volume-id", "volume-id"),
        ("last-tiering-operation", ".last-tiering-operation"),
    ];
    let mut filters = filters_among(call, &known)?;
    let ids = Ids { ids: vec![], size: call.params.page_size()?, not_found };
    let found = world.region(&call.region, |region| {
        filters.extend(hiding_recoverable(region));
        page(world, call, &region.snapshots, &[&[("owner-id", &call.account)]], &ids, &filters)
    })?;
    let mut xml = Xml::default();
    xml.set("snapshotTierStatusSet", &found.rows, |xml, snapshot| write(xml, snapshot, call.now));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

fn write(xml: &mut Xml, snapshot: &Snapshot, now: DateTime<Utc>) {
    xml.text("snapshotId", &snapshot.id).text("volumeId", &snapshot.volume).text("status", snapshot.state.name());
    xml.text("ownerId", &snapshot.owner).tags(&snapshot.tags).text("storageTier", snapshot.tier());
    let Some(archive) = snapshot.rare().archive else { return };
    let (Archive::UnderWay { began, .. } | Archive::Done { began, .. }) = archive;
    xml.time("lastTieringStartTime", began).plain("lastTieringProgress", archive.progress(now));
    xml.text("lastTieringOperationStatus", archive.state());
    if let Archive::Done { done, .. } = archive {
        xml.time("archivalCompleteTime", done);
    }
}
