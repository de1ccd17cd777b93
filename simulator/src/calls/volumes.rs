//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html> and its neighbours.

use super::instances::{hiding_managed, owned as owned_instance};
use super::{
    Answer, Ids, check_zone, invalid_value, is_accessible, keep_client_token, made_before, page, specified_tags,
    wanted_key,
};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::{Text, text};
use crate::world::instance::{InstanceState, Mapping};
use crate::world::snapshot::SnapshotState;
use crate::world::volume::{Attachment, Volume, VolumeState, VolumeType};
use crate::world::{Due, Region, World};

/// Instances that one volume can be attached to with Multi-Attach:
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volumes-multi.html>
const MOST_ATTACHMENTS: usize = 16;

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let ids = Ids::read(&call.params, "VolumeId", checked, not_found)?;
    let mut filters = call.params.filters()?;
    filters.extend(hiding_managed(call));
    let found = world.region(&call.region, |region| {
        page(world, call, &region.volumes, &[&[("owner-id", &call.account)]], &ids, &filters)
    })?;
    let mut xml = Xml::default();
    xml.set("volumeSet", &found.rows, |xml, volume| write(xml, volume));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

/// A volume, empty or of a snapshot. What is wrong with its key shows later: the volume ends in `error`, as KMS is
/// asked asynchronously.
pub(super) fn create(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let zone = params.required("AvailabilityZone")?;
    check_zone(call, zone)?;
    let kind = params.text("VolumeType").map(kind).transpose()?.unwrap_or(VolumeType::Gp2);
    let tags = specified_tags(params, "volume", &["volume"])?;
    let (iops, throughput) = speed(call, kind)?;
    let is_multi_attach = params.flag("MultiAttachEnabled");
    if kind.is_provisioned() && iops.is_none() {
        let message = format!("The parameter iops must be specified for {} volumes.", kind.name());
        return Err(Refusal::client("InvalidParameterCombination", message));
    }
    if !kind.is_provisioned() && is_multi_attach {
        let message = format!("Multi-Attach is not supported for volumes of type '{}'", kind.name());
        return Err(Refusal::client("InvalidParameterCombination", message));
    }
    let changes_after = world.settings().changes_after;
    let made = world.region(&call.region, |region| {
        if let Some(id) = made_before(region, call)?.and_then(|ids| ids.into_iter().next()) {
            return region.volumes.get(&id).cloned().ok_or_else(|| not_found(&id));
        }
        let source = params.text("SnapshotId").map(|id| restorable(region, call, id)).transpose()?;
        let (least, of_source) = source.unzip();
        // Without a key of its own, the volume has the snapshot's.
        let key = match of_source.flatten() {
            Some(key) if params.text("KmsKeyId").is_none() => Some(key),
            key => wanted_key(call, key.as_ref())?,
        };
        let size = size(call, kind, least)?;
        let volume = Volume {
            id: world.new_id("vol"),
            owner: call.account.clone(),
            state: VolumeState::Creating,
            tags,
            attachments: vec![],
            size,
            kind,
            iops,
            throughput,
            zone: text(zone),
            snapshot: params.text("SnapshotId").map(text),
            key,
            outpost: params.text("OutpostArn").map(text),
            is_multi_attach,
            managed_by: None,
            created: call.now,
        };
        let is_usable = is_accessible(world, volume.key.as_ref(), &call.region);
        let due = match is_usable {
            true => Due::VolumeCreated(volume.id.clone()),
            false => Due::VolumeFailed(volume.id.clone()),
        };
        region.volumes.insert(volume.clone(), call.now);
        region.at(call.now + changes_after, due);
        keep_client_token(region, call, vec![volume.id.clone()]);
        Ok(volume)
    })?;
    let mut xml = Xml::default();
    write(&mut xml, &made);
    Ok(xml)
}

/// Operations a second and throughput. What a type does not let one say is refused, and so is silence where it must be
/// said. EC2's words: kubernetes-retired/kube-aws#1208, velero-io/velero-plugin-for-aws#119, runs-on/runs-on#426.
fn speed(call: &Call, kind: VolumeType) -> Result<(Option<u32>, Option<u32>), Refusal> {
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let iops = number(call.params.number("Iops", 1..=256_000)?);
    let throughput = number(call.params.number("Throughput", 125..=2000)?);
    match (iops, kind.iops()) {
        (Some(_), None) => {
            let message = format!("The parameter iops is not supported for {} volumes.", kind.name());
            return Err(Refusal::client("InvalidParameterCombination", message));
        }
        (Some(iops), Some(allowed)) if !allowed.contains(&iops) => {
            let message = format!("Volume iops of {iops} is not from {} to {}", allowed.start(), allowed.end());
            return Err(invalid_value(message));
        }
        _ => {}
    }
    match throughput {
        Some(_) if kind != VolumeType::Gp3 => {
            let message = "throughput can only be specified for volumeType gp3.";
            Err(Refusal::client("InvalidParameterCombination", message))
        }
        throughput => Ok((iops, throughput)),
    }
}

