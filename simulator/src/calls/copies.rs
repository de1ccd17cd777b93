//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html>

use super::snapshots::{check_region_quota, readable, settles};
use super::{Answer, NOT_ACCESSIBLE, invalid_value, is_accessible, specified_tags, wanted_key};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::text;
use crate::world::World;
use crate::world::snapshot::{COPIED_VOLUME, Rare, Snapshot, SnapshotState};

/// A copy has tags of its own, a volume id that means nothing, and shows a key that cannot be used only later: it
/// ends in `error`. <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html>
pub(super) fn copy(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let (from, id) = (params.required("SourceRegion")?, params.required("SourceSnapshotId")?);
    let tags = specified_tags(params, "snapshot", &["snapshot"])?;
    if params.text("Encrypted").is_some_and(|flag| flag.eq_ignore_ascii_case("false")) {
        return Err(invalid_value("The parameter Encrypted cannot be set to false."));
    }
    if !super::regions::is_enabled(world, &call.account, from) {
        return Err(invalid_value(format!("Invalid region provided: {from}")));
    }
    let source = world.region(from, |region| readable(region, call, id).cloned())?;
    if source.state != SnapshotState::Completed {
        let message = format!("The snapshot '{id}' is in state '{}'", source.state.name());
        return Err(Refusal::client("IncorrectState", message));
    }
    if source.rare().outpost.is_some() || source.rare().archive.is_some() {
        let message = format!("The snapshot '{id}' is on an Outpost or archived, and cannot be copied");
        return Err(Refusal::client("UnsupportedOperation", message));
    }
    let key = wanted_key(call, source.rare().key.as_ref())?;
    let source_key = source.rare().key.as_ref();
    let failure = match is_accessible(world, key.as_ref(), &call.region) && is_accessible(world, source_key, from) {
        true => call.ends_in_error.clone(),
        false => Some(text(NOT_ACCESSIBLE)),
    };
    let settings = world.settings();
    let copy = Snapshot {
        id: world.new_id("snap"),
        volume: text(COPIED_VOLUME),
        owner: call.account.clone(),
        tags,
        description: params.text("Description").unwrap_or_default().into(),
        size: source.size,
        started: call.now,
        settles: settles(&settings, source.size, call.now),
        state: SnapshotState::Pending,
        state_message: failure,
        rare: Some(Box::new(Rare { key, is_copy: true, ..Rare::default() })),
    };
    let (id, tags) = (copy.id.clone(), copy.tags.clone());
    world.region(&call.region, |region| {
        if region.snapshots.count(&[(".copied-for", &call.account)]) >= settings.quotas.concurrent_copies {
            let message = "Too many snapshot copies in progress. The limit for this destination region is reached.";
            return Err(Refusal::client("ResourceLimitExceeded", message));
        }
        check_region_quota(region, &settings, call, 1)?;
        region.add_snapshot(copy, call.now);
        Ok(())
    })?;
    let mut xml = Xml::default();
    xml.text("snapshotId", &id).tags(&tags);
    Ok(xml)
}
