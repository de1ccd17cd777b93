//! Snapshots.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::table::{Head, Resource};
use crate::text::{Tags, Text};

/// A snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `snap-…`
    pub id: Text,
    /// The volume it was made of; of a copy, [`COPIED_VOLUME`].
    pub volume: Text,
    /// The owner's account.
    pub owner: Text,
    /// Its tags.
    pub tags: Tags,
    /// Its description.
    pub description: Text,
    /// The volume's size in GiB.
    pub size: u32,
    /// When it was made.
    pub started: DateTime<Utc>,
    /// When it stops being `pending`.
    pub settles: DateTime<Utc>,
    /// Its state.
    pub state: SnapshotState,
    /// Why it is in `error`, or will be when it has settled.
    pub state_message: Option<Text>,
    /// What only some snapshots have. Of a million, hardly any.
    pub rare: Option<Box<Rare>>,
}

/// What only some snapshots have.
#[derive(Debug, Clone, Default)]
pub struct Rare {
    /// The KMS key that it is encrypted with.
    pub key: Option<Text>,
    /// The Outpost that it is stored on.
    pub outpost: Option<Text>,
    /// Accounts that may create volumes from it, and `all`.
    pub restorable_by: BTreeSet<Text>,
    /// `amazon`, of Amazon's own.
    pub owner_alias: Option<Text>,
    /// Its lock, which may have expired.
    pub lock: Option<Lock>,
    /// Whether it is archived, or on the way there.
    pub archive: Option<Archive>,
    /// When it came into the Recycle Bin and when it leaves it for good.
    pub bin: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whether it goes as soon as it has completed: it was deleted while it was `pending`.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-deleting-snapshot.html>
    pub is_deleting: bool,
    /// Whether it is the copy of a snapshot.
    pub is_copy: bool,
}

/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-snapshots.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// Not a backup yet.
    Pending,
    /// A backup.
    Completed,
    /// Never a backup.
    Error,
    /// In the Recycle Bin.
    Recoverable,
    /// On its way back from there.
    Recovering,
}

/// A lock: <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-concepts.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Whether nobody may take it off.
    pub is_compliance: bool,
    /// When it was set.
    pub created: DateTime<Utc>,
    /// Hours in which a compliance lock can still be changed.
    pub cool_off_hours: Option<i64>,
    /// Until when it holds.
    pub expires: DateTime<Utc>,
    /// For how many days.
    pub days: i64,
}

/// A snapshot's way into the archive tier. There is no way out while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// On its way there.
    UnderWay {
        /// Since when.
        began: DateTime<Utc>,
        /// When it will be there.
        until: DateTime<Utc>,
    },
    /// There.
    Done {
        /// When the archive was begun.
        began: DateTime<Utc>,
        /// When it was complete.
        done: DateTime<Utc>,
    },
}

/// What `DescribeSnapshots` gives as the volume of a copy: "an arbitrary volume ID".
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html>
pub const COPIED_VOLUME: &str = "vol-ffffffff";

impl SnapshotState {
    /// EC2's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
            Self::Recoverable => "recoverable",
            Self::Recovering => "recovering",
        }
    }
}

impl Snapshot {
    /// What it has of what only some have.
    pub fn rare(&self) -> &Rare {
        static NOTHING: Rare = Rare {
            key: None,
            outpost: None,
            restorable_by: BTreeSet::new(),
            owner_alias: None,
            lock: None,
            archive: None,
            bin: None,
            is_deleting: false,
            is_copy: false,
        };
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    /// The same, to change it.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// How far it is: `100%` only when it is completed.
    pub(crate) fn progress(&self, now: DateTime<Utc>) -> String {
        let (whole, past) = ((self.settles - self.started).num_seconds(), (now - self.started).num_seconds());
        match self.state {
            SnapshotState::Pending | SnapshotState::Error => {
                format!("{}%", (100 * past.max(0)).checked_div(whole).unwrap_or(0).min(99))
            }
            _ => "100%".into(),
        }
    }

    /// `standard` or `archive`.
    pub(crate) fn tier(&self) -> &'static str {
        if matches!(self.rare().archive, Some(Archive::Done { .. })) { "archive" } else { "standard" }
    }
}

impl Archive {
    /// EC2's word for how it stands.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SnapshotTierStatus.html>
    pub fn state(self) -> &'static str {
        match self {
            Self::UnderWay { .. } => "archival-in-progress",
            Self::Done { .. } => "archival-completed",
        }
    }

    /// How far it is, in per cent.
    pub(crate) fn progress(self, now: DateTime<Utc>) -> i64 {
        match self {
            Self::UnderWay { began, until } => {
                let (whole, past) = ((until - began).num_seconds(), (now - began).num_seconds());
                (100 * past).checked_div(whole).unwrap_or(0).clamp(0, 99)
            }
            Self::Done { .. } => 100,
        }
    }
}

impl Lock {
    /// EC2's word for how it stands.
    pub fn state(&self, now: DateTime<Utc>) -> &'static str {
        match self.is_compliance {
            _ if self.expires <= now => "expired",
            true if self.cools_off_until().is_some_and(|until| now < until) => "compliance-cooloff",
            true => "compliance",
            false => "governance",
        }
    }

    /// Until when a compliance lock can be changed.
    pub fn cools_off_until(&self) -> Option<DateTime<Utc>> {
        self.cool_off_hours.map(|hours| self.created + TimeDelta::hours(hours))
    }
}

impl Resource for Snapshot {
    const INDEXED: &'static [&'static str] = &[
        "owner-id",
        "volume-id",
        "status",
        ".restorable-by",
        ".in-archive",
        ".archived-for",
        ".copied-for",
        ".is-locked",
        ".last-tiering-operation",
    ];

    const IS_SHARED: bool = true;

    fn head(&self) -> Head<'_> {
        Head { id: &self.id, owner: &self.owner, tags: &self.tags }
    }

    fn values(&self, filter: &str, now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
        Some(match filter {
            "snapshot-id" => vec![(&*self.id).into()],
            "volume-id" => vec![(&*self.volume).into()],
            "status" => vec![self.state.name().into()],
            "owner-id" => vec![(&*self.owner).into()],
            "owner-alias" => self.rare().owner_alias.iter().map(|alias| (&**alias).into()).collect(),
            "description" => vec![(&*self.description).into()],
            "encrypted" => vec![self.rare().key.is_some().to_string().into()],
            "progress" => vec![self.progress(now).into()],
            "start-time" => vec![self.started.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into()],
            "storage-tier" => vec![self.tier().into()],
            "transfer-type" => {
                if self.rare().is_copy {
                    vec!["standard".into()]
                } else {
                    vec![]
                }
            }
            "volume-size" => vec![self.size.to_string().into()],
            // No filters of EC2's, but entries of the index.
            ".restorable-by" => self.rare().restorable_by.iter().map(|who| (&**who).into()).collect(),
            ".in-archive" => self.rare().archive.iter().map(|_| "true".into()).collect(),
            ".archived-for" if matches!(self.rare().archive, Some(Archive::UnderWay { .. })) => {
                vec![(&*self.owner).into()]
            }
            ".copied-for" if self.rare().is_copy && self.state == SnapshotState::Pending => {
                vec![(&*self.owner).into()]
            }
            ".archived-for" | ".copied-for" => vec![],
            ".last-tiering-operation" => self.rare().archive.iter().map(|archive| archive.state().into()).collect(),
            ".is-locked" => self.rare().lock.iter().map(|_| "true".into()).collect(),
            ".lock-state" => self.rare().lock.iter().map(|lock| lock.state(now).into()).collect(),
            _ => return None,
        })
    }
}
