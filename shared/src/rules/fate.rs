//! What becomes of a job whose call to EC2 failed. Every failure has a decided fate.

mod table;

use chrono::TimeDelta;

pub use self::table::{
    FATES, Reach, Row, Source, TOO_LATE, UNREADABLE, WORKERS_DIED, class, is_about_the_lane, row_of,
};
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::class::Class;
use crate::vocabulary::inventory::Hold;

/// The fate of a job after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Try again in the lane, when the lane may.
    WaitInLane,
    /// Try again after this time, outside the lane, as the same attempt.
    Defer(TimeDelta),
    /// Try again after this time, outside the lane, as the next attempt.
    Retry(TimeDelta),
    /// The world has decided: the volume was deleted after planning.
    VolumeGone,
    /// It is not about this volume alone, perhaps: see [`crate::rules::hold`].
    Refused,
    /// A person must look.
    DeadLetter,
}

/// How patient a worker is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Attempts before the dead-letter queue.
    pub max_attempts: u32,
    /// The longest wait before the second attempt; it doubles with each attempt.
    pub base: TimeDelta,
    /// The longest wait of all.
    pub cap: TimeDelta,
    /// How long EC2 is given until Describe shows what Create did, and until the volume's own limits pass: the
    /// shortest wait after an ambiguous answer.
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
    pub settle: TimeDelta,
}

impl Patience {
    /// The patience of a deployed worker: 15 seconds is also what EC2 asks for between two snapshots of a volume.
    pub const fn with_attempts(max_attempts: u32) -> Self {
        Self { max_attempts, base: TimeDelta::seconds(30), cap: TimeDelta::minutes(15), settle: TimeDelta::seconds(15) }
    }
}

/// The fate of a job whose attempt number `attempt` failed with `error`. `jitter` lies in 0 to 1 and spreads the
/// waits ("full jitter": <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub fn fate(error: &ApiError, attempt: u32, patience: &Patience, jitter: f64) -> Fate {
    let class = class(error);
    let settle_at_least = |wait: TimeDelta| wait.max(patience.settle);
    match class {
        Class::Throttle => Fate::WaitInLane,
        Class::Quota => Fate::Defer(patience.settle + scaled(patience.settle, 3.0 * jitter)),
        // What has just been made may be unknown to EC2 for a while: it is gone when it is gone twice.
        Class::AlreadyDone if attempt > 1 => Fate::VolumeGone,
        Class::AlreadyDone => Fate::Retry(settle_at_least(backoff(attempt, patience, jitter))),
        Class::Configuration => Fate::Refused,
        Class::Permanent | Class::Poison => Fate::DeadLetter,
        Class::Transient | Class::Ambiguous if attempt >= patience.max_attempts => Fate::DeadLetter,
        Class::Transient => Fate::Retry(backoff(attempt, patience, jitter)),
        Class::Ambiguous => Fate::Retry(settle_at_least(backoff(attempt, patience, jitter))),
    }
}

/// What a refusal to delete a snapshot says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undeleted {
    /// It is gone already: what was wanted is done.
    Gone,
    /// Something holds it, and only a person takes that away.
    Held(Hold),
}

/// What the error of a `DeleteSnapshot` says about the snapshot; `None` where it speaks of the call.
///
/// An image and a fast snapshot restore have the same code, AWS Backup has the most general one, and the code for a
/// locked snapshot is documented nowhere, so that EC2's words are looked at:
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
pub fn undeleted(error: &ApiError) -> Option<Undeleted> {
    let says = |word: &str| error.message.to_lowercase().contains(word) || error.code.to_lowercase().contains(word);
    let is_refusal = error.status.is_some_and(|status| (400..500).contains(&status));
    let is_held = match error.code.as_str() {
        "InvalidSnapshot.NotFound" => return Some(Undeleted::Gone),
        // Of a snapshot these speak of its state, such as a tier that is being changed, and not of a limit that passes.
        "IncorrectState" | "InvalidState" | "IncorrectSnapshotState" | "ResourceLimitExceeded" => true,
        "InvalidSnapshot.InUse" | "OperationNotPermitted" => true,
        "InvalidParameterValue" => says("aws backup"),
        "UnauthorizedOperation" | "AccountDisabled" | "Blocked" => false,
        _ => is_refusal && says("locked"),
    };
    is_held.then(|| Undeleted::Held(Hold::Refused(format!("{}: {}", error.code, error.message))))
}

/// What is known of the holds when some could not be listed. Where the list is not to be had, by permission or because
/// what answers is not EC2 and has no EC2 code, pruning goes on with a warning: EC2 itself refuses to delete what an
/// image uses or a lock holds. Any other error may pass, and stops it.
pub fn without_lists(errors: Vec<ApiError>) -> Result<Vec<String>, ApiError> {
    let is_not_to_be_had = |error: &ApiError| {
        let codes = ["UnauthorizedOperation", "AccessDenied", "InvalidAction", "UnsupportedOperation"];
        // A balancer's "busy" may pass.
        let is_strange = error.code.starts_with("Http") && !matches!(error.status, Some(429 | 502 | 503 | 504));
        codes.contains(&error.code.as_str()) || is_strange
    };
    errors
        .into_iter()
        .map(|error| match is_not_to_be_had(&error) {
            true => Ok(format!("{error}; what it would name is left to EC2 to refuse")),
            false => Err(error),
        })
        .collect()
}

fn backoff(attempt: u32, patience: &Patience, jitter: f64) -> TimeDelta {
    let doublings = attempt.saturating_sub(1).min(20);
    let longest = patience.base.checked_mul(1 << doublings).unwrap_or(patience.cap);
    scaled(longest.min(patience.cap), jitter)
}

