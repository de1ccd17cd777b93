//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html> and its neighbours.

use serde::Serialize;

use super::volumes::not_found as volume_not_found;
use super::{DONE, TagItem, check_ids_alone, check_tags, is_id, iso, tag_set};
use crate::answer::{Refusal, Set, ec2};
use crate::filter::Filter;
use crate::query::{Call, Params};
use crate::world::{Snapshot, Tags, World};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshots {
    snapshot_set: Set<SnapshotItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotItem {
    snapshot_id: String,
    volume_id: String,
    status: String,
    start_time: String,
    progress: &'static str,
    owner_id: String,
    volume_size: u32,
    description: String,
    encrypted: bool,
    storage_tier: &'static str,
    tag_set: Set<TagItem>,
}

pub(super) fn describe(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let params = &call.params;
    let (ids, size) = (params.list("SnapshotId"), params.page_size()?);
    check_ids_alone(&ids, size, "snapshotSet")?;
    if let Some(malformed) = ids.iter().find(|id| !is_id(id, "snap")) {
        return Err(malformed_id(malformed));
    }
    let owners = params.list("Owner");
    let is_wanted = |owner: &str| {
        owners.is_empty()
            || owners.iter().any(|wanted| *wanted == owner || (*wanted == "self" && owner == call.account))
    };
    let mut filters = params.filters();
    let page = world.region(&call.account, &call.region, |region| {
        if let Some(unknown) = ids.iter().find(|id| region.snapshots.get(id).is_none()) {
            return Err(not_found(unknown));
        }
        if !ids.is_empty() {
            filters.push(Filter::new("snapshot-id", ids.iter().map(|id| String::from(*id)).collect()));
        }
        region.snapshots.page(&filters, size, params.text("NextToken"), |snapshot| {
            is_wanted(&snapshot.owner).then(|| item(snapshot))
        })
    })?;
    ec2(
        "DescribeSnapshots",
        request_id,
        Snapshots { snapshot_set: Set { item: page.rows }, next_token: page.next_token },
    )
}

pub(super) fn create(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let volume_id = call.params.required("VolumeId")?;
    if !is_id(volume_id, "vol") {
        let message = format!("Value ({volume_id}) for parameter volumeId is invalid. Expected: 'vol-...'.");
        return Err(Refusal::client("InvalidParameterValue", message));
    }
    let tags = tags_of(&call.params)?;
    let description = call.params.text("Description").unwrap_or_default();
    if description.chars().count() > 255 {
        return Err(Refusal::client("InvalidParameterValue", "The description has more than 255 characters"));
    }
    let now = world.clock.now();
    let completes = now + world.settings().completes_after;
    let made = world.region(&call.account, &call.region, |region| {
        let volume = region.volumes.get(volume_id).ok_or_else(|| volume_not_found(volume_id))?;
        if !matches!(volume.state.as_str(), "in-use" | "available") {
            let message = format!("The volume '{volume_id}' is in state '{}'", volume.state);
            return Err(Refusal::client("IncorrectState", message));
        }
        let snapshot = Snapshot {
            id: world.new_id("snap"),
            volume: volume_id.into(),
            owner: call.account.clone(),
            tags,
            description: description.into(),
            size: volume.size,
            started: now,
            completes,
            state: "pending".into(),
        };
        region.add_snapshot(snapshot.clone());
        Ok(snapshot)
    })?;
    ec2("CreateSnapshot", request_id, item(&made))
}

pub(super) fn delete(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let id = call.params.required("SnapshotId")?;
    if !is_id(id, "snap") {
        return Err(malformed_id(id));
    }
    let deleted = world.region(&call.account, &call.region, |region| region.snapshots.remove(id));
    deleted.ok_or_else(|| not_found(id))?;
    ec2("DeleteSnapshot", request_id, DONE)
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}

fn malformed_id(id: &str) -> Refusal {
    Refusal::client("InvalidSnapshotID.Malformed", format!("The snapshot ID '{id}' is not valid"))
}

/// The tags of the `TagSpecification` for snapshots; another resource's has no place in this call.
fn tags_of(params: &Params) -> Result<Tags, Refusal> {
    let mut tags = Vec::new();
    for number in params.numbered("TagSpecification") {
        let resource = params.text(&format!("TagSpecification.{number}.ResourceType")).unwrap_or_default();
        if resource != "snapshot" {
            let message = format!("'{resource}' is not a valid taggable resource type for this operation.");
            return Err(Refusal::client("InvalidParameterValue", message));
        }
        tags.extend(params.tags(&format!("TagSpecification.{number}.Tag")));
    }
    check_tags(&tags)
}

fn item(snapshot: &Snapshot) -> SnapshotItem {
    SnapshotItem {
        snapshot_id: snapshot.id.clone(),
        volume_id: snapshot.volume.clone(),
        status: snapshot.state.clone(),
        start_time: iso(snapshot.started),
        progress: snapshot.progress(),
        owner_id: snapshot.owner.clone(),
        volume_size: snapshot.size,
        description: snapshot.description.clone(),
        encrypted: false,
        storage_tier: "standard",
        tag_set: tag_set(&snapshot.tags),
    }
}
