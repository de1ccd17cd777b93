//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html> and `DescribeSnapshotAttribute`.

use super::snapshots::owned;
use super::{Answer, invalid_value};
use crate::answer::{Refusal, Xml};
use crate::query::{Call, Params};
use crate::text::{Text, text};
use crate::world::World;

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html>
const MOST_CHANGES: usize = 500;

pub(super) fn modify(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let id = params.required("SnapshotId")?;
    check_attribute(params.text("Attribute").unwrap_or("createVolumePermission"))?;
    let (mut add, mut remove) =
        (named(params, "CreateVolumePermission.Add"), named(params, "CreateVolumePermission.Remove"));
    let plain = ["UserId", "UserGroup"].into_iter().flat_map(|name| params.list(name)).map(text);
    match params.text("OperationType") {
        Some("remove") => remove.extend(plain),
        _ => add.extend(plain),
    }
    if add.is_empty() == remove.is_empty() {
        let message = "Permissions must be either added or removed";
        return Err(Refusal::client("InvalidParameterCombination", message));
    }
    if add.len() + remove.len() > MOST_CHANGES {
        return Err(invalid_value(format!("{} changes; the most are {MOST_CHANGES}", add.len() + remove.len())));
    }
    let is_who = |who: &Text| &**who == "all" || (who.len() == 12 && who.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(nobody) = add.iter().chain(&remove).find(|who| !is_who(who)) {
        return Err(Refusal::client("InvalidUserID.Malformed", format!("Invalid user id: \"{nobody}\"")));
    }
    world.region(&call.region, |region| {
        let key = owned(region, call, id)?.rare().key.clone();
        let is_public = add.iter().any(|who| &**who == "all");
        if key.is_some() && is_public {
            let message = "Encrypted snapshots cannot be shared publicly";
            return Err(Refusal::client("OperationNotPermitted", message));
        }
        if key.as_deref() == Some("alias/aws/ebs") && !add.is_empty() {
            let message = "Encrypted snapshots with EBS default key cannot be shared";
            return Err(Refusal::client("OperationNotPermitted", message));
        }
        region.snapshots.change(id, |snapshot| {
            let shared = &mut snapshot.rare_mut().restorable_by;
            shared.extend(add);
            shared.retain(|who| !remove.contains(who));
        });
        Ok(())
    })?;
    super::done()
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let id = call.params.required("SnapshotId")?;
    check_attribute(call.params.required("Attribute")?)?;
    let shared = world
        .region(&call.region, |region| owned(region, call, id).map(|snapshot| snapshot.rare().restorable_by.clone()))?;
    let mut xml = Xml::default();
    xml.text("snapshotId", id).set("createVolumePermission", shared, |xml, who| {
        xml.text(if &*who == "all" { "group" } else { "userId" }, &who);
    });
    Ok(xml)
}

fn check_attribute(attribute: &str) -> Result<(), Refusal> {
    match attribute {
        "createVolumePermission" => Ok(()),
        other => Err(invalid_value(format!("Value ({other}) for parameter attribute is invalid."))),
    }
}

/// `prefix.n.UserId` and `prefix.n.Group`.
fn named(params: &Params, prefix: &str) -> Vec<Text> {
    let of_number = |number| {
        let said = |field: &str| params.text(&format!("{prefix}.{number}.{field}"));
        said("UserId").or_else(|| said("Group")).map(text)
    };
    params.numbered(prefix).into_iter().filter_map(of_number).collect()
}
