//! The Recycle Bin: <https://docs.aws.amazon.com/ebs/latest/userguide/recycle-bin-working-with-snaps.html>

use super::snapshots::{checked, not_found};
use super::{Answer, Ids, page};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::text;
use crate::world::snapshot::{Snapshot, SnapshotState};
use crate::world::{Due, Region, World};

/// How long the bin keeps a snapshot that is deleted now: of the rules that match, the longest counts.
pub(super) fn days(region: &Region, snapshot: &Snapshot) -> Option<i64> {
    let has = |tag: &(crate::text::Text, crate::text::Text)| snapshot.tags.get(&tag.0) == Some(&tag.1);
    let rules = region.bin_rules.iter();
    rules.filter(|rule| rule.account == snapshot.owner && rule.tag.as_ref().is_none_or(has)).map(|rule| rule.days).max()
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let ids = Ids::read(&call.params, "SnapshotId", checked, not_found)?;
    let scopes: [&[(&str, &str)]; 2] = [&[("owner-id", &call.account)], &[("status", "recoverable")]];
    let found = world.region(&call.region, |region| page(world, call, &region.snapshots, &scopes, &ids, &[]))?;
    let mut xml = Xml::default();
    xml.set("snapshotSet", &found.rows, |xml, snapshot| {
        xml.text("snapshotId", &snapshot.id).text("description", &snapshot.description);
        xml.text("volumeId", &snapshot.volume);
        if let Some((enter, exit)) = snapshot.rare().bin {
            xml.time("recycleBinEnterTime", enter).time("recycleBinExitTime", exit);
        }
    });
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

pub(super) fn restore(world: &World, call: &Call) -> Answer {
    let id = checked(call.params.required("SnapshotId")?)?;
    let changes_after = world.settings().changes_after;
    let restored = world.region(&call.region, |region| {
        let is_ours = |snapshot: &&Snapshot| snapshot.owner == call.account;
        let snapshot = region.snapshots.get(id).filter(is_ours).ok_or_else(|| not_found(id))?;
        if snapshot.state != SnapshotState::Recoverable {
            let message = format!("The snapshot '{id}' is not in the Recycle Bin");
            return Err(Refusal::client("IncorrectState", message));
        }
        region.snapshots.change(id, |snapshot| {
            snapshot.state = SnapshotState::Recovering;
            snapshot.rare_mut().bin = None;
        });
        region.at(call.now + changes_after, Due::SnapshotRecovered(text(id)));
        region.snapshots.get(id).cloned().ok_or_else(|| not_found(id))
    })?;
    let mut xml = Xml::default();
    super::snapshots::write(&mut xml, &restored, call.now);
    Ok(xml)
}
