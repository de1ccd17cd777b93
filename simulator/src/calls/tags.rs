//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>

use super::snapshots::not_found as snapshot_not_found;
use super::volumes::not_found as volume_not_found;
use super::{DONE, check_tag_count, check_tags};
use crate::answer::{Refusal, ec2};
use crate::query::Call;
use crate::table::{Resource, Table};
use crate::world::{Region, Tags, World};

pub(super) fn create(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let ids = call.params.list("ResourceId");
    let tags = check_tags(&call.params.tags("Tag"))?;
    if ids.is_empty() || tags.is_empty() {
        let missing = if ids.is_empty() { "resourceIdSet" } else { "tagSet" };
        return Err(Refusal::client("MissingParameter", format!("The request must contain the parameter {missing}")));
    }
    world.region(&call.account, &call.region, |region| {
        for id in &ids {
            check(region, id, &tags)?;
        }
        ids.iter().for_each(|id| write(region, id, &tags));
        Ok(())
    })?;
    ec2("CreateTags", request_id, DONE)
}

/// All resources or none: whatever is wrong with one of them is found before anything is written.
fn check(region: &Region, id: &str, tags: &Tags) -> Result<(), Refusal> {
    let found = match id.split('-').next() {
        Some("i") => region.instances.get(id).map(Resource::tags),
        Some("vol") => region.volumes.get(id).map(Resource::tags),
        Some("snap") => region.snapshots.get(id).map(Resource::tags),
        _ => return Err(Refusal::client("InvalidID", format!("The ID '{id}' is not valid"))),
    };
    let found = found.ok_or_else(|| match id.split('-').next() {
        Some("vol") => volume_not_found(id),
        Some("snap") => snapshot_not_found(id),
        _ => Refusal::client("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")),
    })?;
    check_tag_count(&found.clone().into_iter().chain(tags.clone()).collect())
}

fn write(region: &mut Region, id: &str, tags: &Tags) {
    match id.split('-').next() {
        Some("i") => rewrite(&mut region.instances, id, |instance| instance.tags.extend(tags.clone())),
        Some("vol") => rewrite(&mut region.volumes, id, |volume| volume.tags.extend(tags.clone())),
        _ => rewrite(&mut region.snapshots, id, |snapshot| snapshot.tags.extend(tags.clone())),
    }
}

fn rewrite<T: Resource>(table: &mut Table<T>, id: &str, change: impl FnOnce(&mut T)) {
    if let Some(mut row) = table.remove(id) {
        change(&mut row);
        table.insert(row);
    }
}
