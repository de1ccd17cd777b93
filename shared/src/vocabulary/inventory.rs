//! What EC2 told us, in our own types: only the fields that a rule looks at.

use std::collections::BTreeMap;

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

/// A snapshot of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-…`
    pub id: String,
    /// EC2's word for its state: `pending`, `completed`, `error`, `recoverable`, `recovering`.
    pub state: String,
    /// All its tags.
    pub tags: Tags,
}
