//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html> and `TerminateInstances`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::images;
use super::instances::{owned, write_reservation, write_state};
use super::{Answer, invalid_value, keep_client_token, made_before, specified_tags};
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::{Text, text};
use crate::world::instance::{Instance, InstanceState, Mapping};
use crate::world::volume::{Attachment, Volume, VolumeState, VolumeType};
use crate::world::{Due, Region, World};

/// A terminated instance is seen for about an hour:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html>
const SEEN_FOR: TimeDelta = TimeDelta::hours(1);

/// A device that the new instance will have.
#[derive(Clone)]
struct Device {
    snapshot: Option<Text>,
    size: u32,
    kind: VolumeType,
    key: Option<Text>,
    delete_on_termination: bool,
}

pub(super) fn run(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let (least, most) = (params.number("MinCount", 1..=1000)?, params.number("MaxCount", 1..=1000)?);
    let (Some(least), Some(most)) = (least, most) else {
        return Err(Refusal::client(
            "MissingParameter",
            "The request must contain the parameters MinCount and MaxCount",
        ));
    };
    if least > most {
        return Err(invalid_value(format!("MinCount {least} is more than MaxCount {most}")));
    }
    let allowed = ["instance", "volume"];
    let (tags, volume_tags) =
        (specified_tags(params, "instance", &allowed)?, specified_tags(params, "volume", &allowed)?);
    let zone = params.text("Placement.AvailabilityZone").map_or_else(|| format!("{}a", call.region), String::from);
    let changes_after = world.settings().changes_after;
    let made = world.region(&call.region, |region| {
        if let Some(ids) = made_before(region, call)? {
            return Ok(ids.iter().filter_map(|id| region.instances.get(id).cloned()).map(Arc::new).collect());
        }
        let image = images::launchable(region, call, params.required("ImageId")?)?;
        let (image_id, root_device) = (image.id.clone(), image.root_device.clone());
        let devices = devices(call, image)?;
        let mut made = Vec::new();
        for _ in 0..most {
            let id = world.new_id("i");
            let mut volumes = Vec::new();
            for (device, plan) in &devices {
                let volume = world.new_id("vol");
                let mapping = Mapping {
                    device: device.clone(),
                    volume: volume.clone(),
                    delete_on_termination: plan.delete_on_termination,
                };
                let new = volume_of(call, plan, &mapping, &id, &zone, volume_tags.clone());
                region.volumes.insert(new, call.now);
                volumes.push(mapping);
            }
            let instance = Instance {
                id: id.clone(),
                owner: call.account.clone(),
                state: InstanceState::Pending,
                tags: tags.clone(),
                kind: text(params.text("InstanceType").unwrap_or("m1.small")),
                image: image_id.clone(),
                zone: text(&zone),
                launched: call.now,
                root_device: root_device.clone(),
                is_instance_store: false,
                volumes,
                managed_by: None,
            };
            region.instances.insert(instance.clone(), call.now);
            region.at(call.now + changes_after, Due::InstanceStarted(id));
            made.push(Arc::new(instance));
        }
        keep_client_token(region, call, made.iter().map(|instance| instance.id.clone()).collect());
        Ok(made)
    })?;
    let mut xml = Xml::default();
    write_reservation(&mut xml, &made);
    Ok(xml)
}

