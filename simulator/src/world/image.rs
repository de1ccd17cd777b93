//! Images.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::table::{Head, Resource};
use crate::text::{Tags, Text};

/// An AMI.
#[derive(Debug, Clone)]
pub struct Image {
    /// `ami-…`
    pub id: Text,
    /// Its owner's account.
    pub owner: Text,
    /// `amazon`, of Amazon's own.
    pub owner_alias: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its tags.
    pub tags: Tags,
    /// Whether it is disabled: nobody can launch it, and it is described only to who asks for disabled ones.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/disable-an-ami.html>
    pub is_disabled: bool,
    /// From when on it is deprecated: described only to its owner and to who asks for deprecated ones.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html>
    pub deprecated: Option<DateTime<Utc>>,
    /// Accounts that may launch it, and `all`.
    pub executable_by: BTreeSet<Text>,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// The device that it boots from.
    pub root_device: Text,
    /// Its devices and their snapshots, with the size of each in GiB.
    pub devices: Vec<ImageDevice>,
}

/// A device of an image.
#[derive(Debug, Clone)]
pub struct ImageDevice {
    /// `/dev/xvda`
    pub device: Text,
    /// `snap-…`
    pub snapshot: Text,
    /// In GiB.
    pub size: u32,
}

impl Resource for Image {
    const INDEXED: &'static [&'static str] =
        &["owner-id", "image-id", ".executable-by", "block-device-mapping.snapshot-id"];

    const IS_SHARED: bool = true;

    fn head(&self) -> Head<'_> {
        Head { id: &self.id, owner: &self.owner, tags: &self.tags }
    }

    fn values(&self, filter: &str, now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
        Some(match filter {
            "image-id" => vec![(&*self.id).into()],
            "owner-id" => vec![(&*self.owner).into()],
            "owner-alias" => self.owner_alias.iter().map(|alias| (&**alias).into()).collect(),
            "name" => vec![(&*self.name).into()],
            "state" => vec![if self.is_disabled { "disabled" } else { "available" }.into()],
            "is-public" => vec![self.executable_by.contains("all").to_string().into()],
            "root-device-name" => vec![(&*self.root_device).into()],
            "root-device-type" => vec!["ebs".into()],
            "block-device-mapping.snapshot-id" => self.devices.iter().map(|each| (&*each.snapshot).into()).collect(),
            "block-device-mapping.device-name" => self.devices.iter().map(|each| (&*each.device).into()).collect(),
            // No filters of EC2's, but entries of the index, and who sees it although it is deprecated.
            ".seen-by" => match self.deprecated {
                Some(since) if since <= now => vec![(&*self.owner).into()],
                _ => vec!["all".into()],
            },
            ".executable-by" => self.executable_by.iter().map(|who| (&**who).into()).collect(),
            _ => return None,
        })
    }
}
