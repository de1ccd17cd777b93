//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>

use super::{Answer, Ids, is_id, page};
use crate::answer::{Refusal, Xml};
use crate::filter::Filter;
use crate::query::Call;
use crate::world::World;
use crate::world::instance::{Instance, InstanceState};

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let ids = Ids::read(&call.params, "InstanceId", checked, not_found)?;
    let mut filters = call.params.filters()?;
    filters.extend(hiding_managed(call));
    let found = world.region(&call.region, |region| {
        page(world, call, &region.instances, &[&[("owner-id", &call.account)]], &ids, &filters)
    })?;
    let mut xml = Xml::default();
    // Every instance was started by itself: a reservation for each.
    xml.set("reservationSet", &found.rows, |xml, instance| write_reservation(xml, &[instance]));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

/// What AWS services manage is hidden from who does not ask for it.
pub(super) fn hiding_managed(call: &Call) -> Option<Filter> {
    let is_asked_for = call.params.flag("IncludeManagedResources");
    (!is_asked_for).then(|| Filter::new("operator.managed", vec!["false".into()]))
}

pub(super) fn checked(id: &str) -> Result<&str, Refusal> {
    match is_id(id, "i") {
        true => Ok(id),
        false => Err(Refusal::client("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\""))),
    }
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
}

/// A reservation of `instances`, of which there is at least one.
pub(super) fn write_reservation(xml: &mut Xml, instances: &[impl AsRef<Instance>]) {
    if let Some(first) = instances.first().map(AsRef::as_ref) {
        xml.text("reservationId", &first.id.replacen('i', "r", 1)).text("ownerId", &first.owner);
    }
    xml.set("instancesSet", instances, |xml, instance| write(xml, instance.as_ref()));
}

fn write(xml: &mut Xml, instance: &Instance) {
    xml.text("instanceId", &instance.id).text("imageId", &instance.image);
    write_state(xml, "instanceState", instance.state);
    xml.text("instanceType", &instance.kind).time("launchTime", instance.launched);
    xml.within("placement", |xml| {
        xml.text("availabilityZone", &instance.zone);
    });
    xml.text("rootDeviceType", if instance.is_instance_store { "instance-store" } else { "ebs" });
    xml.text("rootDeviceName", &instance.root_device);
    xml.set("blockDeviceMapping", &instance.volumes, |xml, mapping| {
        xml.text("deviceName", &mapping.device).within("ebs", |xml| {
            xml.text("volumeId", &mapping.volume).text("status", "attached").time("attachTime", instance.launched);
            xml.plain("deleteOnTermination", mapping.delete_on_termination);
        });
    });
    if let Some(principal) = &instance.managed_by {
        xml.within("operator", |xml| {
            xml.plain("managed", true).text("principal", principal);
        });
    }
    xml.tags(&instance.tags);
}

pub(super) fn write_state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.within(name, |xml| {
        xml.plain("code", state.code()).text("name", state.name());
    });
}

/// An instance of `call`'s account.
pub(super) fn owned<'a>(region: &'a crate::world::Region, call: &Call, id: &str) -> Result<&'a Instance, Refusal> {
    let found = region.instances.get(checked(id)?).filter(|instance| instance.owner == call.account);
    found.ok_or_else(|| not_found(id))
}
