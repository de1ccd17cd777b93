//! What no rule keeps: planned from the snapshots, so that those of volumes that are gone are seen as well.
//!
//! A Region is read twice. EC2 lists snapshots in no order, so that the first time only counts how many each volume
//! has; then so many volumes at a time are read whole as fit into memory. What is held is by the number of volumes,
//! never of snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use chrono::{DateTime, Utc};
use futures::{TryStreamExt, future};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::rules::adopt::adopted_tags;
use shared::rules::fate::without_lists;
use shared::rules::retention::{Case, Finding, Verdict, judge};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::inventory::{Holds, Presence, Snapshot};
use shared::vocabulary::job::{Action, GIVE_UP_AFTER, Identity, Job};
use shared::vocabulary::policy::{Adoption, Prune, Regions};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::place::{Place, places};
use crate::summary::{Capped, PruneSummary, RegionSummary, Summary};

/// Volumes that are read together: as many as one filter takes, and no more snapshots than a few pages.
const MOST_VOLUMES: usize = 200;
const MOST_SNAPSHOTS: usize = 5000;
/// Regions that hold such a part, or a page, in memory at once. The others wait their turn.
const PARTS_AT_ONCE: usize = 4;
/// Volumes that are named when the cap has stopped a run, and snapshots of each.
const MOST_NAMED: usize = 100;
const MOST_NAMED_OF_A_VOLUME: usize = 5;

/// What is seen on the way, for whoever wants to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A volume's snapshots, with a verdict on each.
    Volume(Judged),
    /// A snapshot of another tool.
    Adoptable(Adoptable),
}

/// A volume's snapshots, with a verdict on each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Judged {
    pub place: Place,
    pub volume: String,
    pub presence: Presence,
    pub verdicts: Vec<Verdict>,
    pub findings: Vec<Finding>,
}

/// A snapshot of another tool that the policy wants to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoptable {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub snapshot: Snapshot,
    /// The tags that make it ours, or why it cannot be adopted.
    pub tags: Result<Vec<(String, String)>, String>,
}

/// The rows of a dry run: each volume of which something expires, and each snapshot of another tool.
pub(crate) fn rows(mut seen: Receiver<Seen>) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(seen) = seen.recv().await {
            let row = match seen {
                Seen::Volume(judged) => judged.row(),
                Seen::Adoptable(adoptable) => Some(adoptable.row()),
            };
            if let Some(row) = row
                && sender.send(row).await.is_err()
            {
                break;
            }
        }
    });
    receiver
}

impl Judged {
    /// What expires and why, and how many stay; `None` where nothing expires.
    fn row(&self) -> Option<Value> {
        let Self { place, volume, presence, verdicts, .. } = self;
        let (gone, kept): (Vec<&Verdict>, Vec<&Verdict>) = verdicts.iter().partition(|verdict| verdict.expires());
        let expire: BTreeMap<&str, String> =
            gone.iter().map(|verdict| (verdict.snapshot.as_str(), verdict.why().join("; "))).collect();
        (!gone.is_empty()).then(|| {
            json!({
                "account": place.account, "region": place.region, "volume": volume, "presence": presence,
                "expire": expire, "kept": kept.len(),
            })
        })
    }
}

impl Adoptable {
    /// What it would become, or why it is left alone.
    pub fn row(&self) -> Value {
        let Self { place, snapshot, tags } = self;
        let tags = match tags {
            Ok(tags) => json!(tags.iter().cloned().collect::<BTreeMap<_, _>>()),
            Err(why) => json!({ "left alone": why }),
        };
        json!({
            "account": place.account, "region": place.region, "volume": snapshot.volume,
            "snapshot": snapshot.id, "adopt": tags,
        })
    }
}

/// Plans a run of `prune`: judges all snapshots of ours, sends a job to `jobs` for each volume and policy of which
/// something expires, and gives a summary. A Region that cannot be read whole, or where more would expire than the cap
/// allows, gets no job at all. Everything that is seen goes to `seen`, where somebody listens.
pub async fn prune(
    aws: &Aws,
    prune: &Prune,
    default_regions: &Regions,
    now: DateTime<Utc>,
    jobs: Sender<Job>,
    seen: Option<Sender<Seen>>,
) -> Summary {
    let mut summary =
        Summary { policy: Prune::NAME.into(), slot: prune.slot, jobs: 0, regions: Vec::new(), errors: Vec::new() };
    let (places, errors) = places(aws, &prune.accounts, prune.regions.as_ref().unwrap_or(default_regions)).await;
    summary.errors = errors;
    let parts = &Semaphore::new(PARTS_AT_ONCE);
    let planned = places.into_iter().map(|place| async {
        let region = Region::new(prune, place, now, seen.clone());
        region.plan(aws, parts, &jobs).await
    });
    summary.regions = future::join_all(planned).await;
    summary.jobs = summary.regions.iter().map(|region| region.jobs).sum();
    summary
}

