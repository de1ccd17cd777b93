//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html> and its neighbours.

use chrono::{DateTime, TimeDelta, Utc};

use super::fast_restores::check_disabled;
use super::instances::owned as owned_instance;
use super::volumes::{checked as checked_volume, owned as owned_volume};
use super::{Answer, Ids, NOT_ACCESSIBLE, accounts, invalid_value, is_accessible, may_use, page, specified_tags};
use crate::answer::{Refusal, Xml};
use crate::filter::Filter;
use crate::query::Call;
use crate::text::{Tags, Text, text};
use crate::world::settings::Settings;
use crate::world::snapshot::{Rare, Snapshot, SnapshotState};
use crate::world::volume::{Volume, VolumeState};
use crate::world::{Due, Region, World};

/// Most data volumes that `CreateSnapshots` can be told to leave out.
const MOST_EXCLUDED: usize = 40;

/// Without `Owner` and `RestorableBy`: all that the caller owns, that are shared with it, and the public ones of
/// strangers. Who names ids gets those it may see, and an error if one does not exist. Those in the Recycle Bin are
/// listed by `ListSnapshotsInRecycleBin` only.
pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let ids = Ids::read(params, "SnapshotId", checked, not_found)?;
    let me = &*call.account;
    let mut filters = params.filters()?;
    let owners = accounts(call, "Owner");
    if !owners.is_empty() {
        filters.push(Filter::literal("owner-id", owners));
    }
    let mut restorable = Vec::new();
    for who in params.list("RestorableBy") {
        match who {
            "self" => restorable.extend([("owner-id", me), (".restorable-by", me)]),
            who => restorable.push((".restorable-by", who)),
        }
    }
    let visible = [("owner-id", me), (".restorable-by", me), (".restorable-by", "all")];
    let scopes: &[&[(&str, &str)]] = &[&visible, &restorable];
    let scopes = if restorable.is_empty() { &scopes[..1] } else { scopes };
    let found = world.region(&call.region, |region| {
        filters.extend(hiding_recoverable(region));
        page(world, call, &region.snapshots, scopes, &ids, &filters)
    })?;
    let mut xml = Xml(String::with_capacity(600 * found.rows.len()));
    xml.set("snapshotSet", &found.rows, |xml, snapshot| write(xml, snapshot, call.now));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

/// A filter that hides what is in the Recycle Bin, if anything is.
pub(super) fn hiding_recoverable(region: &Region) -> Option<Filter> {
    let shown = [SnapshotState::Pending, SnapshotState::Completed, SnapshotState::Error, SnapshotState::Recovering];
    let is_needed = region.snapshots.count(&[("status", "recoverable")]) > 0;
    is_needed.then(|| Filter::literal("status", shown.map(|state| state.name().into()).to_vec()))
}

pub(super) fn create(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let volume_id = checked_volume(params.required("VolumeId")?)?;
    let (tags, description) = (specified_tags(params, "snapshot", &["snapshot"])?, description(call)?);
    let settings = world.settings();
    let made = world.region(&call.region, |region| {
        let volume = owned_volume(region, call, volume_id)?.clone();
        check_volume(world, call, &volume)?;
        check_quotas(region, &settings, call, &volume)?;
        let new = begin(world, call, &volume, tags, description, call.ends_in_error.clone());
        region.last_snapshot.insert(volume.id, call.now);
        region.add_snapshot(new.clone(), call.now);
        Ok(new)
    })?;
    let mut xml = Xml::default();
    write(&mut xml, &made, call.now);
    Ok(xml)
}

