//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html>

use super::{Answer, invalid_value};
use crate::answer::Xml;
use crate::query::Call;
use crate::world::World;

struct Shown {
    name: String,
    endpoint: String,
    opt_in: &'static str,
}

pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let (wanted, filters, settings) = (call.params.list("RegionName"), call.params.filters()?, world.settings());
    let shown =
        |name: &String, opt_in| Shown { name: name.clone(), endpoint: format!("ec2.{name}.amazonaws.com"), opt_in };
    let plain = settings.regions.iter().map(|name| shown(name, "opt-in-not-required"));
    let opt_in = settings.opt_in_regions.iter().map(|(name, accounts)| {
        shown(name, if accounts.contains(&*call.account) { "opted-in" } else { "not-opted-in" })
    });
    let all: Vec<Shown> = plain.chain(opt_in).collect();
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|region| region.name == **name)) {
        return Err(invalid_value(format!("Invalid region provided: {unknown}")));
    }
    // Who names a Region sees it, enabled or not.
    let is_wanted = |region: &Shown| match wanted.is_empty() {
        true => call.params.flag("AllRegions") || region.opt_in != "not-opted-in",
        false => wanted.contains(&region.name.as_str()),
    };
    let mut regions = Vec::new();
    for region in all.into_iter().filter(is_wanted) {
        let mut matches = true;
        for filter in &filters {
            matches &= filter.matches([match filter.name.as_str() {
                "region-name" => region.name.as_str(),
                "endpoint" => &region.endpoint,
                "opt-in-status" => region.opt_in,
                other => return Err(crate::table::unknown_filter(other)),
            }]);
        }
        if matches {
            regions.push(region);
        }
    }
    let mut xml = Xml::default();
    xml.set("regionInfo", regions, |xml, region| {
        xml.text("regionName", &region.name).text("regionEndpoint", &region.endpoint);
        xml.text("optInStatus", region.opt_in);
    });
    Ok(xml)
}

/// Whether the account has the Region. One that it did not opt into answers `AuthFailure`, as does one that is not
/// there: turbot/steampipe-plugin-aws#75.
pub(super) fn is_enabled(world: &World, account: &str, region: &str) -> bool {
    let settings = world.settings();
    let opted_in = settings.opt_in_regions.get(region).is_some_and(|accounts| accounts.contains(account));
    opted_in || settings.regions.iter().any(|name| name == region)
}
