//! EC2's and STS's calls: one file for each kind of resource, one function for each call.

mod bin;
mod copies;
mod encryption;
mod fast_restores;
mod images;
mod instances;
mod launches;
mod locks;
mod regions;
mod sharing;
mod snapshots;
mod sts;
mod tags;
mod tiers;
mod volumes;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::answer::{Refusal, Xml};
use crate::filter::Filter;
use crate::query::{Call, Params};
use crate::table::{Page, Query, Resource, Table};
use crate::text::{Tags, Text, text};
use crate::world::{AMAZON, World};

/// What a call answers, or how it is refused.
type Answer = Result<Xml, Refusal>;

/// A call, with the parameters that it knows.
struct Action {
    name: &'static str,
    params: &'static [&'static str],
    perform: fn(&World, &Call) -> Answer,
}

const fn action(name: &'static str, params: &'static [&'static str], perform: fn(&World, &Call) -> Answer) -> Action {
    Action { name, params, perform }
}

/// Every call that EC2 is asked for here, and every parameter. One that is not listed is refused and never ignored,
/// so that nobody takes for tried what was not.
const ACTIONS: &[Action] = &[
    action("AttachVolume", &["VolumeId", "InstanceId", "Device"], volumes::attach),
    action(
        "CopySnapshot",
        &[
            "SourceRegion",
            "SourceSnapshotId",
            "Description",
            "DestinationRegion",
            "Encrypted",
            "KmsKeyId",
            "PresignedUrl",
            "TagSpecification",
        ],
        copies::copy,
    ),
    action(
        "CreateSnapshot",
        &["VolumeId", "Description", "OutpostArn", "TagSpecification", "Location"],
        snapshots::create,
    ),
    action(
        "CreateSnapshots",
        &["InstanceSpecification", "Description", "OutpostArn", "TagSpecification", "CopyTagsFromSource", "Location"],
        snapshots::create_set,
    ),
    action("CreateTags", &["ResourceId", "Tag"], tags::create),
    action(
        "CreateVolume",
        &[
            "AvailabilityZone",
            "Encrypted",
            "Iops",
            "KmsKeyId",
            "OutpostArn",
            "Size",
            "SnapshotId",
            "VolumeType",
            "TagSpecification",
            "MultiAttachEnabled",
            "Throughput",
            "ClientToken",
        ],
        volumes::create,
    ),
    action("DeleteSnapshot", &["SnapshotId"], snapshots::delete),
    action("DeleteTags", &["ResourceId", "Tag"], tags::delete),
    action("DeleteVolume", &["VolumeId"], volumes::delete),
    action("DescribeFastSnapshotRestores", &["Filter", "MaxResults", "NextToken"], fast_restores::describe),
    action(
        "DescribeImages",
        &[
            "ImageId",
            "Owner",
            "ExecutableBy",
            "IncludeDeprecated",
            "IncludeDisabled",
            "Filter",
            "MaxResults",
            "NextToken",
        ],
        images::describe,
    ),
    action(
        "DescribeInstances",
        &["InstanceId", "IncludeManagedResources", "Filter", "MaxResults", "NextToken"],
        instances::describe,
    ),
    action("DescribeLockedSnapshots", &["SnapshotId", "Filter", "MaxResults", "NextToken"], locks::describe),
    action("DescribeRegions", &["RegionName", "AllRegions", "Filter"], regions::describe),
    action("DescribeSnapshotAttribute", &["SnapshotId", "Attribute"], sharing::describe),
    action("DescribeSnapshotTierStatus", &["Filter", "MaxResults", "NextToken"], tiers::describe),
    action(
        "DescribeSnapshots",
        &["SnapshotId", "Owner", "RestorableBy", "Filter", "MaxResults", "NextToken"],
        snapshots::describe,
    ),
    action(
        "DescribeVolumes",
        &["VolumeId", "IncludeManagedResources", "Filter", "MaxResults", "NextToken"],
        volumes::describe,
    ),
    // `Force` is for an instance that does not let go: here all let go.
    action("DetachVolume", &["VolumeId", "InstanceId", "Device", "Force"], volumes::detach),
    action("DisableFastSnapshotRestores", &["AvailabilityZone", "SourceSnapshotId"], fast_restores::disable),
    action("EnableFastSnapshotRestores", &["AvailabilityZone", "SourceSnapshotId"], fast_restores::enable),
    action("GetEbsEncryptionByDefault", &[], encryption::by_default),
    action("ListSnapshotsInRecycleBin", &["SnapshotId", "MaxResults", "NextToken"], bin::list),
    action("LockSnapshot", &["SnapshotId", "LockMode", "CoolOffPeriod", "LockDuration", "ExpirationDate"], locks::lock),
    action(
        "ModifySnapshotAttribute",
        &["SnapshotId", "Attribute", "OperationType", "UserId", "UserGroup", "CreateVolumePermission"],
        sharing::modify,
    ),
    action("ModifySnapshotTier", &["SnapshotId", "StorageTier"], tiers::modify),
    action("RestoreSnapshotFromRecycleBin", &["SnapshotId"], bin::restore),
    action(
        "RunInstances",
        &[
            "ImageId",
            "InstanceType",
            "MinCount",
            "MaxCount",
            "BlockDeviceMapping",
            "Placement",
            "TagSpecification",
            "ClientToken",
        ],
        launches::run,
    ),
    action("TerminateInstances", &["InstanceId"], launches::terminate),
    action("UnlockSnapshot", &["SnapshotId"], locks::unlock),
];

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html>
const COMMON_PARAMS: [&str; 3] = ["Action", "Version", "DryRun"];

/// All EC2 actions there are, each with its parameters.
#[cfg(test)]
pub(crate) fn known() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    ACTIONS.iter().map(|action| (action.name, action.params))
}

