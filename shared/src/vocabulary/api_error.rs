//! A call to AWS that did not give what was asked for.

/// A call to AWS that failed, with everything that decides its fate. The AWS code is never lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not {operation}: {code}: {message}")]
pub struct ApiError {
    /// What was tried, on what and where: `create a snapshot of vol-0abc in eu-west-1`.
    pub operation: String,
    /// AWS's error code, such as `SnapshotLimitExceeded`; [`NO_ANSWER`] or [`NOT_SENT`] for a call without an
    /// answer; `Http503` for an answer without a code.
    pub code: String,
    /// AWS's message, or the transport's.
    pub message: String,
    /// The HTTP status of the answer, where there was one.
    pub status: Option<u16>,
    /// AWS's request id, to give to AWS Support.
    pub request_id: Option<String>,
}

/// The code of a call that got no answer, or one that could not be read: it may have been executed.
pub const NO_ANSWER: &str = "NoAnswer";
/// The code of a call that was never sent: no credentials, no endpoint.
pub const NOT_SENT: &str = "NotSent";
