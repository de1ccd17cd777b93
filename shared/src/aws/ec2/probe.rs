//! What EC2 would allow: the same calls, asked not to be done.
//!
//! With `DryRun` EC2 evaluates the caller's permissions for the very resources and tags of the request, and changes
//! nothing: `DryRunOperation` is allowed, `UnauthorizedOperation` is not.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html>

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::types::{ResourceType, TagSpecification};

use super::snapshots::sdk_tags;
use super::{Ec2, api_error};
use crate::vocabulary::api_error::ApiError;

/// EC2's word for what it would have done.
const ALLOWED: &str = "DryRunOperation";
/// EC2's word for what it would not have done, whatever the reason in IAM.
const REFUSED: &str = "UnauthorizedOperation";

/// Whether the caller may do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// EC2 would have done it.
    Yes,
    /// A permission is missing.
    No(ApiError),
    /// EC2 refused for another reason, so that nobody knows.
    Unknown(ApiError),
}

impl Ec2 {
    /// Whether a snapshot of `volume` may be taken with these tags, written in the create call: that is
    /// `ec2:CreateSnapshot` on the volume and on the snapshot, and `ec2:CreateTags` in that call.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html>
    pub async fn may_create(&self, volume: &str, tags: Vec<(String, String)>) -> Allowed {
        let tags = TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(sdk_tags(tags)));
        let request = self.reads.create_snapshot().dry_run(true).volume_id(volume).tag_specifications(tags.build());
        let answer = request.customize().config_override(few_tries()).send().await;
        let operation = format!("ask whether a snapshot of {volume} may be taken in {}", self.region);
        allowed(answer.map(drop).map_err(|error| api_error(&operation, error)))
    }

    /// Whether `snapshot` may be deleted.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html>
    pub async fn may_delete(&self, snapshot: &str) -> Allowed {
        let request = self.reads.delete_snapshot().dry_run(true).snapshot_id(snapshot);
        let answer = request.customize().config_override(few_tries()).send().await;
        let operation = format!("ask whether {snapshot} may be deleted in {}", self.region);
        allowed(answer.map(drop).map_err(|error| api_error(&operation, error)))
    }

    /// Whether new volumes, and with them their snapshots, are encrypted whoever makes them.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsEncryptionByDefault.html>
    pub async fn encrypts_by_default(&self) -> Result<bool, ApiError> {
        let request = self.reads.get_ebs_encryption_by_default().customize().config_override(few_tries());
        let operation = format!("ask whether EBS encrypts by default in {}", self.region);
        let answer = request.send().await.map_err(|error| api_error(&operation, error))?;
        Ok(answer.ebs_encryption_by_default.unwrap_or_default())
    }
}

/// A success is no answer to a dry run: who gives one has done it.
fn allowed(answer: Result<(), ApiError>) -> Allowed {
    match answer {
        Err(error) if error.code == ALLOWED => Allowed::Yes,
        Err(error) if error.code == REFUSED => Allowed::No(error),
        Err(error) => Allowed::Unknown(error),
        Ok(()) => Allowed::Yes,
    }
}

fn few_tries() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::config::Builder::new().retry_config(RetryConfig::standard().with_max_attempts(3))
}