fn scaled(time: TimeDelta, factor: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of minutes fit")]
    TimeDelta::milliseconds((time.as_seconds_f64() * factor * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience::with_attempts(5);

    fn error(code: &str, status: u16) -> ApiError {
        ApiError {
            operation: "create a snapshot".into(),
            code: code.into(),
            message: String::new(),
            status: Some(status),
            request_id: None,
        }
    }

    fn check(code: &str, status: u16, attempt: u32, expected: Fate) {
        assert_eq!(fate(&error(code, status), attempt, &PATIENCE, 0.5), expected, "{code} at attempt {attempt}");
    }

    #[test]
    fn every_failure_has_its_fate() {
        let seconds = TimeDelta::seconds;
        check("RequestLimitExceeded", 503, 1, Fate::WaitInLane);
        check("RequestLimitExceeded", 503, 99, Fate::WaitInLane);
        check("SnapshotCreationPerVolumeRateExceeded", 400, 99, Fate::Defer(TimeDelta::milliseconds(37_500)));
        check("ConcurrentSnapshotLimitExceeded", 400, 5, Fate::Defer(TimeDelta::milliseconds(37_500)));
        check("IncorrectState", 400, 5, Fate::Defer(TimeDelta::milliseconds(37_500)));
        check("InvalidVolume.NotFound", 400, 1, Fate::Retry(seconds(15)));
        check("InvalidVolume.NotFound", 400, 2, Fate::VolumeGone);
        check("TagLimitExceeded", 400, 1, Fate::DeadLetter);
        check("CustomerKeyHasBeenRevoked", 400, 1, Fate::Refused);
        check("KMS.DisabledException", 400, 1, Fate::Refused);
        check("SnapshotLimitExceeded", 400, 1, Fate::Refused);
        check("UnauthorizedOperation", 403, 1, Fate::Refused);
        check("InvalidParameterValue", 400, 1, Fate::DeadLetter);
        check("ConcurrentTagAccess", 400, 1, Fate::Retry(seconds(15)));
        check("ConcurrentTagAccess", 400, 3, Fate::Retry(seconds(60)));
        check("ConcurrentTagAccess", 400, 5, Fate::DeadLetter);
        check("InternalError", 500, 1, Fate::Retry(seconds(15)));
        check("InternalError", 500, 5, Fate::DeadLetter);
        check("NoAnswer", 200, 2, Fate::Retry(seconds(30)));
        check("SomethingNew", 400, 1, Fate::Retry(seconds(15)));
        check("SomethingNew", 503, 4, Fate::Retry(seconds(120)));
    }

    fn check_undeleted(code: &str, status: u16, message: &str, expected: Option<&str>) {
        let error = ApiError { message: message.into(), ..error(code, status) };
        let found = undeleted(&error).map(|undeleted| match undeleted {
            Undeleted::Gone => "gone".into(),
            Undeleted::Held(hold) => hold.to_string(),
        });
        let expected = expected.map(|word| match word {
            "held" => format!("EC2 does not delete it: {code}: {message}"),
            word => word.into(),
        });
        assert_eq!(found, expected, "{code}: {message}");
    }

    #[test]
    fn what_ec2_does_not_delete_is_told_apart_from_a_call_that_failed() {
        check_undeleted("InvalidSnapshot.NotFound", 400, "The snapshot 'snap-1' does not exist.", Some("gone"));
        check_undeleted("InvalidSnapshot.InUse", 400, "currently in use by ami-1", Some("held"));
        check_undeleted(
            "InvalidSnapshot.InUse",
            400,
            "currently enabled for fast restores in eu-west-1b",
            Some("held"),
        );
        check_undeleted("OperationNotPermitted", 400, "the snapshot is locked", Some("held"));
        check_undeleted("SnapshotLockedForAWhile", 409, "no", Some("held"));
        check_undeleted("InvalidParameterValue", 400, "managed by the AWS Backup service", Some("held"));
        check_undeleted("InvalidParameterValue", 400, "Value (x) for parameter snapshotId is invalid", None);
        check_undeleted("UnauthorizedOperation", 403, "an explicit deny, locked down", None);
        check_undeleted("IncorrectState", 400, "its tier is being changed", Some("held"));
        check_undeleted("RequestLimitExceeded", 503, "Request limit exceeded.", None);
        check_undeleted("InternalError", 500, "the lock could not be read", None);
    }

    #[test]
    fn a_list_that_is_not_to_be_had_is_warned_of_and_one_that_failed_stops_the_run() {
        let warnings = without_lists(vec![error("UnauthorizedOperation", 403), error("Http501", 501)]).unwrap();
        assert!(warnings.len() == 2 && warnings[0].contains("left to EC2"), "{warnings:?}");
        let failed = without_lists(vec![error("UnauthorizedOperation", 403), error("InternalError", 500)]);
        assert_eq!(failed.unwrap_err().code, "InternalError");
        assert_eq!(without_lists(vec![error("RequestLimitExceeded", 503)]).unwrap_err().code, "RequestLimitExceeded");
        assert_eq!(without_lists(vec![error("Http503", 503)]).unwrap_err().code, "Http503");
    }

    #[test]
    fn what_may_have_been_executed_is_not_asked_for_again_before_ec2_has_settled() {
        let fate = fate(&error("InternalError", 500), 1, &PATIENCE, 0.0);
        assert_eq!(fate, Fate::Retry(PATIENCE.settle));
    }

    #[test]
    fn no_wait_is_longer_than_the_cap() {
        let patience = Patience { max_attempts: u32::MAX, ..PATIENCE };
        for attempt in [1, 6, 40, u32::MAX - 1] {
            let Fate::Retry(wait) = fate(&error("InternalError", 500), attempt, &patience, 1.0) else { panic!() };
            assert!(wait <= PATIENCE.cap, "attempt {attempt} waits {wait}");
        }
    }
}
