//! A restore: what is asked for, what is there in full, and what is to be made.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::inventory::{Instance, Volume};
use super::job::is_resource_id;
use super::problem::Problem;

/// What a person wants back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One volume, which may be gone: `vol-…`
    Volume(String),
    /// All volumes of an instance, which may be gone: `i-…`
    Instance(String),
    /// The volume that this snapshot shows: `snap-…`
    Snapshot(String),
}

impl Target {
    /// The id that was asked for.
    pub fn id(&self) -> &str {
        match self {
            Self::Volume(id) | Self::Instance(id) | Self::Snapshot(id) => id,
        }
    }
}

impl FromStr for Target {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        const ALLOWED: &str = "a volume, an instance or a snapshot: vol-0123456789abcdef0, i-…, snap-…";
        match text {
            _ if is_resource_id(text, "vol-") => Ok(Self::Volume(text.into())),
            _ if is_resource_id(text, "i-") => Ok(Self::Instance(text.into())),
            _ if is_resource_id(text, "snap-") => Ok(Self::Snapshot(text.into())),
            _ => Err(Problem::value("target", &text, ALLOWED)),
        }
    }
}

/// What one restore is known by. Every volume that it makes bears it as a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreId(String);

impl RestoreId {
    /// A new one. `salt` is what two restores of the same target at the same time do not share.
    pub fn new(target: &str, now: DateTime<Utc>, salt: &str) -> Self {
        let digest = Sha256::digest(format!("{target}\n{}\n{salt}", now.timestamp_micros()));
        Self(format!("r-{}", hex(&digest[..6])))
    }

    /// Reads one, as `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let digits = text.strip_prefix("r-").filter(|digits| digits.len() == 12);
        let is_id = digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        match is_id {
            true => Ok(Self(text.into())),
            false => Err(Problem::value(field, &text, "the id that the restore printed, such as r-3f2a9c07be51")),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client token for the volume of `snapshot`, the same whenever it is asked for: a call whose answer was lost
    /// makes no second volume. `attempt` counts the volumes of it that have ended in `error`, whose token is used up.
    /// At most 64 ASCII characters: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
    pub fn client_token(&self, snapshot: &str, attempt: usize) -> String {
        hex(&Sha256::digest(format!("{self}\n{snapshot}\n{attempt}")))
    }
}

impl fmt::Display for RestoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a volume is, without what is on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// EBS's word for its type, such as `gp3`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its size in GiB.
    pub gib: u32,
    /// Its operations a second, where the type lets one say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// Its throughput in MiB/s, where the type lets one say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// Whether several instances may have it at once.
    #[serde(rename = "multi_attach")]
    pub is_multi_attach: bool,
    /// The ARN of the Outpost that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outpost: Option<String>,
}

/// A volume with everything that another one like it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeDetails {
    /// Id, state, tags, and where it is attached.
    pub volume: Volume,
    /// Its Availability Zone, such as `eu-central-1a`.
    pub zone: String,
    /// Its type and size.
    pub shape: Shape,
    /// The KMS key that it is encrypted with.
    pub key: Option<String>,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
    /// Whether EC2 says that it is attached, and not only about to be.
    pub is_attached: bool,
}

/// An instance with what one must know to attach a volume to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceDetails {
    /// Id, tags, root device and volumes.
    pub instance: Instance,
    /// EC2's word for its state, such as `running`.
    pub state: String,
    /// Its Availability Zone.
    pub zone: String,
}

/// A volume to be made of a snapshot. Whether it is encrypted, and with which key, is the snapshot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewVolume {
    /// `snap-…`
    pub snapshot: String,
    /// The Availability Zone.
    pub zone: String,
    /// Its type and size.
    #[serde(flatten)]
    pub shape: Shape,
    /// All its tags, in the order in which they are written.
    #[serde(skip)]
    pub tags: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_by_its_id() {
        let kind = |text: &str| text.parse::<Target>().map(|target| format!("{target:?}"));
        assert_eq!(kind("vol-0123456789abcdef0").unwrap(), r#"Volume("vol-0123456789abcdef0")"#);
        assert_eq!(kind("i-0123456789abcdef0").unwrap(), r#"Instance("i-0123456789abcdef0")"#);
        assert_eq!(kind("snap-01234567").unwrap(), r#"Snapshot("snap-01234567")"#);
        for text in ["", "db", "ami-01234567", "vol-", "i-0123456789abcdeg0", "--yes"] {
            assert!(kind(text).unwrap_err().to_string().contains("`target` is"), "{text}");
        }
    }

    #[test]
    fn a_restore_has_an_id_of_its_own_that_is_read_as_it_is_written() {
        let now = "2026-11-20T02:00:00Z".parse().unwrap();
        let id = RestoreId::new("vol-1", now, "1");
        assert_ne!(id, RestoreId::new("vol-1", now, "2"));
        assert_eq!(RestoreId::parse("--resume", id.as_str()), Ok(id));
        for text in ["r-", "r-3f2a9c07be5", "r-3F2A9C07BE51", "3f2a9c07be51", "r-3f2a9c07be51;"] {
            assert!(RestoreId::parse("--undo", text).unwrap_err().to_string().starts_with("`--undo` is"), "{text}");
        }
    }

    #[test]
    fn the_client_token_is_one_for_each_snapshot_and_attempt_and_fits() {
        let id = RestoreId::parse("", "r-3f2a9c07be51").unwrap();
        let token = id.client_token("snap-1", 0);
        assert_eq!((token.clone(), token.len()), (id.client_token("snap-1", 0), 64));
        assert!(token.is_ascii() && token != id.client_token("snap-1", 1) && token != id.client_token("snap-2", 0));
    }
}
