//! The table of fates: each error code that AWS, the transport and we ourselves have, and its class.

use std::fmt;

use crate::vocabulary::api_error::{ApiError, NO_ANSWER, NOT_SENT};
use crate::vocabulary::class::Class::{
    self, AlreadyDone, Ambiguous, Configuration, Permanent, Poison, Quota, Throttle, Transient,
};

/// One row: an error code, and what it says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Who says it.
    pub source: Source,
    /// The code; one that ends in `*` stands for all that begin so.
    pub code: &'static str,
    /// Its class.
    pub class: Class,
    /// Whom a configuration error is about. Nobody else looks at it.
    pub reach: Reach,
    /// Why, in a few words.
    pub why: &'static str,
}

/// Who gives an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// EC2, about snapshots and volumes.
    Ec2,
    /// Any service, about who asks.
    Identity,
    /// STS, when a role is assumed.
    Sts,
    /// SQS.
    Sqs,
    /// The way there and back.
    Transport,
    /// The worker itself.
    Worker,
}

/// How far a configuration error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The whole lane: an account, a Region, credentials.
    Lane,
    /// One volume, or all of them: a permission may depend on tags, a key is of some volumes. The lane is held when
    /// several volumes are refused and none is not.
    Unknown,
}

const fn row(source: Source, code: &'static str, class: Class, why: &'static str) -> Row {
    Row { source, code, class, reach: Reach::Lane, why }
}

const fn of_some(source: Source, code: &'static str, why: &'static str) -> Row {
    Row { source, code, class: Configuration, reach: Reach::Unknown, why }
}

use Source::{Ec2, Identity, Sqs, Sts, Transport, Worker};

