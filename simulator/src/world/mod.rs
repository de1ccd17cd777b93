//! What there is: in each Region the instances, volumes, snapshots and images of all accounts, and what is yet to
//! happen to them.

pub mod fast_restore;
pub mod image;
pub mod instance;
pub mod settings;
pub mod snapshot;
pub mod volume;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use self::fast_restore::FastRestore;
use self::image::{Image, ImageDevice};
use self::instance::{Instance, InstanceState};
pub use self::settings::Settings;
use self::snapshot::{Archive, COPIED_VOLUME, Rare, Snapshot, SnapshotState};
use self::volume::{Volume, VolumeState};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::history::History;
use crate::limits::{Buckets, Limit, SetLimit};
use crate::table::Table;
use crate::text::{Tags, Text, text};

/// Everything that the simulator knows. One world serves many callers at once.
#[derive(Debug)]
pub struct World {
    /// What time it is in it.
    pub clock: Clock,
    regions: Mutex<HashMap<Text, Arc<Mutex<Region>>>>,
    history: Mutex<History>,
    faults: Mutex<Faults>,
    settings: Mutex<Arc<Settings>>,
    sessions: Mutex<HashMap<String, Session>>,
    ids: AtomicU64,
}

/// One Region, with what all accounts have in it. A Region that nobody looked into yet has one public image of
/// Amazon's and its snapshot, as every real one has thousands.
#[derive(Debug, Default)]
pub struct Region {
    /// Its instances.
    pub instances: Table<Instance>,
    /// Its volumes.
    pub volumes: Table<Volume>,
    /// Its snapshots, those in the Recycle Bin as well.
    pub snapshots: Table<Snapshot>,
    /// Its images.
    pub images: Table<Image>,
    /// Which of its snapshots are enabled for fast restores, and in which zones.
    pub fast_restores: Table<FastRestore>,
    /// The Recycle Bin's retention rules.
    pub bin_rules: Vec<BinRule>,
    pub(crate) buckets: Buckets,
    /// When the last snapshot of each volume was made.
    pub(crate) last_snapshot: HashMap<Text, DateTime<Utc>>,
    /// What was made with each client token, and of which parameters.
    pub(crate) client_tokens: HashMap<(Text, String), (u64, Vec<Text>)>,
    due: BTreeMap<(DateTime<Utc>, u64), Due>,
    count: u64,
}

/// What happens when its time has come.
#[derive(Debug)]
pub(crate) enum Due {
    SnapshotSettles(Text),
    SnapshotLeavesBin(Text),
    SnapshotRecovered(Text),
    SnapshotArchived(Text),
    VolumeCreated(Text),
    VolumeFailed(Text),
    VolumeDeleted(Text),
    InstanceStarted(Text),
    InstanceTerminated(Text),
    InstanceForgotten(Text),
}

/// A retention rule of the Recycle Bin: <https://docs.aws.amazon.com/ebs/latest/userguide/recycle-bin.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinRule {
    /// Whose snapshots.
    pub account: Text,
    /// How long they are kept, 1 to 365 days. Of the rules that match, the longest counts.
    pub days: i64,
    /// The tag that a snapshot must have; every snapshot without it.
    pub tag: Option<(Text, Text)>,
}

/// What `AssumeRole` gave.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub arn: Text,
    pub role: Text,
    pub account: Text,
}

/// Amazon's own account, as the owner of its images.
pub(crate) const AMAZON: &str = "137112412989";

