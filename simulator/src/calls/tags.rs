//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html> and `DeleteTags`.

use super::{Answer, instances, invalid_value, snapshots, volumes};
use crate::answer::Refusal;
use crate::query::Call;
use crate::table::{Resource, Table};
use crate::text::{Tags, Text, text};
use crate::world::{Region, World};

const MOST_RESOURCES: usize = 1000;
const MOST_TAGS: usize = 50;

/// All resources or none: whatever is wrong with one of them is found before anything is written.
pub(super) fn create(world: &World, call: &Call) -> Answer {
    let ids = resources(call)?;
    let tags = check(&call.params.tags("Tag"))?;
    if tags.is_empty() {
        return Err(Refusal::client("MissingParameter", "The request must contain the parameter tagSet"));
    }
    rewrite(world, call, &ids, |old| {
        old.extend(tags.clone());
        check_count(old)
    })
}

/// A key alone takes the tag off whatever its value; with a value, also an empty one, only if it has it. Without
/// any tag all go but AWS's own.
pub(super) fn delete(world: &World, call: &Call) -> Answer {
    let ids = resources(call)?;
    let wanted = call.params.tags("Tag");
    rewrite(world, call, &ids, |old| {
        let goes = |key: &str, value: &str| {
            let named = wanted.iter().any(|(name, with)| *name == key && with.is_none_or(|with| with == value));
            !key.starts_with("aws:") && (wanted.is_empty() || named)
        };
        old.retain(|key, value| !goes(key, value));
        Ok(())
    })
}

fn resources(call: &Call) -> Result<Vec<&str>, Refusal> {
    let ids = call.params.list("ResourceId");
    match ids.len() {
        0 => Err(Refusal::client("MissingParameter", "The request must contain the parameter resourceIdSet")),
        1..=MOST_RESOURCES => Ok(ids),
        count => Err(invalid_value(format!("{count} resources; the most are {MOST_RESOURCES}"))),
    }
}

fn rewrite(world: &World, call: &Call, ids: &[&str], change: impl Fn(&mut Tags) -> Result<(), Refusal>) -> Answer {
    world.region(&call.region, |region| {
        let mut changed = Vec::new();
        for id in ids {
            let mut tags = taggable(region, call, id)?.clone();
            change(&mut tags)?;
            changed.push((*id, tags));
        }
        changed.into_iter().for_each(|(id, tags)| write(region, id, tags));
        Ok(())
    })?;
    super::done()
}

/// What kind of resource an id is of.
fn kind(id: &str) -> &str {
    id.split('-').next().unwrap_or_default()
}

fn taggable<'a>(region: &'a Region, call: &Call, id: &str) -> Result<&'a Tags, Refusal> {
    fn owned<'a, T: Resource>(
        table: &'a Table<T>,
        owner: &Text,
        id: &str,
        not_found: fn(&str) -> Refusal,
    ) -> Result<&'a Tags, Refusal> {
        let found = table.get(id).filter(|resource| resource.head().owner == owner);
        found.map(|resource| resource.head().tags).ok_or_else(|| not_found(id))
    }
    let me = &call.account;
    match kind(id) {
        "i" => owned(&region.instances, me, id, instances::not_found),
        "vol" => owned(&region.volumes, me, id, volumes::not_found),
        "snap" => owned(&region.snapshots, me, id, snapshots::not_found),
        "ami" => owned(&region.images, me, id, super::images::not_found),
        _ => Err(Refusal::client("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

fn write(region: &mut Region, id: &str, tags: Tags) {
    match kind(id) {
        "i" => region.instances.change(id, |instance| instance.tags = tags),
        "vol" => region.volumes.change(id, |volume| volume.tags = tags),
        "snap" => region.snapshots.change(id, |snapshot| snapshot.tags = tags),
        _ => region.images.change(id, |image| image.tags = tags),
    };
}

/// EC2's limits for tags: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
pub(super) fn check(tags: &[(&str, Option<&str>)]) -> Result<Tags, Refusal> {
    let mut checked = Tags::new();
    for (key, value) in tags {
        let value = value.unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid_value(format!("Tag key must have between 1 and 128 characters: {key}")));
        }
        if value.chars().count() > 256 {
            return Err(invalid_value(format!("Tag value exceeds the maximum length of 256 characters: {key}")));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid_value("Tag keys starting with 'aws:' are reserved for internal use"));
        }
        if checked.insert(text(key), text(value)).is_some() {
            return Err(invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    check_count(&checked)?;
    Ok(checked)
}

/// AWS's own tags are not counted.
pub(super) fn check_count(tags: &Tags) -> Result<(), Refusal> {
    match tags.keys().filter(|key| !key.starts_with("aws:")).count() {
        ..=MOST_TAGS => Ok(()),
        _ => Err(Refusal::client("TagLimitExceeded", "More than 50 tags specified")),
    }
}
