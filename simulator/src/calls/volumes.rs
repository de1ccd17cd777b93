//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html>

use serde::Serialize;

use super::{TagItem, check_ids_alone, is_id, tag_set};
use crate::answer::{Refusal, Set, ec2};
use crate::filter::Filter;
use crate::query::Call;
use crate::world::{Volume, World};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volumes {
    volume_set: Set<VolumeItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeItem {
    volume_id: String,
    size: u32,
    status: String,
    volume_type: &'static str,
    encrypted: bool,
    availability_zone: String,
    attachment_set: Set<AttachmentItem>,
    tag_set: Set<TagItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttachmentItem {
    volume_id: String,
    instance_id: String,
    device: String,
    status: &'static str,
}

pub(super) fn describe(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let params = &call.params;
    let (ids, size) = (params.list("VolumeId"), params.page_size()?);
    check_ids_alone(&ids, size, "volumeSet")?;
    if let Some(malformed) = ids.iter().find(|id| !is_id(id, "vol")) {
        let message = format!("Value ({malformed}) for parameter volumes is invalid. Expected: 'vol-...'.");
        return Err(Refusal::client("InvalidParameterValue", message));
    }
    let mut filters = params.filters();
    let page = world.region(&call.account, &call.region, |region| {
        if let Some(unknown) = ids.iter().find(|id| region.volumes.get(id).is_none()) {
            return Err(not_found(unknown));
        }
        if !ids.is_empty() {
            filters.push(Filter::new("volume-id", ids.iter().map(|id| String::from(*id)).collect()));
        }
        region.volumes.page(&filters, size, params.text("NextToken"), |volume| Some(item(volume, &call.region)))
    })?;
    ec2("DescribeVolumes", request_id, Volumes { volume_set: Set { item: page.rows }, next_token: page.next_token })
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
}

fn item(volume: &Volume, region: &str) -> VolumeItem {
    let attachment = |(instance, device): &(String, String)| AttachmentItem {
        volume_id: volume.id.clone(),
        instance_id: instance.clone(),
        device: device.clone(),
        status: "attached",
    };
    VolumeItem {
        volume_id: volume.id.clone(),
        size: volume.size,
        status: volume.state.clone(),
        volume_type: "gp3",
        encrypted: false,
        availability_zone: format!("{region}a"),
        attachment_set: Set { item: volume.attachments.iter().map(attachment).collect() },
        tag_set: tag_set(&volume.tags),
    }
}
