//! Where the target is, which snapshots it is restored from, and what its sources are.

use std::collections::{BTreeMap, BTreeSet};

use planner::place::Place;
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::rules::restore::choose::{Chosen, NoneGood, Obstacle, Wanted, newest, obstacle, source};
use shared::rules::restore::instance::{NoSet, Set, mixed, of_one_slot};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::Snapshot;
use shared::vocabulary::restore::{InstanceDetails, Target, VolumeDetails};
use shared::vocabulary::tag;

use super::plan::Attach;
use crate::Error;
use crate::table::plain;

/// What a restore is planned from.
pub(super) struct Found {
    pub place: Place,
    pub ec2: Ec2,
    pub set: Set,
    /// The volumes that the snapshots were taken of, as far as they are there, by id.
    pub sources: BTreeMap<String, VolumeDetails>,
    /// The instance that was asked for, or that the source is or was attached to, if it is there.
    pub instance: Option<InstanceDetails>,
}

/// What one Region has of the target.
struct Seen {
    snapshots: Vec<Snapshot>,
    sources: Vec<VolumeDetails>,
    instance: Option<InstanceDetails>,
}

/// The first Region that has the target or a snapshot of it.
pub(super) async fn find(
    aws: &Aws,
    places: &[Place],
    target: &Target,
    wanted: &Wanted,
    is_mixed: bool,
    attach: &Attach,
) -> Result<Found, Error> {
    let mut errors = Vec::new();
    for place in places {
        let looked = async {
            let ec2 = aws.ec2(place.role.as_ref(), &place.region).await?;
            Ok((look(&ec2, target).await?, ec2))
        };
        match looked.await {
            Ok((None, _)) => {}
            Ok((Some(seen), ec2)) => {
                let set = choose(target, &seen, wanted, is_mixed, &place.region)?;
                return rest(place.clone(), ec2, seen, set, attach).await.map_err(failed);
            }
            Err::<_, ApiError>(error) => errors.push(error),
        }
    }
    Err(match errors.into_iter().next() {
        Some(error) => failed(error),
        None => not_there(target, places),
    })
}

async fn look(ec2: &Ec2, target: &Target) -> Result<Option<Seen>, ApiError> {
    let seen = match target {
        Target::Volume(id) => {
            let sources = ec2.volumes_by_id(std::slice::from_ref(id)).await?;
            let snapshots = ec2.snapshots_of_volumes(&[id.clone()].into()).await?;
            Seen { sources, snapshots: snapshots.into_values().flatten().collect(), instance: None }
        }
        Target::Snapshot(id) => {
            Seen { sources: Vec::new(), snapshots: ec2.snapshot(id).await?.into_iter().collect(), instance: None }
        }
        Target::Instance(id) => {
            let instance = living(ec2.instance(id).await?);
            let mut snapshots = ec2.snapshots_of_volumes(&attached(instance.as_ref())).await?;
            let mut all: Vec<Snapshot> = snapshots.iter_mut().flat_map(|(_, found)| std::mem::take(found)).collect();
            all.extend(ec2.snapshots_of_instance(id).await?);
            all.sort_by(|one, other| one.id.cmp(&other.id));
            all.dedup_by(|one, other| one.id == other.id);
            // EC2 does not say of which volume a copy is.
            all.retain(|snapshot| !snapshot.is_copy);
            Seen { sources: Vec::new(), snapshots: all, instance }
        }
    };
    let is_nothing = seen.snapshots.is_empty() && seen.sources.is_empty() && seen.instance.is_none();
    Ok((!is_nothing).then_some(seen))
}

fn attached(instance: Option<&InstanceDetails>) -> BTreeSet<String> {
    instance.into_iter().flat_map(|instance| &instance.instance.volumes).map(|volume| volume.id.clone()).collect()
}

/// EC2 shows a terminated instance for an hour.
fn living(instance: Option<InstanceDetails>) -> Option<InstanceDetails> {
    instance.filter(|instance| !matches!(instance.state.as_str(), "terminated" | "shutting-down"))
}

