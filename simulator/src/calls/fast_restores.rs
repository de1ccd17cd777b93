//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableFastSnapshotRestores.html> and its neighbours.
//!
//! AWS documents the rules (<https://docs.aws.amazon.com/ebs/latest/userguide/ebs-fast-snapshot-restore.html>), and
//! the codes of none of the refusals. What is wrong with the call fails all of it; what a snapshot is not fit for
//! stands under `unsuccessful`, with its zones, and the rest is done.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::snapshots::{not_found, owned};
use super::{Answer, Ids, check_zone, filters_among, page};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::Text;
use crate::world::fast_restore::FastRestore;
use crate::world::settings::Settings;
use crate::world::snapshot::SnapshotState;
use crate::world::{Region, World};

/// Snapshots that one call names, and EC2's words for more of them: pingcap/tidb#48505.
const MOST_SNAPSHOTS: usize = 10;

/// In GiB: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-fast-snapshot-restore.html>
const LARGEST: u32 = 16_384;

pub(super) fn enable(world: &World, call: &Call) -> Answer {
    let settings = world.settings();
    in_each_zone(world, call, |region, id, zone| turn_on(region, &settings, call, id, zone))
}

pub(super) fn disable(world: &World, call: &Call) -> Answer {
    let settings = world.settings();
    in_each_zone(world, call, |region, id, zone| turn_off(region, &settings, call, id, zone))
}

/// Tries each of the snapshots in each of the zones, and says of each what came of it.
fn in_each_zone(
    world: &World,
    call: &Call,
    attempt: impl Fn(&mut Region, &str, &str) -> Result<FastRestore, Refusal>,
) -> Answer {
    let (ids, zones) = (listed(call, "SourceSnapshotId")?, listed(call, "AvailabilityZone")?);
    if ids.len() > MOST_SNAPSHOTS {
        let message =
            format!("Number of values of parameter SourceSnapshotIds must be less than or equal to {MOST_SNAPSHOTS}.");
        return Err(Refusal::client("InvalidRequest", message));
    }
    for zone in &zones {
        check_zone(call, zone)?;
    }
    let tried = world.region(&call.region, |region| {
        for id in &ids {
            owned(region, call, id)?;
        }
        let mut in_zones = |id| zones.iter().map(|zone| (*zone, attempt(region, id, zone))).collect::<Vec<_>>();
        Ok(ids.iter().map(|id| (*id, in_zones(*id))).collect::<Vec<_>>())
    })?;
    let mut xml = Xml::default();
    let done = tried.iter().flat_map(|(_, zones)| zones).filter_map(|(_, outcome)| outcome.as_ref().ok());
    xml.set("successful", done, |xml, restore| write(xml, restore, call.now));
    let failed = tried.iter().filter(|(_, zones)| zones.iter().any(|(_, outcome)| outcome.is_err()));
    xml.set("unsuccessful", failed, |xml, (id, zones)| {
        let refused = zones.iter().filter_map(|(zone, outcome)| Some((zone, outcome.as_ref().err()?)));
        xml.text("snapshotId", id).set("fastSnapshotRestoreStateErrorSet", refused, |xml, (zone, refusal)| {
            xml.text("availabilityZone", zone).within("error", |xml| {
                xml.text("code", &refusal.code).text("message", &refusal.message);
            });
        });
    });
    Ok(xml)
}

fn listed<'a>(call: &'a Call, name: &str) -> Result<Vec<&'a str>, Refusal> {
    let listed = call.params.list(name);
    match listed.is_empty() {
        true => Err(Refusal::client("MissingParameter", format!("The request must contain the parameter {name}"))),
        false => Ok(listed),
    }
}