/// The image's devices, as the call changes them and adds to them.
fn devices(call: &Call, image: &crate::world::image::Image) -> Result<BTreeMap<Text, Device>, Refusal> {
    let of_image = |each: &crate::world::image::ImageDevice| {
        let snapshot = Some(each.snapshot.clone());
        let kind = VolumeType::Gp3;
        (each.device.clone(), Device { snapshot, size: each.size, kind, key: None, delete_on_termination: true })
    };
    let mut devices: BTreeMap<Text, Device> = image.devices.iter().map(of_image).collect();
    for number in call.params.numbered("BlockDeviceMapping") {
        let name = |field: &str| format!("BlockDeviceMapping.{number}.{field}");
        let said = |field: &str| call.params.text(&name(field));
        let device = text(call.params.required(&name("DeviceName"))?);
        if said("NoDevice").is_some() {
            devices.remove(&device);
            continue;
        }
        let new = Device { snapshot: None, size: 0, kind: VolumeType::Gp2, key: None, delete_on_termination: true };
        let plan = devices.entry(device.clone()).or_insert(new);
        if let Some(kind) = said("Ebs.VolumeType") {
            plan.kind = super::volumes::kind(kind)?;
        }
        if let Some(size) = call.params.number(&name("Ebs.VolumeSize"), 1..=65_536)? {
            plan.size = u32::try_from(size).unwrap_or_default();
        }
        if let Some(snapshot) = said("Ebs.SnapshotId") {
            plan.snapshot = Some(text(snapshot));
        }
        if let Some(flag) = said("Ebs.DeleteOnTermination") {
            plan.delete_on_termination = flag.eq_ignore_ascii_case("true");
        }
        if said("Ebs.Encrypted").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
            plan.key = Some(text(said("Ebs.KmsKeyId").unwrap_or("alias/aws/ebs")));
        }
        if plan.size == 0 {
            let message = format!("The request must contain the parameter size or snapshotId for {device}");
            return Err(Refusal::client("MissingParameter", message));
        }
    }
    Ok(devices)
}

fn volume_of(
    call: &Call,
    plan: &Device,
    mapping: &Mapping,
    instance: &Text,
    zone: &str,
    tags: crate::text::Tags,
) -> Volume {
    let attachment = Attachment {
        instance: instance.clone(),
        device: mapping.device.clone(),
        delete_on_termination: mapping.delete_on_termination,
        since: call.now,
    };
    Volume {
        id: mapping.volume.clone(),
        owner: call.account.clone(),
        state: VolumeState::InUse,
        tags,
        attachments: vec![attachment],
        size: plan.size,
        kind: plan.kind,
        iops: None,
        throughput: None,
        zone: text(zone),
        snapshot: plan.snapshot.clone(),
        key: plan.key.clone(),
        outpost: None,
        is_multi_attach: false,
        managed_by: None,
        created: call.now,
    }
}

/// All of them or none. A volume goes with its instance if it is mapped so, and is set free if not.
pub(super) fn terminate(world: &World, call: &Call) -> Answer {
    let ids = call.params.list("InstanceId");
    if ids.is_empty() {
        return Err(Refusal::client("MissingParameter", "The request must contain the parameter InstanceId"));
    }
    let changes_after = world.settings().changes_after;
    let states = world.region(&call.region, |region| {
        let before = ids.iter().map(|id| Ok((text(id), owned(region, call, id)?.state)));
        let before = before.collect::<Result<Vec<_>, Refusal>>()?;
        for (id, state) in &before {
            if !matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated) {
                let gone = call.now + changes_after;
                shut_down(region, call, id);
                region.at(gone, Due::InstanceTerminated(id.clone()));
                region.at(gone + SEEN_FOR, Due::InstanceForgotten(id.clone()));
            }
        }
        let now = |id: &Text| region.instances.get(id).map_or(InstanceState::Terminated, |instance| instance.state);
        Ok(before.into_iter().map(|(id, state)| (now(&id), id, state)).collect::<Vec<_>>())
    })?;
    let mut xml = Xml::default();
    xml.set("instancesSet", states, |xml, (now, id, before)| {
        xml.text("instanceId", &id);
        write_state(xml, "currentState", now);
        write_state(xml, "previousState", before);
    });
    Ok(xml)
}

fn shut_down(region: &mut Region, call: &Call, id: &Text) {
    region.instances.change(id, |instance| instance.state = InstanceState::ShuttingDown);
    let attached: Vec<Text> =
        region.volumes.lookup("attachment.instance-id", id).map(|volume| volume.id.clone()).collect();
    for volume in attached {
        let is_last = |volume: &Volume| volume.attachments.iter().all(|each| each.instance == *id);
        let goes =
            |volume: &Volume| is_last(volume) && volume.attachments.iter().any(|each| each.delete_on_termination);
        if region.volumes.get(&volume).is_some_and(goes) {
            region.volumes.remove(&volume, call.now);
            continue;
        }
        region.volumes.change(&volume, |volume| {
            volume.attachments.retain(|each| each.instance != *id);
            if volume.attachments.is_empty() {
                volume.state = VolumeState::Available;
            }
        });
    }
}