/// The table. EC2's codes and what they mean:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>; those that every service has:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html>; SQS's:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>; STS's:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
pub const FATES: &[Row] = &[
    row(Ec2, "RequestLimitExceeded", Throttle, "the bucket of this action is empty"),
    row(Ec2, "EC2ThrottledException", Throttle, "the same"),
    row(Identity, "Throttling", Throttle, "any service's word for it"),
    row(Identity, "ThrottlingException", Throttle, "the same"),
    row(Identity, "ThrottledException", Throttle, "the same"),
    row(Identity, "RequestThrottled", Throttle, "the same, and SQS's for a queue of KMS or FIFO at its limit"),
    row(Identity, "RequestThrottledException", Throttle, "the same"),
    row(Identity, "TooManyRequestsException", Throttle, "the same"),
    row(Identity, "SlowDown", Throttle, "the same"),
    row(Identity, "BandwidthLimitExceeded", Throttle, "the same"),
    row(Identity, "PriorRequestNotComplete", Throttle, "the same"),
    // EC2 asks for 15 seconds between two snapshots of one volume; often it is our own earlier attempt.
    row(Ec2, "SnapshotCreationPerVolumeRateExceeded", Quota, "15 seconds between two snapshots of a volume"),
    row(Ec2, "ConcurrentSnapshotLimitExceeded", Quota, "pending or failed snapshots of the volume take its places"),
    row(Ec2, "PendingSnapshotLimitExceeded", Quota, "too many are pending in the Region"),
    row(Ec2, "ResourceLimitExceeded", Quota, "such as too many copies under way"),
    row(Ec2, "IncorrectState", Quota, "an earlier snapshot of the volume is not begun yet, or the volume is not ready"),
    row(Ec2, "InvalidState", Quota, "the same"),
    row(Ec2, "InvalidVolume.NotFound", AlreadyDone, "gone, unless EC2 has not heard of it yet: looked at twice"),
    row(Ec2, "InvalidSnapshot.NotFound", AlreadyDone, "of a deletion: somebody else has deleted it"),
    row(Ec2, "SnapshotLimitExceeded", Configuration, "the Region's quota of snapshots: prune, or raise L-309BACF6"),
    row(Ec2, "OptInRequired", Configuration, "the Region is not enabled in the account"),
    row(Ec2, "Blocked", Configuration, "the account is blocked"),
    row(Ec2, "PendingVerification", Configuration, "AWS verifies the account"),
    row(Ec2, "AccountDisabled", Configuration, "the account is disabled"),
    of_some(Ec2, "UnauthorizedOperation", "a missing permission, or one that depends on tags"),
    of_some(Ec2, "TagPolicyViolation", "the organization's tag policy"),
    of_some(Ec2, "CustomerKeyHasBeenRevoked", "the KMS key of this volume, or of all"),
    of_some(Ec2, "KMS*", "the same"),
    row(Ec2, "TagLimitExceeded", Permanent, "more tags than EC2 takes"),
    row(Ec2, "InvalidTagKey.Malformed", Permanent, "a tag that EC2 does not take"),
    row(Ec2, "UnsupportedOperation", Permanent, "such as a volume on an Outpost or in a Local Zone"),
    row(Ec2, "Unsupported", Permanent, "the same"),
    row(Ec2, "OperationNotPermitted", Permanent, "something holds it"),
    row(
        Ec2,
        "InvalidSnapshot.InUse",
        Permanent,
        "of a deletion: an image or a fast restore holds it; it is left and named",
    ),
    row(Ec2, "InvalidParameter*", Poison, "the call itself is wrong"),
    row(Ec2, "MissingParameter", Poison, "the same"),
    row(Ec2, "UnknownParameter", Poison, "the same"),
    row(Ec2, "InvalidVolumeID.Malformed", Poison, "no volume id"),
    row(Ec2, "InvalidSnapshotID.Malformed", Poison, "no snapshot id"),
    row(Ec2, "FilterLimitExceeded", Poison, "the call itself is wrong"),
    row(Ec2, "ConcurrentTagAccess", Transient, "somebody else tags the same resource"),
    row(Ec2, "RetryableError", Transient, "AWS says to try again"),
    row(Ec2, "InvalidPaginationToken", Transient, "the listing begins again"),
    row(Ec2, "InternalError", Ambiguous, "EC2 failed, before or after it did what was asked"),
    row(Ec2, "InternalFailure", Ambiguous, "the same"),
    row(Ec2, "ServerInternal", Ambiguous, "the same"),
    row(Ec2, "Unavailable", Ambiguous, "the same"),
    row(Ec2, "ServiceUnavailable", Ambiguous, "the same"),
    row(Identity, "AuthFailure", Configuration, "credentials, or a Region that is not enabled"),
    of_some(Identity, "AccessDenied", "a missing permission, or one that depends on tags"),
    of_some(Identity, "AccessDeniedException", "the same"),
    row(Identity, "InvalidClientTokenId", Configuration, "credentials that nobody knows there"),
    row(Identity, "SignatureDoesNotMatch", Configuration, "wrong credentials"),
    row(Identity, "IncompleteSignature", Configuration, "the same"),
    row(Identity, "MissingAuthenticationToken", Configuration, "no credentials"),
    row(Identity, "UnrecognizedClientException", Configuration, "credentials that nobody knows there"),
    row(Identity, "ValidationError", Poison, "the call itself is wrong"),
    row(Identity, "InvalidAction", Poison, "what answers does not know the call"),
    row(Identity, "RequestExpired", Transient, "a clock that is wrong, or credentials at their end: asked for anew"),
    row(Sts, "ExpiredToken", Transient, "credentials at their end: asked for anew"),
    row(Sts, "ExpiredTokenException", Transient, "the same"),
    row(Sts, "RegionDisabledException", Configuration, "STS is not enabled in the Region"),
    row(Sts, "PackedPolicyTooLarge", Configuration, "the role's session policy"),
    row(Sts, "MalformedPolicyDocument", Configuration, "the same"),
    row(Sqs, "OverLimit", Quota, "too many messages in flight"),
    row(Sqs, "KmsThrottled", Throttle, "KMS throttles the queue"),
    row(Sqs, "Kms*", Configuration, "the queue's key"),
    row(Sqs, "QueueDoesNotExist", Configuration, "wrong URL, Region or account"),
    row(Sqs, "AWS.SimpleQueueService.NonExistentQueue", Configuration, "the same, in the older protocol"),
    row(Sqs, "QueueDeletedRecently", Configuration, "the same"),
    row(Sqs, "InvalidAddress", Configuration, "the same"),
    row(Sqs, "InvalidSecurity", Configuration, "the queue asks for TLS"),
    row(Sqs, "ReceiptHandleIsInvalid", AlreadyDone, "the message was received again since, or is gone"),
    row(Sqs, "MessageNotInflight", AlreadyDone, "the same"),
    row(Sqs, "InvalidMessageContents", Poison, "a character that SQS does not take"),
    row(Sqs, "BatchRequestTooLong", Poison, "larger than SQS takes"),
    row(Sqs, "BatchEntryIdsNotDistinct", Poison, "the call itself is wrong"),
    row(Sqs, "TooManyEntriesInBatchRequest", Poison, "the same"),
    row(Sqs, "EmptyBatchRequest", Poison, "the same"),
    row(Sqs, "InvalidBatchEntryId", Poison, "the same"),
    row(Transport, NO_ANSWER, Ambiguous, "cut, reset or silent: it may have been executed"),
    row(Transport, NOT_SENT, Transient, "no credentials, no endpoint"),
    row(Transport, "Http5*", Ambiguous, "an answer without a code"),
    row(Transport, "Http429", Throttle, "an answer without a code, from a balancer"),
    row(Worker, "Panic", Transient, "a bug, in the attempt for this one job"),
    row(Worker, UNREADABLE, Poison, "the body is no job, or of a version that is not known yet"),
    row(Worker, WORKERS_DIED, Poison, "SQS has moved it: workers died with it, or could not settle it"),
    row(Worker, TOO_LATE, Throttle, "its turn would have come only after its deadline"),
];

