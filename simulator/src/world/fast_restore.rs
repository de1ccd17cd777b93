//! Fast snapshot restores: a snapshot, and an Availability Zone in which volumes made of it are fast from the start.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::Snapshot;
use crate::table::{Head, Resource};
use crate::text::{Tags, Text, text};

/// A snapshot that is enabled for fast restores in a zone, or was: the pair stays in sight when it is `disabled`,
/// until the snapshot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastRestore {
    /// [`FastRestore::key`] of its snapshot and zone; EC2 has no id for it.
    pub id: Text,
    /// The snapshot.
    pub snapshot: Text,
    /// The Availability Zone.
    pub zone: Text,
    /// The account that enabled it.
    pub owner: Text,
    /// When it was asked for.
    pub enabling: DateTime<Utc>,
    /// When the data begin to be moved.
    pub optimizing: DateTime<Utc>,
    /// When volumes are fast.
    pub enabled: DateTime<Utc>,
    /// When it begins to end, and when it is `disabled`.
    pub ends: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl FastRestore {
    /// One that is asked for now, and `enabling` for so long.
    pub fn new(snapshot: &Snapshot, zone: &str, now: DateTime<Utc>, enabling_for: TimeDelta) -> Self {
        // "It takes 60 minutes per TiB to optimize a snapshot":
        // <https://docs.aws.amazon.com/ebs/latest/userguide/view-fsr-enabled-snapshots.html>
        let optimizing_for = TimeDelta::milliseconds(3_600_000 * i64::from(snapshot.size) / 1024);
        Self {
            id: Self::key(&snapshot.id, zone),
            snapshot: snapshot.id.clone(),
            zone: text(zone),
            owner: snapshot.owner.clone(),
            enabling: now,
            optimizing: now + enabling_for,
            enabled: now + enabling_for + optimizing_for,
            ends: None,
        }
    }

    /// What the pair of a snapshot and a zone is found by.
    pub fn key(snapshot: &str, zone: &str) -> Text {
        text(&format!("{snapshot} {zone}"))
    }

    /// EC2's word for how it stands.
    /// <https://docs.aws.amazon.com/ebs/latest/userguide/view-fsr-enabled-snapshots.html>
    pub fn state(&self, now: DateTime<Utc>) -> &'static str {
        match self.ends {
            Some((_, ended)) if ended <= now => "disabled",
            Some((begun, _)) if begun <= now => "disabling",
            _ if self.enabled <= now => "enabled",
            _ if self.optimizing <= now => "optimizing",
            _ => "enabling",
        }
    }

    /// The states that it has been in, and since when, with EC2's names of these times.
    pub(crate) fn times(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> {
        let (begun, ended) = self.ends.unzip();
        let up = [("enablingTime", self.enabling), ("optimizingTime", self.optimizing), ("enabledTime", self.enabled)];
        let up = up.into_iter().filter(move |(_, time)| begun.is_none_or(|begun| *time <= begun));
        let down = [("disablingTime", begun), ("disabledTime", ended)];
        let down = down.into_iter().filter_map(|(name, time)| Some((name, time?)));
        up.chain(down).filter(move |(_, time)| *time <= now)
    }
}

impl Resource for FastRestore {
    const INDEXED: &'static [&'static str] = &["owner-id", "snapshot-id"];

    fn head(&self) -> Head<'_> {
        static NONE: Tags = Tags::new();
        Head { id: &self.id, owner: &self.owner, tags: &NONE }
    }

    fn values(&self, filter: &str, now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
        Some(match filter {
            "availability-zone" => vec![(&*self.zone).into()],
            "owner-id" => vec![(&*self.owner).into()],
            "snapshot-id" => vec![(&*self.snapshot).into()],
            "state" => vec![self.state(now).into()],
            _ => return None,
        })
    }
}
