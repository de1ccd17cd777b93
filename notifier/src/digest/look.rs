//! The first command of whoever looks into a failure.

use shared::vocabulary::job::Action;

use super::text::word;

/// Where something failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub action: Action,
    pub region: &'a str,
    /// Nothing where it is about all of the Region's.
    pub volume: Option<&'a str>,
}

/// What to type about `code`.
pub(super) fn look(code: &str, place: Place<'_>) -> String {
    let (region, volume) = (word(place.region, "REGION"), word(place.volume.unwrap_or_default(), "VOLUME"));
    let key = "--query 'Volumes[0].KmsKeyId' --output text";
    let volumes = format!("aws ec2 describe-volumes --region {region} --volume-ids {volume}");
    match code {
        "SnapshotLimitExceeded" => {
            format!("aws service-quotas get-service-quota --region {region} --service-code ebs --quota-code L-309BACF6")
        }
        "OptInRequired" | "RegionDisabledException" => {
            format!("aws account get-region-opt-status --region-name {region}")
        }
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "AuthFailure" => {
            format!("aws sts get-caller-identity, and the permissions of the worker's role in {region}")
        }
        _ if code == "CustomerKeyHasBeenRevoked" || code.starts_with("KMS") => {
            format!("aws kms describe-key --region {region} --key-id $({volumes} {key})")
        }
        _ if place.volume.is_none() => {
            format!("aws sts get-caller-identity, and the account's and the role's state in {region}")
        }
        _ if place.action == Action::Prune => format!(
            "aws ec2 describe-snapshots --region {region} --owner-ids self --filters Name=volume-id,Values={volume}"
        ),
        _ => volumes,
    }
}
