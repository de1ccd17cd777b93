//! A policy: the input of a schedule, and all the configuration that a run has.

mod audit;
mod fields;
mod prune;
mod read;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use self::audit::Audit;
pub use self::prune::{Adoption, Cap, Prune};
use super::retain::RetainRule;
use super::selection::Selection;
use super::slot::Slot;

/// The input of a schedule, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Take snapshots.
    Snapshot(Policy),
    /// Delete those that no rule keeps.
    Prune(Prune),
    /// Prove that each volume can be restored, and say so where it cannot.
    Audit(Audit),
}

/// A policy whose action is `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name: the tag `snapkeep:policy`.
    pub name: String,
    /// Which volumes it is about.
    pub select: Selection,
    /// How long their snapshots are kept.
    pub retain: Retention,
    /// Where to look. `None`: the environment's Regions.
    pub regions: Option<Regions>,
    /// In which accounts to look; at least one.
    pub accounts: Vec<Account>,
    /// Whose days and weeks the retain rule counts.
    pub time_zone: Tz,
    /// Whether the instance's and the volume's own tags go onto the snapshot.
    pub copy_tags: bool,
    /// Tags for every snapshot.
    pub tags: BTreeMap<String, String>,
    /// Plan, and enqueue nothing.
    pub dry_run: bool,
    /// The run's slot.
    pub slot: Slot,
    /// When the run was planned.
    pub planned: DateTime<Utc>,
    /// How long after its slot its jobs are pursued.
    pub give_up_after: TimeDelta,
    /// When its jobs give up: a while after the slot, or after the planning where the slot is so long ago.
    pub give_up_at: DateTime<Utc>,
}

/// Where the retain rule of a volume comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retention {
    /// The policy's rule, which the instance's own `Retention` tag overrides.
    Rule(RetainRule),
    /// The value of this tag of the instance, a count: the keyword event.
    CountInTag(String),
}

/// The Regions of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Every Region that is enabled in the account.
    All,
    /// These; at least one.
    These(Vec<String>),
}

/// An account of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The one whose credentials the environment gives.
    Own,
    /// The one that this role belongs to.
    Assumed(Role),
}

/// A role to assume in another account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Role {
    /// `arn:aws:iam::123456789012:role/snapkeep`
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl Account {
    /// The role that leads into the account; none into our own.
    pub fn role(&self) -> Option<&Role> {
        match self {
            Self::Own => None,
            Self::Assumed(role) => Some(role),
        }
    }
}

impl Role {
    /// The account that the role belongs to: the fifth part of its ARN.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}
