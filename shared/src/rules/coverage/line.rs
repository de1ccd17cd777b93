//! What is remembered of a volume's snapshots: the newest of each kind, so that memory goes by volumes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::SKEW;
use crate::rules::retention::policy_of;
use crate::vocabulary::inventory::{Snapshot, Tier};
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// All that is known of the snapshots that one policy has made of one volume. It is the same in whatever order they are
/// added, and when one is added twice, as when a page repeats what an earlier one had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The newest completed one.
    pub completed: Option<Begun>,
    /// The newest that is under way.
    pub pending: Option<Begun>,
    /// The one that has been under way the longest.
    pub first_pending: Option<Begun>,
    /// The newest that ended in `error`.
    pub error: Option<Box<Begun>>,
    /// The newest slot that has a snapshot which is completed or under way.
    pub slot: Option<Slot>,
    /// The newest slot of all, those in `error` among them: proof that this run was planned.
    pub seen: Option<Slot>,
    /// Whether another policy of ours has a snapshot of the volume.
    pub is_of_others: bool,
}

/// A snapshot. The later is the greater; of two that were begun together, the one with the higher id.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Begun {
    /// When EC2 began it, which is the point in time that it shows.
    pub at: DateTime<Utc>,
    /// `snap-…`
    pub snapshot: String,
    /// What EC2 says of it.
    pub message: Option<String>,
    /// Whether it is in the archive.
    pub is_archived: bool,
}

/// The lines of a Region's volumes.
#[derive(Debug, Clone)]
pub struct Lines {
    account: String,
    policy: String,
    now: DateTime<Utc>,
    by_volume: HashMap<String, Line>,
}

impl Lines {
    /// Nothing is known yet of what `policy` has in `account`.
    pub fn new(account: &str, policy: &str, now: DateTime<Utc>) -> Self {
        Self { account: account.into(), policy: policy.into(), now, by_volume: HashMap::new() }
    }

    /// Takes note of a snapshot. What is not ours, of no policy or of another volume says nothing. What another policy of
    /// ours has made says only that it has.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let Ok(of) = policy_of(&self.account, &snapshot.volume, snapshot) else { return };
        let is_of_others = of != self.policy;
        if !self.by_volume.contains_key(&snapshot.volume) {
            self.by_volume.insert(snapshot.volume.clone(), Line::default());
        }
        let Some(line) = self.by_volume.get_mut(&snapshot.volume) else { return };
        match is_of_others {
            true => line.is_of_others = true,
            false => line.add(snapshot, self.now),
        }
    }

    /// What is known of a volume's snapshots, which is then forgotten.
    pub fn take(&mut self, volume: &str) -> Line {
        self.by_volume.remove(volume).unwrap_or_default()
    }

    /// The newest slot that is seen in any snapshot.
    pub fn seen(&self) -> Option<Slot> {
        self.by_volume.values().filter_map(|line| line.seen).max()
    }
}

impl Line {
    /// Takes note of a snapshot of the policy.
    fn add(&mut self, snapshot: &Snapshot, now: DateTime<Utc>) {
        let Some(at) = snapshot.started.filter(|started| *started <= now + SKEW) else { return };
        let begun = Begun {
            at,
            snapshot: snapshot.id.clone(),
            message: snapshot.state_message.clone(),
            is_archived: snapshot.tier != Tier::Standard,
        };
        let slot = snapshot.tags.get(tag::SLOT).and_then(|slot| slot.parse::<Slot>().ok());
        let slot = slot.filter(|slot| slot.time() <= now);
        match snapshot.state.as_str() {
            "completed" => self.completed = self.completed.take().max(Some(begun)),
            "pending" => {
                self.first_pending =
                    Some(self.first_pending.take().map_or(begun.clone(), |first| first.min(begun.clone())));
                self.pending = self.pending.take().max(Some(begun));
            }
            "error" => {
                self.error = self.error.take().max(Some(Box::new(begun)));
                self.seen = self.seen.max(slot);
                return;
            }
            // In the Recycle Bin, or on its way out of it.
            _ => return,
        }
        self.slot = self.slot.max(slot);
        self.seen = self.seen.max(slot);
    }

    /// Whether no snapshot of the policy is known.
    pub fn is_empty(&self) -> bool {
        self.completed.is_none() && self.pending.is_none() && self.error.is_none()
    }
}