/// Of all volumes of an instance at one instant. If one of them fails, all end in `error`.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-create-snapshots.html>
pub(super) fn create_set(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let instance_id = params.required("InstanceSpecification.InstanceId")?;
    let excluded = params.list("InstanceSpecification.ExcludeDataVolumeId");
    if excluded.len() > MOST_EXCLUDED {
        return Err(invalid_value(format!("{} excluded volumes; the most are {MOST_EXCLUDED}", excluded.len())));
    }
    let copies_tags = match params.text("CopyTagsFromSource") {
        None => false,
        Some("volume") => true,
        Some(other) => {
            return Err(invalid_value(format!("Value ({other}) for parameter copyTagsFromSource is invalid.")));
        }
    };
    let (tags, description) = (specified_tags(params, "snapshot", &["snapshot"])?, description(call)?);
    let settings = world.settings();
    let made = world.region(&call.region, |region| {
        let instance = owned_instance(region, call, instance_id)?;
        let is_boot =
            |device: &Text| params.flag("InstanceSpecification.ExcludeBootVolume") && *device == instance.root_device;
        for id in &excluded {
            let is_data = |mapping: &crate::world::instance::Mapping| {
                *mapping.volume == **id && mapping.device != instance.root_device
            };
            if !instance.volumes.iter().any(is_data) {
                let message = format!("The volume '{id}' is no data volume of instance '{instance_id}'");
                return Err(invalid_value(message));
            }
        }
        let wanted = instance
            .volumes
            .iter()
            .filter(|mapping| !is_boot(&mapping.device) && !excluded.contains(&&*mapping.volume));
        let wanted: Vec<Text> = wanted.map(|mapping| mapping.volume.clone()).collect();
        if wanted.is_empty() {
            return Err(invalid_value(format!("No volume of instance '{instance_id}' is left to take a snapshot of")));
        }
        let volumes = wanted.iter().map(|id| owned_volume(region, call, id).cloned());
        let volumes = volumes.collect::<Result<Vec<Volume>, Refusal>>()?;
        for volume in &volumes {
            check_volume_state(volume)?;
            check_outpost(call, volume)?;
            check_quotas(region, &settings, call, volume)?;
        }
        check_region_quota(region, &settings, call, volumes.len() as u64)?;
        // What fails with one volume fails with all of them, and later.
        let is_usable = |volume: &Volume| is_accessible(world, volume.key.as_ref(), &call.region);
        let failure = match volumes.iter().all(is_usable) {
            true => call.ends_in_error.clone(),
            false => Some(text(NOT_ACCESSIBLE)),
        };
        let mut made = Vec::new();
        for volume in volumes {
            let mut all = if copies_tags { volume.tags.clone() } else { Tags::new() };
            all.retain(|key, _| !key.starts_with("aws:"));
            all.extend(tags.clone());
            super::tags::check_count(&all)?;
            made.push(begin(world, call, &volume, all, description, failure.clone()));
        }
        for new in &made {
            region.last_snapshot.insert(new.volume.clone(), call.now);
            region.add_snapshot(new.clone(), call.now);
        }
        Ok(made)
    })?;
    let mut xml = Xml::default();
    xml.set("snapshotSet", made, |xml, snapshot| {
        xml.text("snapshotId", &snapshot.id).text("volumeId", &snapshot.volume).text("state", snapshot.state.name());
        xml.plain("volumeSize", snapshot.size).time("startTime", snapshot.started);
        xml.text("progress", &snapshot.progress(call.now)).text("ownerId", &snapshot.owner);
        xml.text("description", &snapshot.description).plain("encrypted", snapshot.rare().key.is_some());
        if let Some(outpost) = &snapshot.rare().outpost {
            xml.text("outpostArn", outpost);
        }
        xml.tags(&snapshot.tags);
    });
    Ok(xml)
}

fn description(call: &Call) -> Result<&str, Refusal> {
    let description = call.params.text("Description").unwrap_or_default();
    match description.chars().count() {
        ..=255 => Ok(description),
        count => Err(invalid_value(format!("The description has {count} characters; the most are 255"))),
    }
}

fn check_volume(world: &World, call: &Call, volume: &Volume) -> Result<(), Refusal> {
    check_volume_state(volume)?;
    check_outpost(call, volume)?;
    // The code and its words: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
    match is_accessible(world, volume.key.as_ref(), &call.region) {
        true => Ok(()),
        false => {
            let message = format!("The customer master key of volume {} cannot be accessed", volume.id);
            Err(Refusal::client("CustomerKeyHasBeenRevoked", message))
        }
    }
}

fn check_volume_state(volume: &Volume) -> Result<(), Refusal> {
    match volume.state {
        VolumeState::InUse | VolumeState::Available => Ok(()),
        state => {
            let message = format!("The volume '{}' is in state '{}'", volume.id, state.name());
            Err(Refusal::client("IncorrectState", message))
        }
    }
}

