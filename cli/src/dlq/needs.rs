//! Whether dead letters are still needed: EC2 is asked for all volumes of an account and Region at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::rules::fate::without_lists;
use shared::rules::need::{Need, Sight, need};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Holds, Presence, Snapshot};
use shared::vocabulary::job::{Action, Job};
use shared::vocabulary::policy::{Account, Role};

use super::letter::Letter;
use crate::table::plain;

/// What is known of a letter's need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Now {
    Known(Need),
    /// Why nobody could find out.
    Unknown(String),
}

impl Now {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Known(need) => need.word(),
            Self::Unknown(_) => "unknown",
        }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Known(need) => need.why(),
            Self::Unknown(why) => why,
        }
    }

    /// The letter with its need, for programs.
    pub fn add_to(&self, mut letter: Value) -> Value {
        letter["need"] = json!(self.word());
        letter["why"] = json!(self.why());
        letter
    }
}

/// Whether EC2 could have said something of it, and could not be asked.
pub(crate) fn is_unasked(letter: &Letter, now: &Now) -> bool {
    letter.job.is_ok() && matches!(now, Now::Unknown(_))
}

/// Why EC2 could not be asked, each reason once.
pub(crate) fn unasked<'a>(all: impl Iterator<Item = (&'a Letter, &'a Now)>) -> Vec<String> {
    let mut reasons = BTreeMap::<&str, usize>::new();
    for (_, now) in all.filter(|(letter, now)| is_unasked(letter, now)) {
        *reasons.entry(now.why()).or_default() += 1;
    }
    reasons.into_iter().map(|(why, count)| format!("error: {count} unknown: {}", plain(why))).collect()
}

/// Where a letter's volume is, and by whose credentials it is seen.
type Place = (String, String, Option<Role>);
/// Places that are asked at once.
const PLACES_AT_ONCE: usize = 8;

/// Each letter with what EC2 says of it, in their order.
pub(crate) async fn needs(aws: &Aws, letters: Vec<Letter>, now: DateTime<Utc>) -> Vec<(Letter, Now)> {
    let mut places = BTreeMap::<Place, Vec<&Job>>::new();
    for job in letters.iter().filter_map(|letter| letter.job.as_ref().ok()) {
        places.entry(place(job)).or_default().push(job);
    }
    let looks = stream::iter(places).map(async |(place, jobs)| {
        let scene = look(aws, &place, &jobs).await;
        (place, scene)
    });
    let scenes: HashMap<Place, Result<Scene, String>> = looks.buffer_unordered(PLACES_AT_ONCE).collect().await;
    let judged = letters.into_iter().map(|letter| {
        let known = match &letter.job {
            Err(_) => Now::Unknown("the body cannot be read".into()),
            Ok(job) => match scenes.get(&place(job)) {
                Some(Ok(scene)) => Now::Known(scene.need(job, now)),
                Some(Err(why)) => Now::Unknown(why.clone()),
                None => Now::Unknown("nobody was asked".into()),
            },
        };
        (letter, known)
    });
    judged.collect()
}

fn place(job: &Job) -> Place {
    (job.account.clone(), job.region.clone(), job.role.clone())
}

/// What there is in a place.
struct Scene {
    snapshots: BTreeMap<String, Vec<Snapshot>>,
    living: BTreeSet<String>,
    holds: Holds,
}

impl Scene {
    fn need(&self, job: &Job, now: DateTime<Utc>) -> Need {
        let presence = if self.living.contains(&job.volume) { Presence::Living } else { Presence::Gone };
        let snapshots = self.snapshots.get(&job.volume).map_or(&[][..], Vec::as_slice);
        need(job, &Sight { snapshots, presence, holds: &self.holds }, now)
    }
}

async fn look(aws: &Aws, (account, region, role): &Place, jobs: &[&Job]) -> Result<Scene, String> {
    let whose = match role {
        Some(role) => role.account().into(),
        None => aws.account_id(&Account::Own).await.map_err(|error| error.to_string())?,
    };
    // In another account nothing of it is there, and everything would seem to be gone.
    if whose != *account {
        return Err(format!(
            "seen from account {whose}, and it is in {account}: use that one's credentials (AWS_PROFILE)"
        ));
    }
    scene(aws, region, role.as_ref(), jobs).await.map_err(|error| error.to_string())
}

async fn scene(aws: &Aws, region: &str, role: Option<&Role>, jobs: &[&Job]) -> Result<Scene, ApiError> {
    let ec2 = aws.ec2(role, region).await?;
    let volumes: BTreeSet<String> = jobs.iter().map(|job| job.volume.clone()).collect();
    let snapshots = ec2.snapshots_of_volumes(&volumes).await?;
    let living = ec2.living(&volumes).await?;
    let mut holds = Holds::new();
    if jobs.iter().any(|job| job.action == Action::Prune) {
        let (found, errors) = ec2.holds().await;
        without_lists(errors)?;
        holds = found;
    }
    Ok(Scene { snapshots, living, holds })
}
