//! EC2's and STS's calls: one file for each kind of resource, one function for each call.

mod instances;
mod regions;
mod snapshots;
mod sts;
mod tags;
mod volumes;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::answer::{Refusal, Set};
use crate::query::Call;
use crate::world::{Tags, World};

/// Does what the call asks for, and gives the answer's XML.
pub(crate) fn perform(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    if call.params.flag("DryRun") {
        return Err(Refusal::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
    }
    match call.action.as_str() {
        "DescribeRegions" => regions::describe(world, call, request_id),
        "DescribeInstances" => instances::describe(world, call, request_id),
        "DescribeVolumes" => volumes::describe(world, call, request_id),
        "DescribeSnapshots" => snapshots::describe(world, call, request_id),
        "CreateSnapshot" => snapshots::create(world, call, request_id),
        "DeleteSnapshot" => snapshots::delete(world, call, request_id),
        "CreateTags" => tags::create(world, call, request_id),
        "GetCallerIdentity" => sts::get_caller_identity(call, request_id),
        "AssumeRole" => sts::assume_role(world, call, request_id),
        other => {
            Err(Refusal::client("InvalidAction", format!("The action {other} is not valid for this web service.")))
        }
    }
}

/// A tag as EC2 writes it.
#[derive(Debug, Serialize)]
struct TagItem {
    key: String,
    value: String,
}

fn tag_set(tags: &Tags) -> Set<TagItem> {
    let items = tags.iter().map(|(key, value)| TagItem { key: key.clone(), value: value.clone() });
    Set { item: items.collect() }
}

/// The answer of a call that only succeeds.
#[derive(Serialize)]
struct Done {
    #[serde(rename = "return")]
    return_: bool,
}

const DONE: Done = Done { return_: true };

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A prefix and 8 or 17 hexadecimal digits: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>
fn is_id(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Ids and `MaxResults` exclude each other in every Describe call that has both.
fn check_ids_alone(ids: &[&str], size: Option<usize>, name: &str) -> Result<(), Refusal> {
    match !ids.is_empty() && size.is_some() {
        true => Err(Refusal::client(
            "InvalidParameterCombination",
            format!("The parameter {name} cannot be used with the parameter maxResults"),
        )),
        false => Ok(()),
    }
}

/// EC2's limits for tags: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>
fn check_tags(tags: &[(String, String)]) -> Result<Tags, Refusal> {
    let mut checked = Tags::new();
    for (key, value) in tags {
        let refused = |message: String| Err(Refusal::client("InvalidParameterValue", message));
        if key.is_empty() || key.chars().count() > 128 {
            return refused(format!("Tag key must have between 1 and 128 characters: {key}"));
        }
        if value.chars().count() > 256 {
            return refused(format!("Tag value exceeds the maximum length of 256 characters: {key}"));
        }
        if key.to_lowercase().starts_with("aws:") {
            return refused("Tag keys starting with 'aws:' are reserved for internal use".into());
        }
        if checked.insert(key.clone(), value.clone()).is_some() {
            return refused(format!("Duplicate tag key '{key}' specified."));
        }
    }
    check_tag_count(&checked)?;
    Ok(checked)
}

fn check_tag_count(tags: &Tags) -> Result<(), Refusal> {
    match tags.keys().filter(|key| !key.starts_with("aws:")).count() {
        ..=50 => Ok(()),
        _ => Err(Refusal::client("TagLimitExceeded", "More than 50 tags specified")),
    }
}