/// A local snapshot stays on the Outpost of its volume. Local Zones are not modelled.
fn check_outpost(call: &Call, volume: &Volume) -> Result<(), Refusal> {
    let (wanted, params) = (call.params.text("OutpostArn"), &call.params);
    if wanted.is_some() && wanted != volume.outpost.as_deref() {
        return Err(invalid_value(format!(
            "The volume '{}' is not on the Outpost {}",
            volume.id,
            wanted.unwrap_or_default()
        )));
    }
    match params.text("Location") {
        None | Some("regional") => Ok(()),
        Some("local") => {
            let message = format!("The volume '{}' is not in a Local Zone", volume.id);
            Err(Refusal::client("UnsupportedOperation", message))
        }
        Some(other) => Err(invalid_value(format!("Value ({other}) for parameter location is invalid."))),
    }
}

fn check_quotas(region: &Region, settings: &Settings, call: &Call, volume: &Volume) -> Result<(), Refusal> {
    let (quotas, id) = (&settings.quotas, &*volume.id);
    let refused = |code: &str, message: &str| Err(Refusal::client(code, message));
    let gap = TimeDelta::seconds(quotas.seconds_between_snapshots);
    if region.last_snapshot.get(id).is_some_and(|last| call.now < *last + gap) {
        let message = "The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or \
                       variable sleep interval between requests.";
        return refused("SnapshotCreationPerVolumeRateExceeded", message);
    }
    // Those in error are counted too, until they are deleted.
    let unfinished: u64 =
        ["pending", "error"].iter().map(|state| region.snapshots.count(&[("volume-id", id), ("status", state)])).sum();
    let most = if volume.kind.is_hdd() { quotas.concurrent_snapshots_hdd } else { quotas.concurrent_snapshots };
    if unfinished >= most {
        let message = "Maximum allowed in-progress snapshots for a single volume exceeded.";
        return refused("ConcurrentSnapshotLimitExceeded", message);
    }
    let pending = || region.snapshots.count(&[("owner-id", &call.account), ("status", "pending")]);
    if quotas.pending_snapshots.is_some_and(|most| pending() >= most) {
        return refused("PendingSnapshotLimitExceeded", "Maximum allowed pending snapshots for the account exceeded.");
    }
    check_region_quota(region, settings, call, 1)
}

/// Room for so many more.
pub(super) fn check_region_quota(region: &Region, settings: &Settings, call: &Call, more: u64) -> Result<(), Refusal> {
    match region.snapshots.owned_by(&call.account) + more <= settings.quotas.snapshots_per_region {
        true => Ok(()),
        false => Err(Refusal::client("SnapshotLimitExceeded", "Maximum allowed snapshots for the account exceeded.")),
    }
}

fn begin(
    world: &World,
    call: &Call,
    volume: &Volume,
    tags: Tags,
    description: &str,
    failure: Option<Text>,
) -> Snapshot {
    let outpost = call.params.text("OutpostArn").map(text);
    let rare = Rare { key: volume.key.clone(), outpost, ..Rare::default() };
    Snapshot {
        id: world.new_id("snap"),
        volume: volume.id.clone(),
        owner: call.account.clone(),
        tags,
        description: description.into(),
        size: volume.size,
        started: call.now,
        settles: settles(&world.settings(), volume.size, call.now),
        state: SnapshotState::Pending,
        state_message: failure,
        rare: (rare.key.is_some() || rare.outpost.is_some()).then(|| Box::new(rare)),
    }
}

/// When a snapshot of so many GiB that begins now stops being `pending`.
pub(super) fn settles(settings: &Settings, size: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let for_size = i32::try_from(size).ok().and_then(|size| settings.completes_after_per_gib.checked_mul(size));
    now + settings.completes_after + for_size.unwrap_or_default()
}

