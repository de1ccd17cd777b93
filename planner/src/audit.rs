//! What is covered and what is not, from EC2 alone: one verdict for each volume that a policy selects.
//!
//! First all places' snapshots are read, into one line for each volume, so that memory does not go by snapshots; and it
//! is seen which run of the policy was the last. Then the volumes, selected by the same [`Survey`] that plans: what the
//! audit expects is what the planner would do. What the last run has missed is enqueued again under the same job ids.
//!
//! A place that could not be read to its end has no verdicts at all: it is unknown.

mod figures;
mod region;
mod summary;
mod told;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt, future};
use serde::{Serialize, Serializer};
use serde_json::json;
use shared::aws::Aws;
use shared::aws::ec2::Ec2;
use shared::rules::coverage::{Begun, Case, Finding, Lines, Verdict};
use shared::rules::stock::Stock;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::Job;
use shared::vocabulary::policy::{Audit, Regions};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use self::region::Region;
pub use self::summary::{Coverage, RegionCoverage, Uncovered, Unselected};
use crate::place::{Place, places};
#[cfg(doc)]
use crate::survey::Survey;

/// A volume with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Row {
    pub account: String,
    pub region: String,
    pub volume: String,
    pub instance: Option<String>,
    /// The snapshot's `Name`, to be recognised by.
    pub name: Option<String>,
    /// When the volume was created, where EC2 says so.
    pub created: Option<DateTime<Utc>>,
    pub verdict: Verdict,
    /// The newest completed snapshot, fresh or not.
    pub newest: Option<Begun>,
    pub findings: Vec<Finding>,
    /// Whether the last run has missed it, so that its job is enqueued again.
    pub is_missed: bool,
}

/// A row as programs read it.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let newest = self.newest.as_ref();
        json!({
            "account": self.account, "region": self.region, "volume": self.volume, "instance": self.instance,
            "name": self.name, "verdict": self.verdict.word(), "since": self.verdict.since(),
            "message": match &self.verdict {
                Verdict::Failed { message, .. } => message.clone(),
                Verdict::Excluded { why } => Some(why.clone()),
                _ => None,
            },
            "newest": newest.map(|newest| newest.at), "snapshot": newest.map(|newest| &newest.snapshot),
            "archived": newest.is_some_and(|newest| newest.is_archived),
            "findings": self.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "missed": self.is_missed,
        })
        .serialize(serializer)
    }
}

/// Which snapshots are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Those of our policies.
    Managed,
    /// All that the account owns: as many as its quota counts.
    All,
}

/// Somebody who listens, and what is read for them.
#[derive(Debug)]
pub struct Wanted {
    /// Where the jobs of what was missed go.
    pub jobs: Sender<Job>,
    /// Where each volume's verdict goes, when its place has been read whole.
    pub rows: Option<Sender<Row>>,
    /// Which snapshots are read.
    pub reading: Reading,
    /// How far it is, for whoever looks.
    pub meter: Arc<Meter>,
}

/// How much has been read.
#[derive(Debug, Default)]
pub struct Meter {
    snapshots: AtomicUsize,
    volumes: AtomicUsize,
}

impl Meter {
    /// Snapshots and volumes so far.
    pub fn read(&self) -> (usize, usize) {
        (self.snapshots.load(Ordering::Relaxed), self.volumes.load(Ordering::Relaxed))
    }

    fn add_volume(&self) {
        self.volumes.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many lists are read at once, each a page at a time, because of what a page takes in memory. The semaphore is never
/// closed; were it, the lists would be read all the same.
const LISTS_AT_ONCE: usize = 8;

/// Audits a policy at `now`: a verdict for each volume that it selects, in a summary by place.
pub async fn audit(
    aws: &Aws,
    audit: &Audit,
    default_regions: &Regions,
    now: DateTime<Utc>,
    wanted: Wanted,
) -> Coverage {
    let regions = audit.policy.regions.as_ref().unwrap_or(default_regions);
    let (places, errors) = places(aws, &audit.policy.accounts, regions).await;
    let lists = &Semaphore::new(LISTS_AT_ONCE);
    let read = places.into_iter().map(|place| read(aws, audit, place, now, &wanted, lists));
    let read = future::join_all(read).await;

    let case = Case { rpo: audit.rpo, slot: None, now };
    let seen = read.iter().filter_map(|read| read.known.as_ref().ok()?.lines.seen());
    let case = Case { slot: seen.filter(|slot| case.is_recent(*slot)).max(), ..case };
    let policy = &audit.policy.of_slot(case.slot.unwrap_or(audit.policy.slot), now);
    let judged = read.into_iter().map(|Read { place, known }| async {
        match known {
            Ok(known) => Region::new(policy, place, case, known).judge(lists, &wanted).await,
            Err(error) => RegionCoverage::unknown(&place, error.to_string()),
        }
    });
    let regions = future::join_all(judged).await;
    Coverage::new(audit, &case, regions, errors)
}

/// A place, and what its snapshots say.
struct Read {
    place: Place,
    known: Result<Known, ApiError>,
}

struct Known {
    ec2: Ec2,
    lines: Lines,
    stock: Stock,
}

async fn read(aws: &Aws, audit: &Audit, place: Place, now: DateTime<Utc>, wanted: &Wanted, lists: &Semaphore) -> Read {
    let known = async {
        let ec2 = aws.ec2(place.role.as_ref(), &place.region).await?;
        let mut lines = Lines::new(&place.account, &audit.policy.name, now);
        let mut stock = Stock::default();
        let mut snapshots: Pin<Box<dyn Stream<Item = _> + Send>> = match wanted.reading {
            Reading::Managed => Box::pin(ec2.managed_snapshots()),
            Reading::All => Box::pin(ec2.all_snapshots()),
        };
        let _held = lists.acquire().await.ok();
        while let Some(page) = snapshots.try_next().await? {
            wanted.meter.snapshots.fetch_add(page.len(), Ordering::Relaxed);
            for snapshot in &page {
                lines.add(snapshot);
                stock.add(snapshot, now);
            }
        }
        Ok(Known { ec2, lines, stock })
    };
    Read { known: known.await, place }
}
