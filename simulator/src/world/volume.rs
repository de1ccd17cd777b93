//! Volumes.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::table::{Head, Resource};
use crate::text::{Tags, Text};

/// A volume.
#[derive(Debug, Clone)]
pub struct Volume {
    /// `vol-…`
    pub id: Text,
    /// Its owner's account.
    pub owner: Text,
    /// Its state.
    pub state: VolumeState,
    /// Its tags.
    pub tags: Tags,
    /// What it is attached to: with Multi-Attach, up to 16 instances.
    pub attachments: Vec<Attachment>,
    /// In GiB.
    pub size: u32,
    /// Its type.
    pub kind: VolumeType,
    /// Provisioned operations a second, of io1, io2 and gp3.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s, of gp3.
    pub throughput: Option<u32>,
    /// Where it is: `eu-central-1a`.
    pub zone: Text,
    /// The snapshot that it was made from.
    pub snapshot: Option<Text>,
    /// The KMS key that it is encrypted with.
    pub key: Option<Text>,
    /// The Outpost that it is on.
    pub outpost: Option<Text>,
    /// Whether it can be attached to more than one instance.
    pub is_multi_attach: bool,
    /// The AWS service that manages it, if one does. A managed volume is hidden from `DescribeVolumes` unless
    /// `IncludeManagedResources` is set.
    pub managed_by: Option<Text>,
    /// When it was created.
    pub created: DateTime<Utc>,
}

/// What a volume is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `i-…`
    pub instance: Text,
    /// `/dev/sdf`
    pub device: Text,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: bool,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Volume.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeState {
    /// Not to be used yet.
    Creating,
    /// Attached to nothing.
    Available,
    /// Attached.
    InUse,
    /// On its way out.
    Deleting,
    /// Could not be created.
    Error,
}

/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "EBS's own names")]
pub enum VolumeType {
    Standard,
    Gp2,
    #[default]
    Gp3,
    Io1,
    Io2,
    St1,
    Sc1,
}

impl Volume {
    /// The operations a second that EC2 shows: of gp2 those that its size gives it, 3 for each GiB, 100 to 16,000.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Volume.html>
    pub fn shown_iops(&self) -> Option<u32> {
        match self.kind {
            VolumeType::Gp2 => Some((3 * self.size).clamp(100, 16_000)),
            VolumeType::Gp3 => self.iops.or(Some(3000)),
            VolumeType::Io1 | VolumeType::Io2 => self.iops,
            VolumeType::Standard | VolumeType::St1 | VolumeType::Sc1 => None,
        }
    }

    /// The throughput in MiB/s that EC2 shows: gp3's.
    pub fn shown_throughput(&self) -> Option<u32> {
        (self.kind == VolumeType::Gp3).then(|| self.throughput.unwrap_or(125))
    }
}

impl VolumeState {
    /// EC2's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::InUse => "in-use",
            Self::Deleting => "deleting",
            Self::Error => "error",
        }
    }
}

impl VolumeType {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Standard, Self::Gp2, Self::Gp3, Self::Io1, Self::Io2, Self::St1, Self::Sc1];

    /// EBS's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
        }
    }

    /// Whether it is a hard disk, of which one snapshot at a time can be taken.
    pub fn is_hdd(self) -> bool {
        matches!(self, Self::St1 | Self::Sc1)
    }

    /// Whether its operations a second must be said.
    pub fn is_provisioned(self) -> bool {
        matches!(self, Self::Io1 | Self::Io2)
    }

    /// The operations a second that one may ask for:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
    pub fn iops(self) -> Option<std::ops::RangeInclusive<u32>> {
        match self {
            Self::Gp3 => Some(3000..=80_000),
            Self::Io1 => Some(100..=64_000),
            Self::Io2 => Some(100..=256_000),
            Self::Standard | Self::Gp2 | Self::St1 | Self::Sc1 => None,
        }
    }

    /// The sizes that it may have, in GiB: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
    pub fn sizes(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Self::Standard => 1..=1024,
            Self::Gp2 => 1..=16_384,
            Self::Gp3 => 1..=65_536,
            Self::Io1 => 4..=16_384,
            Self::Io2 => 4..=65_536,
            Self::St1 | Self::Sc1 => 125..=16_384,
        }
    }
}

impl Resource for Volume {
    const INDEXED: &'static [&'static str] =
        &["owner-id", "volume-id", "status", "attachment.instance-id", "snapshot-id"];

    fn head(&self) -> Head<'_> {
        Head { id: &self.id, owner: &self.owner, tags: &self.tags }
    }

    fn values(&self, filter: &str, _now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
        let of_attachments =
            |value: fn(&Attachment) -> &str| self.attachments.iter().map(|each| value(each).into()).collect();
        Some(match filter {
            "volume-id" => vec![(&*self.id).into()],
            "owner-id" => vec![(&*self.owner).into()],
            "status" => vec![self.state.name().into()],
            "attachment.instance-id" => of_attachments(|each| &each.instance),
            "attachment.device" => of_attachments(|each| &each.device),
            "attachment.status" => of_attachments(|_| "attached"),
            "attachment.delete-on-termination" => {
                of_attachments(|each| if each.delete_on_termination { "true" } else { "false" })
            }
            "availability-zone" => vec![(&*self.zone).into()],
            "encrypted" => vec![self.key.is_some().to_string().into()],
            "multi-attach-enabled" => vec![self.is_multi_attach.to_string().into()],
            "operator.managed" => vec![self.managed_by.is_some().to_string().into()],
            "operator.principal" => self.managed_by.iter().map(|principal| (&**principal).into()).collect(),
            "size" => vec![self.size.to_string().into()],
            "snapshot-id" => self.snapshot.iter().map(|id| (&**id).into()).collect(),
            "volume-type" => vec![self.kind.name().into()],
            _ => return None,
        })
    }
}