/// Refused for what is in use by an image (also a disabled or deprecated one), locked, AWS Backup's, or enabled for
/// fast restores. What the Recycle Bin has a rule for goes there, where fast restores are disabled "shortly after"
/// (<https://docs.aws.amazon.com/ebs/latest/userguide/recycle-bin-factors.html>), and what is pending goes when it has
/// completed.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-deleting-snapshot.html>
pub(super) fn delete(world: &World, call: &Call) -> Answer {
    let id = call.params.required("SnapshotId")?;
    let settings = world.settings();
    world.region(&call.region, |region| {
        let snapshot = owned(region, call, id)?;
        check_unlocked(&settings, snapshot, call.now)?;
        if let Some(image) = region.images.lookup("block-device-mapping.snapshot-id", id).next() {
            let message = format!("The snapshot {id} is currently in use by {}", image.id);
            return Err(Refusal::client("InvalidSnapshot.InUse", message));
        }
        if settings.refuses_fast_restored {
            check_disabled(region, id, call.now)?;
        }
        if snapshot.tags.contains_key("aws:backup:source-resource") {
            let message = "This snapshot is managed by the AWS Backup service and cannot be deleted via EC2 APIs. \
                           If you wish to delete this snapshot, please do so via the Backup console.";
            return Err(invalid_value(message));
        }
        if snapshot.state == SnapshotState::Pending {
            region.snapshots.change(id, |snapshot| snapshot.rare_mut().is_deleting = true);
        } else if let Some(days) = super::bin::days(region, snapshot) {
            let exit = call.now + TimeDelta::days(days);
            region.snapshots.change(id, |snapshot| {
                snapshot.state = SnapshotState::Recoverable;
                snapshot.rare_mut().bin = Some((call.now, exit));
            });
            region.at(exit, Due::SnapshotLeavesBin(text(id)));
            region.end_fast_restores(id, call.now, call.now + settings.changes_after);
        } else {
            region.remove_snapshot(id, call.now);
        }
        Ok(())
    })?;
    super::done()
}

pub(super) fn check_unlocked(settings: &Settings, snapshot: &Snapshot, now: DateTime<Utc>) -> Result<(), Refusal> {
    match &snapshot.rare().lock {
        Some(lock) if lock.state(now) != "expired" => {
            let message = format!("The snapshot '{}' is locked until {}", snapshot.id, lock.expires);
            Err(Refusal::client(&settings.locked_snapshot_code, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn checked(id: &str) -> Result<&str, Refusal> {
    super::checked_id(id, "snap", "InvalidSnapshotID.Malformed")
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}

/// A snapshot of `call`'s account that is not in the Recycle Bin. Another's is as good as none: what EC2 says of it
/// is not documented.
pub(super) fn owned<'a>(region: &'a Region, call: &Call, id: &str) -> Result<&'a Snapshot, Refusal> {
    let found = region.snapshots.get(checked(id)?).filter(|snapshot| snapshot.owner == call.account);
    found.filter(|snapshot| snapshot.state != SnapshotState::Recoverable).ok_or_else(|| not_found(id))
}

/// A snapshot that `call`'s account may create volumes and copies from.
pub(super) fn readable<'a>(region: &'a Region, call: &Call, id: &str) -> Result<&'a Snapshot, Refusal> {
    let may = |snapshot: &&Snapshot| may_use(call, &snapshot.owner, &snapshot.rare().restorable_by);
    let found = region.snapshots.get(checked(id)?).filter(may);
    found.filter(|snapshot| snapshot.state != SnapshotState::Recoverable).ok_or_else(|| not_found(id))
}

pub(super) fn write(xml: &mut Xml, snapshot: &Snapshot, now: DateTime<Utc>) {
    let rare = snapshot.rare();
    xml.text("snapshotId", &snapshot.id).text("volumeId", &snapshot.volume).text("status", snapshot.state.name());
    xml.time("startTime", snapshot.started).text("progress", &snapshot.progress(now));
    xml.text("ownerId", &snapshot.owner).plain("volumeSize", snapshot.size);
    xml.text("description", &snapshot.description).plain("encrypted", rare.key.is_some());
    xml.text("storageTier", snapshot.tier());
    match snapshot.state {
        SnapshotState::Completed => {
            xml.time("completionTime", snapshot.settles);
            xml.plain("fullSnapshotSizeInBytes", u64::from(snapshot.size) << 30);
        }
        SnapshotState::Error => {
            xml.text("statusMessage", snapshot.state_message.as_deref().unwrap_or_default());
        }
        _ => {}
    }
    if snapshot.rare.is_some() {
        let known = [("kmsKeyId", &rare.key), ("outpostArn", &rare.outpost), ("ownerAlias", &rare.owner_alias)];
        for (name, value) in known {
            if let Some(value) = value {
                xml.text(name, value);
            }
        }
        if rare.is_copy {
            xml.text("transferType", "standard");
        }
    }
    xml.tags(&snapshot.tags);
}