/// What is there before anybody comes: it was always there.
pub(crate) const ALWAYS: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;

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
            history: Mutex::default(),
            faults: Mutex::default(),
            settings: Mutex::new(Arc::new(settings)),
            sessions: Mutex::default(),
            ids: AtomicU64::default(),
        }
    }

    /// A Region, to look into or to change. What was due has happened.
    pub fn region<T>(&self, name: &str, look: impl FnOnce(&mut Region) -> T) -> T {
        let (now, settings) = (self.clock.now(), self.settings());
        let shared = {
            let mut regions = locked(&self.regions);
            if !regions.contains_key(name) {
                regions.insert(text(name), Arc::new(Mutex::new(self.new_region(name))));
            }
            regions.get(name).map(Arc::clone).unwrap_or_default()
        };
        let mut region = locked(&shared);
        region.settle(now, settings.longest_lag());
        look(&mut region)
    }

    /// All snapshots that accounts other than Amazon's have in it, as they are now.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let names: Vec<Text> = locked(&self.regions).keys().cloned().collect();
        let own = |region: &mut Region| {
            region.snapshots.iter().filter(|snapshot| &*snapshot.owner != AMAZON).cloned().collect::<Vec<_>>()
        };
        names.iter().flat_map(|name| self.region(name, own)).collect()
    }

    /// Every call so far.
    pub fn history(&self) -> MutexGuard<'_, History> {
        locked(&self.history)
    }

    /// The faults that are set.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    /// What it is like.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&locked(&self.settings))
    }

    /// Makes it another from now on. What has begun ends as it would have.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(Arc::make_mut(&mut locked(&self.settings)));
    }

    /// Sets the token bucket of an action, in one Region or in all of them.
    pub fn set_limit(&self, action: &str, region: Option<&str>, limit: Limit) {
        let Limit { capacity, refill } = limit;
        let (action, region) = (action.into(), region.map(String::from));
        let set = SetLimit { action, account: None, region, capacity, refill };
        self.set(|settings| settings.limits.push(set));
    }

    /// An empty world again, with the settings that it has. The clock goes on.
    pub fn reset(&self) {
        locked(&self.regions).clear();
        locked(&self.sessions).clear();
        *self.history() = History::default();
        self.faults().clear();
    }

    /// A new id: the prefix and 17 hexadecimal digits, the same in each run with the same seed, in no order.
    pub(crate) fn new_id(&self, prefix: &str) -> Text {
        let count = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}-0{:016x}", mixed(count ^ self.settings().seed.rotate_left(40))).into()
    }

    /// Keeps a session, and gives its access key id.
    pub(crate) fn add_session(&self, session: Session) -> String {
        let mut sessions = locked(&self.sessions);
        let key = format!("ASIA{}{:04X}", session.account, sessions.len());
        sessions.insert(key.clone(), session);
        key
    }

    pub(crate) fn session(&self, key: &str) -> Option<Session> {
        locked(&self.sessions).get(key).cloned()
    }

    fn new_region(&self, name: &str) -> Region {
        let mut region = Region::default();
        let (snapshot, image) = (self.new_id("snap"), self.new_id("ami"));
        let all = || [text("all")].into();
        let rare = Rare { restorable_by: all(), owner_alias: Some(text("amazon")), ..Rare::default() };
        region.snapshots.insert(
            Snapshot {
                id: Arc::clone(&snapshot),
                volume: text(COPIED_VOLUME),
                owner: text(AMAZON),
                tags: Tags::new(),
                description: text("al2023-ami-minimal"),
                size: 8,
                started: DateTime::UNIX_EPOCH,
                settles: DateTime::UNIX_EPOCH,
                state: SnapshotState::Completed,
                state_message: None,
                rare: Some(Box::new(rare)),
            },
            ALWAYS,
        );
        region.images.insert(
            Image {
                id: image,
                owner: text(AMAZON),
                owner_alias: Some(text("amazon")),
                name: text(&format!("al2023-ami-minimal-{name}")),
                tags: Tags::new(),
                is_disabled: false,
                deprecated: None,
                executable_by: all(),
                created: DateTime::UNIX_EPOCH,
                root_device: text("/dev/xvda"),
                devices: vec![ImageDevice { device: text("/dev/xvda"), snapshot, size: 8 }],
            },
            ALWAYS,
        );
        region
    }
}