/// What is known of a Region so far.
struct Region<'a> {
    prune: &'a Prune,
    place: Place,
    now: DateTime<Utc>,
    seen: Option<Sender<Seen>>,
    living: BTreeSet<String>,
    holds: Holds,
    /// Volume and policy → the snapshots that go, those that are named first.
    expiring: BTreeMap<(String, String), Expiring>,
    warnings: BTreeSet<String>,
    summary: RegionSummary,
    found: PruneSummary,
}

#[derive(Debug, Default)]
struct Expiring {
    count: usize,
    named: Vec<String>,
}

impl<'a> Region<'a> {
    fn new(prune: &'a Prune, place: Place, now: DateTime<Utc>, seen: Option<Sender<Seen>>) -> Self {
        Self {
            prune,
            now,
            seen,
            living: BTreeSet::new(),
            holds: Holds::new(),
            expiring: BTreeMap::new(),
            warnings: BTreeSet::new(),
            summary: RegionSummary::of(&place),
            found: PruneSummary::default(),
            place,
        }
    }

    async fn plan(mut self, aws: &Aws, parts: &Semaphore, jobs: &Sender<Job>) -> RegionSummary {
        let read = match aws.ec2(self.place.role.as_ref(), &self.place.region).await {
            Ok(ec2) => self.read(&ec2, parts).await,
            Err(error) => Err(error),
        };
        let most = self.prune.cap.most(self.found.snapshots);
        match read {
            Err(error) => self.summary.error = Some(error.to_string()),
            Ok(()) if self.found.expiring > most => self.found.capped = Some(self.capped(most)),
            Ok(()) => self.send_jobs(jobs).await,
        }
        let more = self.found.findings.saturating_sub(self.warnings.len());
        self.warnings.extend((more > 0).then(|| format!("… and {more} more findings")));
        self.summary.set_warnings(self.warnings);
        self.summary.prune = Some(self.found);
        self.summary
    }

    async fn read(&mut self, ec2: &Ec2, parts: &Semaphore) -> Result<(), ApiError> {
        for volumes in parts_of(self.survey(ec2, parts).await?) {
            // The semaphore is never closed; were it, the part would be read all the same.
            let _held = parts.acquire().await.ok();
            let found = ec2.snapshots_of_volumes(&volumes).await?;
            self.judge(volumes.len(), found).await;
        }
        let _held = parts.acquire().await.ok();
        self.look_for_adoptable(ec2).await
    }

    /// What is there, and how many snapshots of ours each volume has.
    async fn survey(&mut self, ec2: &Ec2, parts: &Semaphore) -> Result<BTreeMap<String, usize>, ApiError> {
        let _held = parts.acquire().await.ok();
        self.living = ec2.living_volumes().await?;
        let (holds, errors) = ec2.holds().await;
        self.holds = holds;
        self.warnings.extend(without_lists(errors)?);
        let mut counts = BTreeMap::<String, usize>::new();
        let mut snapshots = pin!(ec2.managed_snapshots());
        while let Some(page) = snapshots.try_next().await? {
            page.into_iter().for_each(|snapshot| *counts.entry(snapshot.volume).or_default() += 1);
        }
        Ok(counts)
    }

    async fn judge(&mut self, volumes: usize, found: BTreeMap<String, Vec<Snapshot>>) {
        self.summary.volumes += volumes;
        for (volume, snapshots) in found {
            self.found.snapshots += snapshots.len();
            let presence = if self.living.contains(&volume) { Presence::Living } else { Presence::Gone };
            let case = Case {
                account: &self.place.account,
                volume: &volume,
                presence,
                orphans: self.prune.orphans,
                holds: &self.holds,
                now: self.now,
            };
            let judgement = judge(&case, &snapshots);
            judgement.verdicts.iter().for_each(|verdict| self.note(&volume, verdict));
            self.found.findings += judgement.findings.len();
            let room = MOST_NAMED.saturating_sub(self.warnings.len());
            self.warnings.extend(judgement.findings.iter().take(room).map(ToString::to_string));
            if let Some(seen) = &self.seen {
                let (verdicts, findings) = (judgement.verdicts, judgement.findings);
                let judged = Judged { place: self.place.clone(), volume, presence, verdicts, findings };
                // Who has stopped listening wants to see no more.
                let _ = seen.send(Seen::Volume(judged)).await;
            }
        }
    }

