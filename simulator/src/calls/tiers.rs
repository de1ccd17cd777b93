//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotTier.html>
//!
//! AWS documents the rules (<https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive.html>), and the codes
//! of none of the refusals.

use super::snapshots::owned;
use super::{Answer, invalid_value};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::text;
use crate::world::snapshot::{Archive, SnapshotState};
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
        region.snapshots.change(id, |snapshot| snapshot.rare_mut().archive = Some(Archive::UnderWay));
        region.at(call.now + settings.archives_after, Due::SnapshotArchived(text(id)));
        Ok(())
    })?;
    let mut xml = Xml::default();
    xml.text("snapshotId", id).time("tieringStartTime", call.now);
    Ok(xml)
}
