//! Where a run looks: the Regions of its accounts.

use std::collections::HashSet;

use futures::future;
use shared::aws::Aws;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::policy::{Account, Regions, Role};

/// One Region of one account, and how to get into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Place {
    pub account: String,
    pub role: Option<Role>,
    pub region: String,
}

/// All places of a run, and what stood in the way of an account.
pub async fn places(aws: &Aws, accounts: &[Account], regions: &Regions) -> (Vec<Place>, Vec<String>) {
    let places = future::join_all(accounts.iter().map(|account| of_account(aws, account, regions))).await;
    let (found, failed): (Vec<_>, Vec<_>) = places.into_iter().partition(Result::is_ok);
    let errors = failed.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    // An account that is named twice, as our own and by a role, is looked at once.
    let mut seen = HashSet::new();
    let found = found.into_iter().flatten().flatten();
    let found = found.filter(|place| seen.insert((place.account.clone(), place.region.clone())));
    (found.collect(), errors)
}

async fn of_account(aws: &Aws, account: &Account, regions: &Regions) -> Result<Vec<Place>, ApiError> {
    let role = account.role();
    let id = aws.account_id(account).await?;
    let regions = match regions {
        Regions::These(regions) => regions.clone(),
        Regions::All => aws.ec2(role, aws.home_region()).await?.enabled_regions().await?,
    };
    Ok(regions.into_iter().map(|region| Place { account: id.clone(), role: role.cloned(), region }).collect())
}