/// Does what the call asks for, and gives what stands in its answer.
pub(crate) fn perform(world: &World, call: &Call) -> Answer {
    match (&*call.service, &*call.action) {
        ("sts", "GetCallerIdentity") => return sts::get_caller_identity(call),
        ("sts", "AssumeRole") => return sts::assume_role(world, call),
        _ => {}
    }
    let action = ACTIONS.iter().find(|action| action.name == &*call.action && &*call.service == "ec2");
    let action = action.ok_or_else(|| {
        let message = format!("The action {} is not valid for this web service.", call.action);
        Refusal::client("InvalidAction", message)
    })?;
    let is_known = |root: &&str| action.params.contains(root) || COMMON_PARAMS.contains(root);
    if let Some(unknown) = call.params.roots().find(|root| !is_known(root)) {
        return Err(Refusal::client("UnknownParameter", format!("The parameter {unknown} is not recognized")));
    }
    if !regions::is_enabled(world, &call.account, &call.region) {
        return Err(crate::query::auth_failure());
    }
    if call.params.flag("DryRun") {
        return Err(Refusal::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
    }
    (action.perform)(world, call)
}

/// The page of `table` that a Describe call asks for: of what the caller may see by `scopes`, what `filters` let
/// through. An id that is not there fails the whole call; one that may not be seen is left out.
fn page<T: Resource>(
    world: &World,
    call: &Call,
    table: &Table<T>,
    scopes: &[&[(&'static str, &str)]],
    ids: &Ids<'_>,
    filters: &[Filter],
) -> Result<Page<T>, Refusal> {
    let is_unknown = |id: &str| {
        let found = table.seen(id, call.eye());
        found.is_none_or(|resource| !T::IS_SHARED && *resource.head().owner != call.account)
    };
    if let Some(unknown) = ids.ids.iter().find(|id| is_unknown(id)) {
        return Err((ids.not_found)(unknown));
    }
    table.page(&Query {
        scopes,
        ids: &ids.ids,
        filters,
        size: ids.size,
        token: call.params.text("NextToken"),
        eye: call.eye(),
        paging: &world.settings().paging,
    })
}

/// The ids and the page size of a Describe call.
struct Ids<'a> {
    ids: Vec<&'a str>,
    size: Option<usize>,
    not_found: fn(&str) -> Refusal,
}

impl<'a> Ids<'a> {
    /// Reads `name.1` and so on, which exclude `MaxResults` in every Describe call that has both.
    fn read(
        params: &'a Params,
        name: &str,
        check: fn(&str) -> Result<&str, Refusal>,
        not_found: fn(&str) -> Refusal,
    ) -> Result<Self, Refusal> {
        let (ids, size) = (params.list(name), params.page_size()?);
        if !ids.is_empty() && size.is_some() {
            let message = format!("The parameter {name} cannot be used with the parameter maxResults");
            return Err(Refusal::client("InvalidParameterCombination", message));
        }
        for id in &ids {
            check(id)?;
        }
        Ok(Self { ids, size, not_found })
    }
}

/// The filters of a Describe call that has no others than these, and under which name the index knows them.
fn filters_among(call: &Call, known: &[(&str, &str)]) -> Result<Vec<Filter>, Refusal> {
    let mut filters = call.params.filters()?;
    for filter in &mut filters {
        let found = known.iter().find(|(name, _)| *name == filter.name);
        let (_, name) = found.ok_or_else(|| crate::table::unknown_filter(&filter.name))?;
        filter.name = (*name).into();
    }
    Ok(filters)
}

/// Zones are not listed: whatever begins with the Region's name is one.
fn check_zone(call: &Call, zone: &str) -> Result<(), Refusal> {
    match zone.strip_prefix(&*call.region).is_some_and(|letter| !letter.is_empty()) {
        true => Ok(()),
        false => Err(Refusal::client("InvalidZone.NotFound", format!("The zone '{zone}' does not exist."))),
    }
}

/// A prefix and 8 or 17 hexadecimal digits: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>
fn is_id(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `id`, if it is one. What begins otherwise is no id of the kind at all, and has a code of its own:
/// cloud-custodian/cloud-custodian, `ErrorHandler`, knows both.
fn checked_id<'a>(id: &'a str, prefix: &str, malformed: &str) -> Result<&'a str, Refusal> {
    match id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-')) {
        _ if is_id(id, prefix) => Ok(id),
        true => Err(Refusal::client(malformed, format!("Invalid id: \"{id}\""))),
        false => {
            Err(invalid_value(format!("Value ({id}) for parameter {prefix} is invalid. Expected: '{prefix}-...'.")))
        }
    }
}

/// Done, and nothing more to say.
fn done() -> Answer {
    let mut xml = Xml::default();
    xml.plain("return", true);
    Ok(xml)
}

fn invalid_value(message: impl Into<String>) -> Refusal {
    Refusal::client("InvalidParameterValue", message)
}

/// The tags of the `TagSpecification`s for `resource`. One for a resource that the call does not make has no place
/// in it.
fn specified_tags(params: &Params, resource: &str, allowed: &[&str]) -> Result<Tags, Refusal> {
    let mut tags = Vec::new();
    for number in params.numbered("TagSpecification") {
        let kind = params.text(&format!("TagSpecification.{number}.ResourceType")).unwrap_or_default();
        if !allowed.contains(&kind) {
            return Err(invalid_value(format!("'{kind}' is not a valid taggable resource type for this operation.")));
        }
        let specified = params.tags(&format!("TagSpecification.{number}.Tag"));
        if specified.is_empty() {
            return Err(invalid_value("Tag specification must have at least one tag"));
        }
        if kind == resource {
            tags.extend(specified);
        }
    }
    tags::check(&tags)
}

/// The key that a new volume or a copy is encrypted with. `KmsKeyId` without `Encrypted` is refused.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html>
fn wanted_key(call: &Call, source: Option<&Text>) -> Result<Option<Text>, Refusal> {
    let (key, is_encrypted) = (call.params.text("KmsKeyId"), call.params.flag("Encrypted"));
    match (key, source) {
        (Some(_), None) if !is_encrypted => {
            let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
            Err(Refusal::client("InvalidParameterDependency", message))
        }
        (Some(key), _) => Ok(Some(text(key))),
        (None, Some(_)) => Ok(Some(text("alias/aws/ebs"))),
        (None, None) => Ok(is_encrypted.then(|| text("alias/aws/ebs"))),
    }
}

/// The `StateMessage` of a snapshot whose key cannot be used:
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html>
const NOT_ACCESSIBLE: &str = "Given key ID is not accessible";

/// Whether what has this key, or none, can be used in `region`: the key looks like one, is none of another Region's,
/// and was not revoked.
fn is_accessible(world: &World, key: Option<&Text>, region: &str) -> bool {
    let Some(key) = key else { return true };
    let is_uuid = |text: &str| {
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    let is_key = match key.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "kms", place, _, name] => {
            place == region && (name.starts_with("key/") || name.starts_with("alias/"))
        }
        [name] => is_uuid(name) || name.starts_with("mrk-") || name.starts_with("alias/"),
        _ => false,
    };
    is_key && !world.settings().revoked_keys.contains(&**key)
}