/// What is enabled stays as it is; what is on its way out begins again.
fn turn_on(
    region: &mut Region,
    settings: &Settings,
    call: &Call,
    id: &str,
    zone: &str,
) -> Result<FastRestore, Refusal> {
    let key = FastRestore::key(id, zone);
    if let Some(found) = region.fast_restores.get(&key).filter(|found| found.ends.is_none()) {
        return Ok(found.clone());
    }
    let snapshot = owned(region, call, id)?;
    if snapshot.state != SnapshotState::Completed {
        let message = format!("The snapshot '{id}' is in state '{}'", snapshot.state.name());
        return Err(Refusal::client("IncorrectState", message));
    }
    if snapshot.rare().archive.is_some() || snapshot.rare().outpost.is_some() || snapshot.size > LARGEST {
        let message = format!("The snapshot '{id}' is archived, on an Outpost or larger than {LARGEST} GiB");
        return Err(Refusal::client("UnsupportedOperation", message));
    }
    let new = FastRestore::new(snapshot, zone, call.now, settings.changes_after);
    check_quota(region, settings, call, id)?;
    if !region.fast_restores.change(&key, |restore| *restore = new.clone()) {
        region.fast_restores.insert(new.clone(), call.now);
    }
    Ok(new)
}

/// What counts is the snapshot, in however many zones it is enabled.
fn check_quota(region: &Region, settings: &Settings, call: &Call, id: &str) -> Result<(), Refusal> {
    let own = region.fast_restores.lookup("owner-id", &call.account);
    let on = own.filter(|restore| restore.state(call.now) != "disabled" && *restore.snapshot != *id);
    let others: BTreeSet<&Text> = on.map(|restore| &restore.snapshot).collect();
    match (others.len() as u64) < settings.quotas.fast_restored_snapshots {
        true => Ok(()),
        false => {
            let message = "Too many snapshots are enabled for fast snapshot restore in this Region";
            Err(Refusal::client("ResourceLimitExceeded", message))
        }
    }
}

fn turn_off(
    region: &mut Region,
    settings: &Settings,
    call: &Call,
    id: &str,
    zone: &str,
) -> Result<FastRestore, Refusal> {
    let key = FastRestore::key(id, zone);
    let found = region.fast_restores.get(&key).filter(|found| found.state(call.now) != "disabled").cloned();
    let mut restore = found.ok_or_else(|| {
        let message = format!("Fast snapshot restores are not enabled for the snapshot '{id}' in {zone}");
        Refusal::client("IncorrectState", message)
    })?;
    restore.ends.get_or_insert((call.now, call.now + settings.changes_after));
    region.fast_restores.change(&key, |kept| *kept = restore.clone());
    Ok(restore)
}

/// Refused for a snapshot that is not `disabled` in every zone. EC2's words: rebuy-de/aws-nuke#453.
pub(super) fn check_disabled(region: &Region, id: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    let on = region.fast_restores.lookup("snapshot-id", id).filter(|restore| restore.state(now) != "disabled");
    let zones: Vec<&str> = on.map(|restore| &*restore.zone).collect();
    match zones.is_empty() {
        true => Ok(()),
        false => {
            let message = format!(
                "The snapshot {id} is currently enabled for fast restores in {}. Fast snapshot restores must be \
                 disabled within all Availability Zones before the snapshot may be deleted.",
                zones.join(", ")
            );
            Err(Refusal::client("InvalidSnapshot.InUse", message))
        }
    }
}

/// Those that the account has enabled, also what is `disabled` by now.
pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let names = ["availability-zone", "owner-id", "snapshot-id", "state"];
    let filters = filters_among(call, &names.map(|name| (name, name)))?;
    // Of none at all, no page would have an end.
    let size = call.params.number("MaxResults", 0..=200)?.and_then(|size| usize::try_from(size).ok());
    let ids = Ids { ids: vec![], size: size.filter(|size| *size > 0), not_found };
    let scopes: &[&[(&str, &str)]] = &[&[("owner-id", &call.account)]];
    let found =
        world.region(&call.region, |region| page(world, call, &region.fast_restores, scopes, &ids, &filters))?;
    let mut xml = Xml::default();
    xml.set("fastSnapshotRestoreSet", &found.rows, |xml, restore| write(xml, restore, call.now));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

fn write(xml: &mut Xml, restore: &FastRestore, now: DateTime<Utc>) {
    let state = restore.state(now);
    let reason = match state {
        "enabling" | "disabling" => "Client.UserInitiated",
        _ => "Client.UserInitiated - Lifecycle state transition",
    };
    xml.text("snapshotId", &restore.snapshot).text("availabilityZone", &restore.zone).text("state", state);
    xml.text("stateTransitionReason", reason).text("ownerId", &restore.owner);
    for (name, time) in restore.times(now) {
        xml.time(name, time);
    }
}