fn choose(target: &Target, seen: &Seen, wanted: &Wanted, is_mixed: bool, region: &str) -> Result<Set, Error> {
    match target {
        Target::Volume(_) => match newest(&seen.snapshots, wanted) {
            Ok(Chosen { snapshot, passed_over }) => {
                let notes =
                    passed_over.iter().map(|(id, why)| format!("newer, but not to be restored from: {id} {why}"));
                Ok(Set { slot: None, notes: notes.collect(), snapshots: vec![snapshot] })
            }
            Err(NoneGood(found)) => Err(none_good(target, wanted, &found, region)),
        },
        Target::Snapshot(id) => {
            let snapshot = seen.snapshots.first().cloned().unwrap_or_default();
            if let Some(obstacle) = obstacle(&snapshot) {
                return Err(none_good(target, &Wanted::default(), &[(id.clone(), obstacle)], region));
            }
            let foreign = (!snapshot.tags.contains_key(tag::POLICY)).then(|| format!("{id} was not made by snapkeep"));
            Ok(Set { slot: None, notes: foreign.into_iter().collect(), snapshots: vec![snapshot] })
        }
        Target::Instance(id) => {
            let attached = attached(seen.instance.as_ref());
            let set = match is_mixed {
                true => mixed(&attached, &seen.snapshots, wanted),
                false => of_one_slot(&attached, &seen.snapshots, wanted),
            };
            set.map_err(|NoSet(why)| no_set(id, is_mixed, &why))
        }
    }
}

/// The sources, and the instance that there may be one to attach to.
async fn rest(place: Place, ec2: Ec2, seen: Seen, set: Set, attach: &Attach) -> Result<Found, ApiError> {
    let Seen { mut sources, instance, .. } = seen;
    if sources.is_empty() {
        let ids: BTreeSet<String> = set.snapshots.iter().filter_map(source).map(String::from).collect();
        sources = ec2.volumes_by_id(&Vec::from_iter(ids)).await?;
    }
    sources.retain(|source| !matches!(source.volume.state.as_str(), "deleting" | "deleted" | "error"));
    let named = match (attach, &instance) {
        (Attach::To(id), _) => Some(id.clone()),
        (_, Some(instance)) => Some(instance.instance.id.clone()),
        (_, None) => {
            let attached =
                sources.iter().flat_map(|source| &source.volume.attachments).map(|each| each.instance.clone());
            let tagged = set.snapshots.iter().filter_map(|snapshot| snapshot.tags.get(tag::INSTANCE).cloned());
            attached.chain(tagged).next()
        }
    };
    let instance = match named {
        None => None,
        Some(named) if instance.as_ref().is_some_and(|instance| instance.instance.id == named) => instance,
        Some(named) => living(ec2.instance(&named).await?),
    };
    let sources = sources.into_iter().map(|source| (source.volume.id.clone(), source)).collect();
    Ok(Found { place, ec2, set, sources, instance })
}

fn none_good(target: &Target, wanted: &Wanted, found: &[(String, Obstacle)], region: &str) -> Error {
    let of = wanted.policy.as_ref().map(|policy| format!(" of the policy {}", plain(policy)));
    let at = wanted.at.map(|at| format!(" that was begun at {} or before", at.format("%Y-%m-%dT%H:%M:%SZ")));
    let narrowed = format!("{}{}", of.unwrap_or_default(), at.unwrap_or_default());
    let mut lines = vec![match found.is_empty() {
        true => format!("there is no snapshot of {} of ours{narrowed}, in {region}. Nothing was made", target.id()),
        false => format!("{} cannot be restored{narrowed}, nothing was made:", target.id()),
    }];
    for (snapshot, obstacle) in found.iter().take(10) {
        lines.push(format!("  {snapshot} {}", plain(&obstacle.to_string())));
        lines.extend(obstacle.remedy(snapshot, region).map(|remedy| format!("    {remedy}")));
    }
    Error::Failed(lines.join("\n"))
}

fn no_set(instance: &str, is_mixed: bool, why: &[String]) -> Error {
    let why: String = why.iter().map(|line| format!("\n  {}", plain(line))).collect();
    Error::Failed(match is_mixed {
        true => format!("no volume of {instance} has a snapshot to restore from, nothing was made:{why}"),
        false => format!(
            "there is no slot of which every volume of {instance} has a good snapshot, nothing was made:{why}\nThe \
             newest of each volume, though of different times: the same command with --mixed. An older slot: --at TIME"
        ),
    })
}

fn not_there(target: &Target, places: &[Place]) -> Error {
    let regions: Vec<&str> = places.iter().map(|place| place.region.as_str()).collect();
    let account = places.first().map(|place| place.account.as_str()).unwrap_or_default();
    Error::Failed(format!(
        "{} is not in {}, in account {account}, and neither is a snapshot of ours of it. Look elsewhere with --regions \
         all, or in another account with AWS_PROFILE",
        target.id(),
        regions.join(", ")
    ))
}

fn failed(error: ApiError) -> Error {
    Error::Failed(plain(&error.to_string()))
}
