//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html>

use serde::Serialize;

use crate::answer::{Refusal, Set, ec2};
use crate::query::Call;
use crate::world::World;

#[derive(Serialize)]
struct Regions {
    #[serde(rename = "regionInfo")]
    regions: Set<RegionItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegionItem {
    region_name: String,
    region_endpoint: String,
    opt_in_status: &'static str,
}

pub(super) fn describe(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let wanted = call.params.list("RegionName");
    let regions = world.settings().regions.clone();
    if let Some(unknown) = wanted.iter().find(|name| !regions.iter().any(|region| region == *name)) {
        let message = format!("Invalid region provided: {unknown}");
        return Err(Refusal::client("InvalidParameterValue", message));
    }
    let shown = regions.into_iter().filter(|region| wanted.is_empty() || wanted.contains(&region.as_str()));
    let item = shown.map(|region_name| RegionItem {
        region_endpoint: format!("ec2.{region_name}.amazonaws.com"),
        opt_in_status: "opt-in-not-required",
        region_name,
    });
    ec2("DescribeRegions", request_id, Regions { regions: Set { item: item.collect() } })
}
