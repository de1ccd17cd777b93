//! Instances.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::table::{Head, Resource};
use crate::text::{Tags, Text};

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `i-…`
    pub id: Text,
    /// Its owner's account.
    pub owner: Text,
    /// Its state.
    pub state: InstanceState,
    /// Its tags.
    pub tags: Tags,
    /// Its type, such as `t3.micro`.
    pub kind: Text,
    /// The image that it was launched from.
    pub image: Text,
    /// Where it is: `eu-central-1a`.
    pub zone: Text,
    /// When it was launched.
    pub launched: DateTime<Utc>,
    /// The device that it boots from.
    pub root_device: Text,
    /// Whether it boots from an instance store. Such a root is no EBS volume, and in no mapping.
    pub is_instance_store: bool,
    /// The EBS volumes in its block device mapping.
    pub volumes: Vec<Mapping>,
    /// The AWS service that manages it, if one does. A managed instance is hidden from `DescribeInstances` unless
    /// `IncludeManagedResources` is set.
    pub managed_by: Option<Text>,
}

/// A volume in an instance's block device mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// `/dev/sdf`
    pub device: Text,
    /// `vol-…`
    pub volume: Text,
    /// Whether the volume goes with the instance.
    pub delete_on_termination: bool,
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Code 0.
    Pending,
    /// Code 16.
    #[default]
    Running,
    /// Code 32.
    ShuttingDown,
    /// Code 48.
    Terminated,
    /// Code 64.
    Stopping,
    /// Code 80.
    Stopped,
}

impl InstanceState {
    /// EC2's number for it.
    pub fn code(self) -> u8 {
        16 * self as u8
    }

    /// EC2's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl Resource for Instance {
    const INDEXED: &'static [&'static str] =
        &["owner-id", "instance-id", "instance-state-name", "block-device-mapping.volume-id"];

    fn head(&self) -> Head<'_> {
        Head { id: &self.id, owner: &self.owner, tags: &self.tags }
    }

    fn values(&self, filter: &str, _now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
        let of_volumes = |value: fn(&Mapping) -> &str| self.volumes.iter().map(|each| value(each).into()).collect();
        Some(match filter {
            "instance-id" => vec![(&*self.id).into()],
            "owner-id" => vec![(&*self.owner).into()],
            "instance-state-name" => vec![self.state.name().into()],
            "instance-state-code" => vec![self.state.code().to_string().into()],
            "instance-type" => vec![(&*self.kind).into()],
            "image-id" => vec![(&*self.image).into()],
            "availability-zone" => vec![(&*self.zone).into()],
            "root-device-name" => vec![(&*self.root_device).into()],
            "root-device-type" => vec![if self.is_instance_store { "instance-store" } else { "ebs" }.into()],
            "block-device-mapping.volume-id" => of_volumes(|each| &each.volume),
            "block-device-mapping.device-name" => of_volumes(|each| &each.device),
            "operator.managed" => vec![self.managed_by.is_some().to_string().into()],
            "operator.principal" => self.managed_by.iter().map(|principal| (&**principal).into()).collect(),
            _ => return None,
        })
    }
}