/// A lock that a panicking test left behind is as good as any.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bijection on 64 bits that looks random (splitmix64).
pub(crate) fn mixed(count: u64) -> u64 {
    let mut bits = count.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Region {
    /// Adds a snapshot that came into being at `born`. A pending one settles when its time has come, and one that is
    /// on its way into the archive gets there.
    pub fn add_snapshot(&mut self, snapshot: Snapshot, born: DateTime<Utc>) {
        if snapshot.state == SnapshotState::Pending {
            self.at(snapshot.settles, Due::SnapshotSettles(Arc::clone(&snapshot.id)));
        }
        if let Some(Archive::UnderWay { until, .. }) = snapshot.rare().archive {
            self.at(until, Due::SnapshotArchived(Arc::clone(&snapshot.id)));
        }
        self.snapshots.insert(snapshot, born);
    }

    /// Takes a snapshot away for good, and its fast restores with it.
    pub(crate) fn remove_snapshot(&mut self, id: &str, now: DateTime<Utc>) {
        self.snapshots.remove(id, now);
        for restore in self.fast_restores_of(id) {
            self.fast_restores.remove(&restore, now);
        }
    }

    /// Ends a snapshot's fast restores without being asked to: those that do not end already.
    pub(crate) fn end_fast_restores(&mut self, id: &str, begun: DateTime<Utc>, ended: DateTime<Utc>) {
        for restore in self.fast_restores_of(id) {
            self.fast_restores.change(&restore, |restore| {
                restore.ends.get_or_insert((begun, ended));
            });
        }
    }

    fn fast_restores_of(&self, snapshot: &str) -> Vec<Text> {
        self.fast_restores.lookup("snapshot-id", snapshot).map(|restore| restore.id.clone()).collect()
    }

    pub(crate) fn at(&mut self, time: DateTime<Utc>, due: Due) {
        self.count += 1;
        self.due.insert((time, self.count), due);
    }

    fn settle(&mut self, now: DateTime<Utc>, longest_lag: TimeDelta) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((time, _), due) = entry.remove_entry();
            self.happens(due, time);
        }
        let then = now - longest_lag;
        self.instances.forget(then);
        self.volumes.forget(then);
        self.snapshots.forget(then);
        self.images.forget(then);
        self.fast_restores.forget(then);
    }

    fn happens(&mut self, due: Due, time: DateTime<Utc>) {
        match due {
            Due::SnapshotSettles(id) => self.snapshot_settles(&id, time),
            Due::SnapshotLeavesBin(id) => {
                let is_due = |snapshot: &Snapshot| snapshot.rare().bin.is_some_and(|(_, exit)| exit <= time);
                if self.snapshots.get(&id).is_some_and(is_due) {
                    self.remove_snapshot(&id, time);
                }
            }
            Due::SnapshotRecovered(id) => {
                self.snapshots.change(&id, |snapshot| snapshot.state = SnapshotState::Completed);
            }
            Due::SnapshotArchived(id) => self.snapshot_archived(&id, time),
            Due::VolumeCreated(id) => {
                self.volumes.change(&id, |volume| volume.state = VolumeState::Available);
            }
            Due::VolumeFailed(id) => {
                self.volumes.change(&id, |volume| volume.state = VolumeState::Error);
            }
            Due::VolumeDeleted(id) => {
                self.volumes.remove(&id, time);
            }
            Due::InstanceStarted(id) => {
                self.instances.change(&id, |instance| {
                    if instance.state == InstanceState::Pending {
                        instance.state = InstanceState::Running;
                    }
                });
            }
            Due::InstanceTerminated(id) => {
                self.instances.change(&id, |instance| {
                    instance.state = InstanceState::Terminated;
                    instance.volumes.clear();
                });
            }
            Due::InstanceForgotten(id) => {
                self.instances.remove(&id, time);
            }
        }
    }

    fn snapshot_settles(&mut self, id: &str, time: DateTime<Utc>) {
        let Some(snapshot) = self.snapshots.get(id) else { return };
        if snapshot.rare().is_deleting {
            self.remove_snapshot(id, time);
            return;
        }
        self.snapshots.change(id, |snapshot| match snapshot.state_message {
            None => snapshot.state = SnapshotState::Completed,
            Some(_) => {
                snapshot.state = SnapshotState::Error;
                // A lock on a snapshot that was never completed lifts itself.
                if snapshot.rare().lock.is_some() {
                    snapshot.rare_mut().lock = None;
                }
            }
        });
    }

    /// "Fast snapshot restore is automatically disabled when a snapshot is archived":
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html>
    fn snapshot_archived(&mut self, id: &str, time: DateTime<Utc>) {
        self.snapshots.change(id, |snapshot| {
            if let Some(Archive::UnderWay { began, .. }) = snapshot.rare().archive {
                snapshot.rare_mut().archive = Some(Archive::Done { began, done: time });
            }
        });
        self.end_fast_restores(id, time, time);
    }
}
