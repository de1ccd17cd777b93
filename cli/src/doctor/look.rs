//! The reading: every place of every policy once, page by page. What cannot be read is noted, and stops nothing else.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::{StreamExt, TryStreamExt, stream};
use planner::place::{Place, places};
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::rules::tags::snapshot_tags;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::policy::{Account, Policy, Regions, Role};
use shared::vocabulary::selection::TagMatch;

use super::near::Meant;
use super::seen::{Asked, Look, Seen};
use super::source::Source;

/// So many Regions are read at once: each holds a page of everything in memory.
const AT_ONCE: usize = 8;

/// What all places were seen to hold, and what stood in the way of an account.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub seen: Vec<Seen>,
    /// Roles that could not be assumed.
    pub roles: Vec<(Role, ApiError)>,
    /// Accounts whose Regions nobody could name.
    pub errors: Vec<String>,
}

/// Reads everything. `regions` is where a policy looks that does not say.
pub(crate) async fn look(aws: &Aws, sources: &[Source], said: Option<&Regions>, regions: &Regions) -> Found {
    let meant = Meant::of(sources.iter().filter_map(Source::policy).map(|policy| &policy.select));
    let mut found = Found::default();
    let mut of_places = BTreeMap::<(String, String), (Place, Vec<usize>)>::new();
    for (index, source) in sources.iter().enumerate() {
        let Some((accounts, of_source)) = source.places() else { continue };
        let regions = said.or(of_source).unwrap_or(regions);
        for place in found.places(aws, accounts, regions).await {
            let key = (place.account.clone(), place.region.clone());
            of_places.entry(key).or_insert_with(|| (place, Vec::new())).1.push(index);
        }
    }
    let looks = of_places.into_values().map(|(place, indices)| look_at(aws, place, sources, indices, &meant));
    found.seen = stream::iter(looks).buffered(AT_ONCE).collect().await;
    found
}

impl Found {
    /// The places of these accounts. Each role is assumed once, so that one that cannot be is told once.
    async fn places(&mut self, aws: &Aws, accounts: &[Account], regions: &Regions) -> Vec<Place> {
        let mut all = Vec::new();
        for account in accounts {
            if let Some(role) = account.role() {
                if self.roles.iter().any(|(refused, _)| refused == role) {
                    continue;
                }
                if let Err(error) = aws.ec2(Some(role), aws.home_region()).await {
                    self.roles.push((role.clone(), error));
                    continue;
                }
            }
            let (places, errors) = places(aws, std::slice::from_ref(account), regions).await;
            all.extend(places);
            self.errors.extend(errors.into_iter().filter(|error| !self.errors.contains(error)).collect::<Vec<_>>());
        }
        all
    }
}

async fn look_at(aws: &Aws, place: Place, sources: &[Source], indices: Vec<usize>, meant: &Meant) -> Seen {
    let policies: Vec<(usize, &Policy)> =
        indices.iter().filter_map(|index| Some((*index, sources[*index].policy()?))).collect();
    let (role, region) = (place.role.clone(), place.region.clone());
    let ec2 = aws.ec2(role.as_ref(), &region).await;
    let mut look = Look::new(place, policies, meant);
    let ec2 = match ec2 {
        Ok(ec2) => ec2,
        Err(error) => {
            let mut seen = look.finish();
            seen.sources = indices;
            seen.errors.push(("sts:AssumeRole", error));
            return seen;
        }
    };
    let mut errors = Vec::new();
    errors.extend(read_instances(&ec2, &mut look).await.err().map(|error| ("ec2:DescribeInstances", error)));
    errors.extend(read_volumes(&ec2, &mut look).await.err().map(|error| ("ec2:DescribeVolumes", error)));
    errors.extend(read_snapshots(&ec2, &mut look).await.err().map(|error| ("ec2:DescribeSnapshots", error)));
    let mut seen = look.finish();
    seen.errors = errors;
    seen.quota = match aws.quotas(role.as_ref(), &region).await {
        Ok(quotas) => Some(quotas.snapshots_per_region().await),
        Err(error) => Some(Err(error)),
    };
    if seen.snapshots.unencrypted.count > 0 {
        seen.encrypts = ec2.encrypts_by_default().await.ok();
    }
    // Whoever types this is not who works through the jobs of a stack, but in other accounts both assume the same role.
    let is_ours = role.is_some() || indices.iter().any(|index| !sources[*index].is_deployed);
    if is_ours {
        ask(&ec2, &mut seen).await;
    }
    seen.sources = indices;
    seen
}

/// What the jobs need, asked about a volume and a snapshot that are there: EC2 looks at their tags, as IAM does.
async fn ask(ec2: &Ec2, seen: &mut Seen) {
    let job = seen.policies.values().find_map(|selected| selected.job.clone());
    if let Some(job) = job {
        let answer = ec2.may_create(&job.volume, snapshot_tags(&job)).await;
        seen.asked.push(Asked { action: "ec2:CreateSnapshot, ec2:CreateTags", answer });
    }
    if let Some(snapshot) = seen.snapshots.deletable.clone() {
        let answer = ec2.may_delete(&snapshot).await;
        seen.asked.push(Asked { action: "ec2:DeleteSnapshot", answer });
    }
}

async fn read_instances(ec2: &Ec2, look: &mut Look<'_>) -> Result<(), ApiError> {
    let mut pages = pin!(ec2.instances(&TagMatch::default()));
    while let Some(page) = pages.try_next().await? {
        look.add_instances(&page);
    }
    Ok(())
}

async fn read_volumes(ec2: &Ec2, look: &mut Look<'_>) -> Result<(), ApiError> {
    let mut pages = pin!(ec2.volumes(&TagMatch::default(), None));
    while let Some(page) = pages.try_next().await? {
        look.add_volumes(page);
    }
    Ok(())
}

async fn read_snapshots(ec2: &Ec2, look: &mut Look<'_>) -> Result<(), ApiError> {
    let mut pages = pin!(ec2.all_snapshots());
    while let Some(page) = pages.try_next().await? {
        look.add_snapshots(page);
    }
    Ok(())
}
