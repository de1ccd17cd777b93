//! What EC2 told us, in our own types: only the fields that a rule looks at.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Tags by key. EC2 keys are unique and case-sensitive.
pub type Tags = BTreeMap<String, String>;

/// An instance that is not terminated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// All its tags.
    pub tags: Tags,
    /// The device of its boot volume, such as `/dev/xvda`.
    pub root_device: Option<String>,
    /// The EBS volumes in its block device mapping. Instance-store volumes are not listed by EC2.
    pub volumes: Vec<AttachedVolume>,
}

/// A volume in an instance's block device mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedVolume {
    /// `vol-…`
    pub id: String,
    /// The device it is exposed as, such as `/dev/sdf`.
    pub device: String,
}

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// EC2's word for its state: `creating`, `available`, `in-use`, `deleting`, `deleted`, `error`.
    pub state: String,
    /// All its tags.
    pub tags: Tags,
    /// When it was created, where EC2 says so.
    pub created: Option<DateTime<Utc>>,
    /// Where it is attached; several for Multi-Attach.
    pub attachments: Vec<Attachment>,
}

/// One attachment of a volume to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `i-…`
    pub instance: String,
    /// The device it is exposed as.
    pub device: String,
}

/// A snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-…`
    pub id: String,
    /// The volume that EC2 says it was made of. Of a copy it is arbitrary.
    pub volume: String,
    /// The twelve digits of the account that owns it.
    pub owner: String,
    /// When EC2 began it, which is the point in time that it shows.
    pub started: Option<DateTime<Utc>>,
    /// EC2's word for its state: `pending`, `completed`, `error`, `recoverable`, `recovering`.
    pub state: String,
    /// What EC2 says of a snapshot in `error`; of others mostly nothing.
    pub state_message: Option<String>,
    /// The size of the volume that it was made of, in GiB. What the snapshot itself takes up, EC2 does not list here.
    pub volume_gib: u32,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// Whether EC2 says that it was copied from another snapshot.
    pub is_copy: bool,
    /// Where it is stored.
    pub tier: Tier,
    /// All its tags.
    pub tags: Tags,
}

/// Where a snapshot is stored: <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive.html>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    /// At hand.
    #[default]
    Standard,
    /// In the archive since this time, where EC2 says so.
    Archive(Option<DateTime<Utc>>),
}

/// Whether a volume is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// EC2 lists it.
    Living,
    /// EC2 does not list it: its snapshots are orphans.
    Gone,
}

/// What something outside the rules holds a snapshot by, so that EC2 does not delete it.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-deleting-snapshot.html>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It is a device of this image, which may be deprecated or disabled.
    Image(String),
    /// It is enabled for fast snapshot restore in this Availability Zone.
    FastRestore(String),
    /// It is locked, until this time where the lock has an end.
    Lock(Option<DateTime<Utc>>),
    /// EC2 refused to delete it in these words.
    Refused(String),
}

/// What holds which snapshot, by the snapshot's id.
pub type Holds = BTreeMap<String, Hold>;

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => write!(f, "in use by {image}"),
            Self::FastRestore(zone) => write!(f, "enabled for fast snapshot restore in {zone}"),
            Self::Lock(None) => f.write_str("locked"),
            Self::Lock(Some(until)) => write!(f, "locked until {}", until.format("%Y-%m-%d %H:%M UTC")),
            Self::Refused(words) => write!(f, "EC2 does not delete it: {words}"),
        }
    }
}