/// The accounts that `name.1` and so on are, which may say `self` and `amazon`.
fn accounts(call: &Call, name: &str) -> Vec<String> {
    let account = |who| match who {
        "self" => call.account.to_string(),
        "amazon" => AMAZON.into(),
        account => account.into(),
    };
    call.params.list(name).into_iter().map(account).collect()
}

/// Whether `call`'s account may use what `owner` has, and shares with these.
fn may_use(call: &Call, owner: &Text, shared: &BTreeSet<Text>) -> bool {
    *owner == call.account || shared.contains(&call.account) || shared.contains("all")
}

/// What was made with this client token before, if it was: made twice is made once. The same token with other
/// parameters is refused. <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
fn made_before(region: &crate::world::Region, call: &Call) -> Result<Option<Vec<Text>>, Refusal> {
    let Some(token) = call.params.text("ClientToken") else { return Ok(None) };
    match region.client_tokens.get(&(Arc::clone(&call.account), token.into())) {
        None => Ok(None),
        Some((params, ids)) if *params == call.params.fingerprint("") => Ok(Some(ids.clone())),
        Some(_) => {
            let message = "The client token is used with other parameters than before.";
            Err(Refusal::client("IdempotentParameterMismatch", message))
        }
    }
}

fn keep_client_token(region: &mut crate::world::Region, call: &Call, ids: Vec<Text>) {
    if let Some(token) = call.params.text("ClientToken") {
        let key = (Arc::clone(&call.account), token.into());
        region.client_tokens.insert(key, (call.params.fingerprint(""), ids));
    }
}