/// Size and key of a snapshot that a volume can be made of: completed, in the standard tier, ours or shared with us.
fn restorable(region: &Region, call: &Call, id: &str) -> Result<(u32, Option<Text>), Refusal> {
    let snapshot = super::snapshots::readable(region, call, id)?;
    if snapshot.state != SnapshotState::Completed {
        let message = format!("Snapshot '{id}' is in state '{}'", snapshot.state.name());
        return Err(Refusal::client("IncorrectState", message));
    }
    if snapshot.rare().archive.is_some() {
        let message = format!("Snapshot '{id}' is archived: restore it to the standard tier first");
        return Err(Refusal::client("IncorrectState", message));
    }
    Ok((snapshot.size, snapshot.rare().key.clone()))
}

fn size(call: &Call, kind: VolumeType, least: Option<u32>) -> Result<u32, Refusal> {
    let said = call.params.number("Size", 1..=65_536)?.and_then(|size| u32::try_from(size).ok());
    let Some(size) = said.or(least) else {
        return Err(Refusal::client("MissingParameter", "The request must contain the parameter size or snapshotId"));
    };
    if least.is_some_and(|least| size < least) {
        let message = format!("The size {size} GiB is smaller than the snapshot's");
        return Err(invalid_value(message));
    }
    let allowed = kind.sizes();
    match allowed.contains(&size) {
        true => Ok(size),
        false => Err(invalid_value(format!(
            "Volume of {size}GiB is invalid for volume type {}; it must be from {}GiB to {}GiB",
            kind.name(),
            allowed.start(),
            allowed.end()
        ))),
    }
}

pub(super) fn attach(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let (volume_id, instance_id) = (params.required("VolumeId")?, params.required("InstanceId")?);
    let device = params.required("Device")?;
    world.region(&call.region, |region| {
        let (volume, instance) = (owned(region, call, volume_id)?, owned_instance(region, call, instance_id)?);
        check_attachable(volume, instance_id)?;
        if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
            let message = format!("Instance '{instance_id}' is not 'running' or 'stopped'.");
            return Err(Refusal::client("IncorrectState", message));
        }
        if instance.zone != volume.zone {
            let message =
                format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'");
            return Err(Refusal::client("InvalidVolume.ZoneMismatch", message));
        }
        if instance.volumes.iter().any(|mapping| &*mapping.device == device) {
            let message =
                format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
            return Err(invalid_value(message));
        }
        region.attach(volume_id, instance_id, device, call.now);
        Ok(())
    })?;
    let mut xml = Xml::default();
    xml.text("volumeId", volume_id).text("instanceId", instance_id).text("device", device);
    xml.text("status", "attaching").time("attachTime", call.now).plain("deleteOnTermination", false);
    Ok(xml)
}

/// A boot volume comes off only while its instance is stopped.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVolume.html>
pub(super) fn detach(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let id = params.required("VolumeId")?;
    let detached = world.region(&call.region, |region| {
        let volume = owned(region, call, id)?;
        let is_meant = |each: &&Attachment| {
            params.text("InstanceId").is_none_or(|wanted| *each.instance == *wanted)
                && params.text("Device").is_none_or(|wanted| *each.device == *wanted)
        };
        let found = volume.attachments.iter().find(is_meant).cloned();
        let attachment = found.ok_or_else(|| {
            Refusal::client("IncorrectState", format!("Volume '{id}' is in the '{}' state.", volume.state.name()))
        })?;
        let is_root = |instance: &crate::world::instance::Instance| {
            instance.root_device == attachment.device && instance.state != InstanceState::Stopped
        };
        if region.instances.get(&attachment.instance).is_some_and(is_root) {
            let message = format!("Unable to detach root volume '{id}' from instance '{}'", attachment.instance);
            return Err(Refusal::client("OperationNotPermitted", message));
        }
        region.detach(id, &attachment);
        Ok(attachment)
    })?;
    let mut xml = Xml::default();
    xml.text("volumeId", id).text("instanceId", &detached.instance).text("device", &detached.device);
    xml.text("status", "detaching").time("attachTime", detached.since);
    Ok(xml)
}

