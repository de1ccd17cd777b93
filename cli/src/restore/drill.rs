//! `snapkeep restore --drill`: a sample of the newest snapshots becomes volumes, which are looked at and deleted.
//!
//! It proves that EC2 makes a volume of the snapshot, with its key. It does not prove that a filesystem on it is good:
//! nothing is attached or read. Whatever happens, its volumes go: after errors, after Ctrl-C, and what a killed drill
//! left behind at the next one.

mod record;
mod text;
mod trial;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use planner::place::Place;
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::config;
use shared::rules::restore::choose::source;
use shared::rules::restore::drill::{Newest, default_size, sample};
use shared::rules::restore::volume::drilled;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::Snapshot;
use shared::vocabulary::policy::{Policy, Regions};
use shared::vocabulary::restore::{NewVolume, RestoreId, VolumeDetails};
use shared::vocabulary::tag;

use self::text::Plan;
use super::Manner;
use super::remove::remove;
use crate::ask::confirmed;
use crate::plan::Output;
use crate::policy::of_file;
use crate::show::show;
use crate::stop::Stop;
use crate::table::plain;
use crate::{Error, exit};

/// A drill, and what it is told.
pub(super) struct Drill<'a> {
    pub aws: &'a Aws,
    pub places: &'a [Place],
    pub policy: Option<String>,
    pub id: RestoreId,
    pub seed: String,
    pub size: Option<usize>,
    pub zone: Option<&'a str>,
    pub now: DateTime<Utc>,
    pub stop: &'a Stop,
    pub config: &'a config::Drill,
}

/// What a policy's file says about a drill.
pub(super) struct OfPolicy {
    pub name: String,
    pub regions: Option<Regions>,
}

/// A snapshot that is tried.
pub(super) struct Drawn {
    pub place: Place,
    pub ec2: Ec2,
    pub snapshot: Snapshot,
    pub new: NewVolume,
}

/// A volume of a drill that did not come to its end.
pub(super) struct Leftover {
    pub place: Place,
    pub ec2: Ec2,
    pub volume: VolumeDetails,
    /// Whether it may be of a drill that is under way somewhere.
    pub is_young: bool,
}

/// A drill of snapshots takes minutes. What is older than this, nobody is waiting for.
const OLD: TimeDelta = TimeDelta::hours(1);

pub(super) fn policy(file: &Path, now: DateTime<Utc>) -> Result<OfPolicy, Error> {
    let Policy { name, regions, .. } = Policy::parse(&of_file(file)?, now)?;
    Ok(OfPolicy { name, regions })
}

impl Drill<'_> {
    pub async fn run(&self, manner: Manner) -> Result<u8, Error> {
        let plan = tokio::select! {
            plan = self.plan() => plan?,
            () = self.stop.reached() => return super::stopped(),
        };
        if manner.is_dry || manner.output == Output::Table {
            show(&plan.show(self, manner.output));
        }
        if manner.is_dry {
            return Ok(if plan.problems.is_empty() { exit::DONE } else { exit::PARTLY });
        }
        if !manner.yes && !confirmed(&plan.question(), self.stop).await? {
            eprintln!("Nothing was tried.");
            return Ok(exit::DONE);
        }
        let mut left = Vec::new();
        for leftover in plan.leftovers.iter().filter(|leftover| !leftover.is_young) {
            left.extend(delete(leftover).await.err());
        }
        let trials = self.try_all(&plan.drawn).await;
        self.record(&plan, &trials).await;
        left.extend(trials.iter().filter_map(|trial| trial.left.clone()));
        show(&self.outcome(&plan, &trials, &left, manner.output));
        // A drill that had nothing to try has shown nothing.
        let is_good = !trials.is_empty() && trials.iter().all(|trial| trial.is_good());
        let is_whole = plan.problems.is_empty() && left.is_empty() && is_good;
        Ok(if is_whole && !self.stop.is_set() { exit::DONE } else { exit::PARTLY })
    }

    async fn plan(&self) -> Result<Plan, Error> {
        let (mut all, mut leftovers, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for place in self.places {
            match self.look(place).await {
                Ok((ec2, newest, left)) => {
                    all.extend(newest.snapshots().map(|snapshot| (place.clone(), ec2.clone(), snapshot.clone())));
                    leftovers.extend(left);
                }
                Err(error) => problems.push(plain(&error.to_string())),
            }
        }
        let among = all.len();
        let size = self.size.unwrap_or_else(|| default_size(among));
        let drawn = sample(&self.seed, size, all, |(_, _, snapshot)| &snapshot.id);
        let drawn = self.with_zones(drawn).await?;
        Ok(Plan { among, drawn, leftovers, problems })
    }

    /// The newest good snapshot of each volume, page by page, and what earlier drills have left.
    async fn look(&self, place: &Place) -> Result<(Ec2, Newest, Vec<Leftover>), ApiError> {
        let ec2 = self.aws.ec2(place.role.as_ref(), &place.region).await?;
        let left = ec2.volumes_with_tag(tag::DRILL, None).await?.into_iter();
        let left = left.filter(|volume| !matches!(volume.volume.state.as_str(), "deleting" | "deleted"));
        let left = left.map(|volume| Leftover {
            place: place.clone(),
            ec2: ec2.clone(),
            is_young: volume.created.is_none_or(|created| self.now - created < OLD),
            volume,
        });
        let left = left.collect();
        let mut newest = Newest::default();
        let mut pages = std::pin::pin!(ec2.managed_snapshots());
        while let Some(page) = pages.try_next().await? {
            page.into_iter().for_each(|snapshot| newest.note(snapshot, self.policy.as_deref()));
        }
        Ok((ec2.clone(), newest, left))
    }

    /// A volume is tried where its source is; one whose source is gone, where another one of the sample is.
    async fn with_zones(&self, drawn: Vec<(Place, Ec2, Snapshot)>) -> Result<Vec<Drawn>, Error> {
        let mut zones = BTreeMap::<String, String>::new();
        let mut of_sources = BTreeMap::<String, String>::new();
        for (place, ec2, snapshot) in &drawn {
            let Some(id) = source(snapshot) else { continue };
            let found = ec2.volumes_by_id(&[id.into()]).await;
            for found in found.map_err(|error| Error::Failed(plain(&error.to_string())))? {
                zones.insert(place.region.clone(), found.zone.clone());
                of_sources.insert(snapshot.id.clone(), found.zone);
            }
        }
        let with_zone = |(place, ec2, snapshot): (Place, Ec2, Snapshot)| {
            let typed = self.zone.filter(|zone| zone.starts_with(&place.region)).map(String::from);
            let zone = typed.or_else(|| of_sources.get(&snapshot.id).or(zones.get(&place.region)).cloned());
            let zone = zone.ok_or_else(|| {
                Error::Usage(format!(
                    "nothing was tried: the sources of the sample in {region} are gone, so say --zone, such as --zone \
                     {region}a",
                    region = place.region
                ))
            })?;
            Ok(Drawn { new: drilled(&self.id, &snapshot, &zone), place, ec2, snapshot })
        };
        drawn.into_iter().map(with_zone).collect()
    }
}

/// Deletes what an earlier drill has left. `Err` says what is still there, and why.
async fn delete(leftover: &Leftover) -> Result<(), String> {
    let volume = &leftover.volume.volume;
    let id = volume.tags.get(tag::RESTORE).map(String::as_str).unwrap_or_default();
    let removed = remove(&leftover.ec2, &volume.id, id).await;
    removed.map_err(|why| format!("{} in {}: {}", volume.id, leftover.place.region, plain(&why)))
}