    fn note(&mut self, volume: &str, verdict: &Verdict) {
        if let Some(obstacle) = verdict.obstacle() {
            *self.summary.skipped.entry(obstacle.into()).or_default() += 1;
        }
        if let Some(policy) = verdict.policy.as_ref().filter(|_| verdict.expires()) {
            self.found.expiring += 1;
            let expiring = self.expiring.entry((volume.into(), policy.clone())).or_default();
            expiring.count += 1;
            if expiring.named.len() < MOST_NAMED_OF_A_VOLUME {
                expiring.named.push(verdict.snapshot.clone());
            }
        }
    }

    /// The snapshots of other tools that the policy wants to be ours. They are counted here, and shown to a person;
    /// nothing but a person's word makes them ours.
    async fn look_for_adoptable(&mut self, ec2: &Ec2) -> Result<(), ApiError> {
        for (number, adoption) in self.prune.adopt.iter().enumerate() {
            let mut pages = pin!(ec2.tagged_snapshots(&adoption.tags));
            while let Some(page) = pages.try_next().await? {
                for snapshot in page {
                    let matches = |adoption: &Adoption| adoption.tags.all(&snapshot.tags);
                    let is_told = self.prune.adopt[..number].iter().any(matches);
                    let is_ambiguous = self.prune.adopt[number + 1..].iter().any(matches);
                    let tags = adopted_tags(adoption, &snapshot, &self.place.account).filter(|_| !is_told);
                    let Some(tags) = tags else { continue };
                    let tags = tags.and_then(|tags| match is_ambiguous {
                        true => Err("more than one entry of `adopt` is about it".into()),
                        false => Ok(tags),
                    });
                    self.found.adoptable += usize::from(tags.is_ok());
                    if let Some(seen) = &self.seen {
                        let adoptable = Adoptable { place: self.place.clone(), snapshot, tags };
                        let _ = seen.send(Seen::Adoptable(adoptable)).await;
                    }
                }
            }
        }
        Ok(())
    }

    fn capped(&self, most: usize) -> Capped {
        let named = self.expiring.iter().take(MOST_NAMED).map(|((volume, policy), expiring)| {
            let more = expiring.count - expiring.named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{volume} {policy}: {}{more}", expiring.named.join(", "))
        });
        Capped { most, would_delete: named.collect() }
    }

    async fn send_jobs(&mut self, jobs: &Sender<Job>) {
        for ((volume, policy), expiring) in std::mem::take(&mut self.expiring) {
            self.summary.jobs += 1;
            let job = Job { most: Some(expiring.count), ..self.job(&volume, &policy) };
            // The receiver lives as long as the plan does; were it gone, nobody would want the job.
            let _ = jobs.send(job).await;
        }
    }

    fn job(&self, volume: &str, policy: &str) -> Job {
        let Place { account, region, role } = &self.place;
        let slot = self.prune.slot;
        let identity = Identity { policy, action: Action::Prune, account, region, volume, slot };
        Job {
            orphans: self.prune.orphans,
            enqueued: Some(self.prune.planned),
            give_up_at: Some(slot.deadline(GIVE_UP_AFTER, self.prune.planned)),
            ..identity.job(role.as_ref())
        }
    }
}

/// Volumes that are read together, by how many snapshots each has. A volume that alone has more snapshots than fit is a
/// part of its own.
pub fn parts_of(counts: BTreeMap<String, usize>) -> Vec<BTreeSet<String>> {
    let mut parts = Vec::new();
    let (mut part, mut size) = (BTreeSet::new(), 0);
    for (volume, count) in counts {
        let is_full = part.len() == MOST_VOLUMES || size + count > MOST_SNAPSHOTS;
        if is_full && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        part.insert(volume);
        size += count;
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_parts(counts: &[(usize, usize)], expected: &[usize]) {
        let volumes = counts.iter().flat_map(|(volumes, of_each)| std::iter::repeat_n(*of_each, *volumes));
        let counts = volumes.enumerate().map(|(number, count)| (format!("vol-{number:05}"), count)).collect();
        let sizes: Vec<usize> = parts_of(counts).iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, expected);
    }

    #[test]
    fn volumes_are_read_together_as_far_as_a_filter_and_the_memory_reach() {
        check_parts(&[], &[]);
        check_parts(&[(450, 1)], &[200, 200, 50]);
        check_parts(&[(300, 35)], &[142, 142, 16]);
        check_parts(&[(1, 1), (1, 90_000), (1, 1)], &[1, 1, 1]);
    }
}