fn check_attachable(volume: &Volume, instance: &str) -> Result<(), Refusal> {
    let id = &volume.id;
    let refused = |code: &str, message: String| Err(Refusal::client(code, message));
    match volume.state {
        VolumeState::Available => Ok(()),
        VolumeState::InUse if volume.attachments.iter().any(|each| &*each.instance == instance) => {
            refused("VolumeInUse", format!("{id} is already attached to {instance}"))
        }
        VolumeState::InUse if volume.is_multi_attach && volume.attachments.len() < MOST_ATTACHMENTS => Ok(()),
        VolumeState::InUse if volume.is_multi_attach => {
            refused("AttachmentLimitExceeded", format!("{id} is attached to {MOST_ATTACHMENTS} instances"))
        }
        VolumeState::InUse => refused("VolumeInUse", format!("{id} is already attached to an instance")),
        state => refused("IncorrectState", format!("The volume '{id}' is '{}', not 'available'.", state.name())),
    }
}

pub(super) fn delete(world: &World, call: &Call) -> Answer {
    let id = call.params.required("VolumeId")?;
    let changes_after = world.settings().changes_after;
    world.region(&call.region, |region| {
        let volume = owned(region, call, id)?;
        match volume.state {
            VolumeState::Available | VolumeState::Error => {}
            VolumeState::Deleting => return Ok(()),
            VolumeState::InUse => {
                let instance = volume.attachments.first().map(|each| each.instance.clone()).unwrap_or_default();
                let message = format!("Volume {id} is currently attached to {instance}");
                return Err(Refusal::client("VolumeInUse", message));
            }
            VolumeState::Creating => {
                let message = format!("The volume '{id}' is 'creating'");
                return Err(Refusal::client("IncorrectState", message));
            }
        }
        region.volumes.change(id, |volume| volume.state = VolumeState::Deleting);
        region.at(call.now + changes_after, Due::VolumeDeleted(text(id)));
        Ok(())
    })?;
    super::done()
}

impl Region {
    /// Attaches a volume and maps it, whatever stands against it.
    pub fn attach(&mut self, volume: &str, instance: &str, device: &str, since: chrono::DateTime<chrono::Utc>) {
        let (id, device) = (text(volume), text(device));
        self.volumes.change(volume, |volume| {
            volume.state = VolumeState::InUse;
            let instance = text(instance);
            let attachment = Attachment { instance, device: device.clone(), delete_on_termination: false, since };
            volume.attachments.push(attachment);
        });
        self.instances.change(instance, |instance| {
            instance.volumes.push(Mapping { device, volume: id, delete_on_termination: false });
        });
    }
}

impl Region {
    /// Takes a volume off an instance.
    fn detach(&mut self, volume: &str, from: &Attachment) {
        self.volumes.change(volume, |volume| {
            volume.attachments.retain(|each| each != from);
            if volume.attachments.is_empty() {
                volume.state = VolumeState::Available;
            }
        });
        self.instances.change(&from.instance, |instance| instance.volumes.retain(|each| &*each.volume != volume));
    }
}

pub(super) fn kind(text: &str) -> Result<VolumeType, Refusal> {
    let found = VolumeType::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| Refusal::client("UnknownVolumeType", format!("Unsupported volume type '{text}'")))
}

pub(super) fn checked(id: &str) -> Result<&str, Refusal> {
    super::checked_id(id, "vol", "InvalidVolumeID.Malformed")
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
}

/// A volume of `call`'s account.
pub(super) fn owned<'a>(region: &'a Region, call: &Call, id: &str) -> Result<&'a Volume, Refusal> {
    let found = region.volumes.get(checked(id)?).filter(|volume| volume.owner == call.account);
    found.ok_or_else(|| not_found(id))
}

fn write(xml: &mut Xml, volume: &Volume) {
    xml.text("volumeId", &volume.id).plain("size", volume.size).text("status", volume.state.name());
    xml.text("snapshotId", volume.snapshot.as_deref().unwrap_or_default());
    xml.text("availabilityZone", &volume.zone).time("createTime", volume.created);
    xml.text("volumeType", volume.kind.name()).plain("encrypted", volume.key.is_some());
    xml.plain("multiAttachEnabled", volume.is_multi_attach);
    if let Some(iops) = volume.shown_iops() {
        xml.plain("iops", iops);
    }
    if let Some(throughput) = volume.shown_throughput() {
        xml.plain("throughput", throughput);
    }
    if let Some(key) = &volume.key {
        xml.text("kmsKeyId", key);
    }
    if let Some(outpost) = &volume.outpost {
        xml.text("outpostArn", outpost);
    }
    if let Some(principal) = &volume.managed_by {
        xml.within("operator", |xml| {
            xml.plain("managed", true).text("principal", principal);
        });
    }
    xml.set("attachmentSet", &volume.attachments, |xml, attachment| {
        xml.text("volumeId", &volume.id).text("instanceId", &attachment.instance).text("device", &attachment.device);
        xml.text("status", "attached").time("attachTime", attachment.since);
        xml.plain("deleteOnTermination", attachment.delete_on_termination);
    });
    xml.tags(&volume.tags);
}