/// The code of a message that cannot be read.
pub const UNREADABLE: &str = "UnreadableMessage";
/// The code of a dead letter that no worker wrote: SQS moved the message after `maxReceiveCount` receives.
pub const WORKERS_DIED: &str = "MaxReceiveCount";
/// The code of a job that was never tried, because its lane was too slow.
pub const TOO_LATE: &str = "DeadlinePassed";

/// The row of an error code, if it has one: its own, or that of the longest beginning.
pub fn row_of(code: &str) -> Option<&'static Row> {
    let matches = |row: &&Row| match row.code.strip_suffix('*') {
        Some(beginning) => code.starts_with(beginning),
        None => code == row.code,
    };
    FATES.iter().filter(matches).max_by_key(|row| (!row.code.ends_with('*'), row.code.len()))
}

/// The class of an error, by its code.
///
/// A code that is not in the table is tried again: liveness before thrift when creating. After its attempts it is
/// dead-lettered with its reason, so that a person sees it. Where the service itself failed, it may have been executed.
pub fn class(error: &ApiError) -> Class {
    match row_of(&error.code) {
        Some(row) => row.class,
        None if error.status.is_some_and(|status| status >= 500) => Ambiguous,
        None => Transient,
    }
}

/// Whether a configuration error is about the whole lane, whatever becomes of other volumes.
pub fn is_about_the_lane(code: &str) -> bool {
    row_of(code).is_some_and(|row| row.class == Configuration && row.reach == Reach::Lane)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ec2 => "EC2",
            Self::Identity => "any service",
            Self::Sts => "STS",
            Self::Sqs => "SQS",
            Self::Transport => "transport",
            Self::Worker => "worker",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_in_the_table_once() {
        for (index, row) in FATES.iter().enumerate() {
            assert!(FATES[..index].iter().all(|before| before.code != row.code), "{} stands there twice", row.code);
            assert!(!row.why.is_empty() && row.class != Class::Configuration || row.why.len() > 3, "{}", row.code);
        }
    }

    #[test]
    fn a_code_has_its_own_row_before_that_of_its_beginning() {
        let class_of = |code: &str| row_of(code).map(|row| row.class);
        assert_eq!(class_of("KmsThrottled"), Some(Throttle));
        assert_eq!(class_of("KmsDisabled"), Some(Configuration));
        assert_eq!(class_of("KMS.DisabledException"), Some(Configuration));
        assert_eq!(class_of("InvalidParameterCombination"), Some(Poison));
        assert_eq!(class_of("Http503"), Some(Ambiguous));
        assert_eq!(class_of("SomethingNew"), None);
    }
}
