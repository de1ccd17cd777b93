//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>

use serde::Serialize;

use super::{TagItem, check_ids_alone, is_id, tag_set};
use crate::answer::{Refusal, Set, ec2};
use crate::filter::Filter;
use crate::query::Call;
use crate::world::{Instance, World};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reservations {
    reservation_set: Set<Reservation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Every instance was started by itself: a reservation for each.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    reservation_id: String,
    owner_id: String,
    instances_set: Set<InstanceItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceItem {
    instance_id: String,
    instance_state: State,
    root_device_type: &'static str,
    root_device_name: String,
    block_device_mapping: Set<Mapping>,
    tag_set: Set<TagItem>,
}

#[derive(Serialize)]
struct State {
    code: u8,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    device_name: String,
    ebs: MappedVolume,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MappedVolume {
    volume_id: String,
    status: &'static str,
}

pub(super) fn describe(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let params = &call.params;
    let (ids, size) = (params.list("InstanceId"), params.page_size()?);
    check_ids_alone(&ids, size, "instancesSet")?;
    if let Some(malformed) = ids.iter().find(|id| !is_id(id, "i")) {
        return Err(Refusal::client("InvalidInstanceID.Malformed", format!("Invalid id: \"{malformed}\"")));
    }
    let mut filters = params.filters();
    let page = world.region(&call.account, &call.region, |region| {
        if let Some(unknown) = ids.iter().find(|id| region.instances.get(id).is_none()) {
            let message = format!("The instance ID '{unknown}' does not exist");
            return Err(Refusal::client("InvalidInstanceID.NotFound", message));
        }
        if !ids.is_empty() {
            filters.push(Filter::new("instance-id", ids.iter().map(|id| String::from(*id)).collect()));
        }
        region.instances.page(&filters, size, params.text("NextToken"), |instance| Some(item(instance)))
    })?;
    let reservation = |instance: InstanceItem| Reservation {
        reservation_id: instance.instance_id.replacen('i', "r", 1),
        owner_id: call.account.clone(),
        instances_set: Set { item: vec![instance] },
    };
    let reservation_set = Set { item: page.rows.into_iter().map(reservation).collect() };
    ec2("DescribeInstances", request_id, Reservations { reservation_set, next_token: page.next_token })
}

fn item(instance: &Instance) -> InstanceItem {
    let mapping = |(device, volume): &(String, String)| Mapping {
        device_name: device.clone(),
        ebs: MappedVolume { volume_id: volume.clone(), status: "attached" },
    };
    InstanceItem {
        instance_id: instance.id.clone(),
        instance_state: State { code: state_code(&instance.state), name: instance.state.clone() },
        root_device_type: if instance.volumes.is_empty() { "instance-store" } else { "ebs" },
        root_device_name: instance.root_device.clone(),
        block_device_mapping: Set { item: instance.volumes.iter().map(mapping).collect() },
        tag_set: tag_set(&instance.tags),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html>
fn state_code(state: &str) -> u8 {
    match state {
        "pending" => 0,
        "running" => 16,
        "shutting-down" => 32,
        "terminated" => 48,
        "stopping" => 64,
        _ => 80,
    }
}
