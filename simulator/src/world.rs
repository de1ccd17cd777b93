//! What there is: accounts, Regions, and in each Region instances, volumes and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::faults::Faults;
use crate::limits::{Buckets, Limit};
use crate::table::{Resource, Table};

/// Everything that the simulator knows. One world serves many callers at once.
#[derive(Debug)]
pub struct World {
    /// What time it is in it.
    pub clock: Clock,
    regions: Mutex<HashMap<Place, Arc<Mutex<Region>>>>,
    counters: Mutex<Counters>,
    faults: Mutex<Faults>,
    settings: Mutex<Settings>,
    ids: AtomicU64,
}

/// Account and Region.
type Place = (String, String);

/// What a world is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Regions that `DescribeRegions` names.
    pub regions: Vec<String>,
    /// How long a snapshot is `pending`.
    pub completes_after: TimeDelta,
    /// Token buckets other than EC2's defaults, by action and, where it is named, Region.
    pub limits: HashMap<(String, Option<String>), Limit>,
}

/// One Region of one account.
#[derive(Debug, Default)]
pub struct Region {
    /// Its instances.
    pub instances: Table<Instance>,
    /// Its volumes.
    pub volumes: Table<Volume>,
    /// Its snapshots.
    pub snapshots: Table<Snapshot>,
    pub(crate) buckets: Buckets,
    pending: BTreeSet<(DateTime<Utc>, String)>,
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// An instance.
#[derive(Debug, Clone, Default)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// `running`, `stopped` and so on.
    pub state: String,
    /// Its tags.
    pub tags: Tags,
    /// The device that it boots from.
    pub root_device: String,
    /// Device and id of each EBS volume in its block device mapping.
    pub volumes: Vec<(String, String)>,
}

/// A volume.
#[derive(Debug, Clone, Default)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// `in-use`, `available` and so on.
    pub state: String,
    /// Its tags.
    pub tags: Tags,
    /// Instance and device of each attachment.
    pub attachments: Vec<(String, String)>,
    /// In GiB.
    pub size: u32,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `snap-…`
    pub id: String,
    /// The volume it was made of.
    pub volume: String,
    /// The owner's account.
    pub owner: String,
    /// Its tags.
    pub tags: Tags,
    /// Its description.
    pub description: String,
    /// The volume's size in GiB.
    pub size: u32,
    /// When it was made.
    pub started: DateTime<Utc>,
    /// `pending` until this time.
    pub completes: DateTime<Utc>,
    /// `pending` or `completed`.
    pub state: String,
}

/// Regions that every account has enabled, and one that must be opted into and was.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

impl Default for Settings {
    fn default() -> Self {
        Self {
            regions: REGIONS.map(String::from).to_vec(),
            completes_after: TimeDelta::seconds(60),
            limits: HashMap::new(),
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Self {
        Self {
            clock: Clock::default(),
            regions: Mutex::default(),
            counters: Mutex::default(),
            faults: Mutex::default(),
            settings: Mutex::new(settings),
            ids: AtomicU64::default(),
        }
    }

    /// A Region of an account, to look into or to change. Its snapshots are as far as the clock says.
    pub fn region<T>(&self, account: &str, region: &str, look: impl FnOnce(&mut Region) -> T) -> T {
        let key = (account.into(), region.into());
        let shared = Arc::clone(locked(&self.regions).entry(key).or_default());
        let mut region = locked(&shared);
        region.settle(self.clock.now());
        look(&mut region)
    }

    /// All snapshots in it, as they are now.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let regions: Vec<_> = locked(&self.regions).values().cloned().collect();
        let now = self.clock.now();
        let of_region = |region: Arc<Mutex<Region>>| {
            let mut region = locked(&region);
            region.settle(now);
            region.snapshots.iter().cloned().collect::<Vec<_>>()
        };
        regions.into_iter().flat_map(of_region).collect()
    }

    /// How often each action was called so far.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        locked(&self.counters)
    }

    /// The faults that are set.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    /// What it is like.
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        locked(&self.settings)
    }

    /// Sets the token bucket of an action, in one Region or in all of them.
    pub fn set_limit(&self, action: &str, region: Option<&str>, limit: Limit) {
        self.settings().limits.insert((action.into(), region.map(String::from)), limit);
    }

    /// A new id: the prefix and 17 hexadecimal digits, the same in each run, in no order.
    pub(crate) fn new_id(&self, prefix: &str) -> String {
        let count = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}-0{:016x}", mixed(count))
    }

    pub(crate) fn limit(&self, action: &str, region: &str, is_narrow: bool) -> Limit {
        let settings = self.settings();
        let set = |region: Option<&str>| settings.limits.get(&(action.into(), region.map(String::from))).copied();
        set(Some(region)).or_else(|| set(None)).unwrap_or_else(|| Limit::default_of(action, is_narrow))
    }
}

/// A lock that a panicking test left behind is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bijection on 64 bits that looks random (splitmix64).
fn mixed(count: u64) -> u64 {
    let mut bits = count.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Region {
    /// Adds a snapshot. A pending one completes when its time has come.
    pub fn add_snapshot(&mut self, snapshot: Snapshot) {
        if snapshot.state == "pending" {
            self.pending.insert((snapshot.completes, snapshot.id.clone()));
        }
        self.snapshots.insert(snapshot);
    }

    fn settle(&mut self, now: DateTime<Utc>) {
        while self.pending.first().is_some_and(|(completes, _)| *completes <= now) {
            let due = self.pending.pop_first();
            if let Some(snapshot) = due.and_then(|(_, id)| self.snapshots.get_mut(&id)) {
                snapshot.state = "completed".into();
            }
        }
    }
}

impl Snapshot {
    pub(crate) fn progress(&self) -> &'static str {
        if self.state == "completed" { "100%" } else { "42%" }
    }
}

impl Resource for Instance {
    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str) -> Option<Vec<&str>> {
        Some(match filter {
            "instance-id" => vec![&self.id],
            "instance-state-name" => vec![&self.state],
            "root-device-name" => vec![&self.root_device],
            "block-device-mapping.volume-id" => self.volumes.iter().map(|(_, id)| id.as_str()).collect(),
            _ => return None,
        })
    }
}

impl Resource for Volume {
    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str) -> Option<Vec<&str>> {
        Some(match filter {
            "volume-id" => vec![&self.id],
            "status" => vec![&self.state],
            "attachment.instance-id" => self.attachments.iter().map(|(id, _)| id.as_str()).collect(),
            "attachment.device" => self.attachments.iter().map(|(_, device)| device.as_str()).collect(),
            _ => return None,
        })
    }
}

impl Resource for Snapshot {
    const PARENT: &'static str = "volume-id";

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn parent(&self) -> &str {
        &self.volume
    }

    fn values(&self, filter: &str) -> Option<Vec<&str>> {
        Some(match filter {
            "snapshot-id" => vec![&self.id],
            "volume-id" => vec![&self.volume],
            "status" => vec![&self.state],
            "owner-id" => vec![&self.owner],
            "description" => vec![&self.description],
            "progress" => vec![self.progress()],
            _ => return None,
        })
    }
}
