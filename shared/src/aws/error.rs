//! SDK errors into ours. The SDK does not model EC2's errors, so that the code is all there is to go by.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::vocabulary::api_error::{ApiError, NO_ANSWER, NOT_SENT};

/// `error`, which `operation` ran into.
pub(super) fn api_error<E>(operation: &str, error: SdkError<E, HttpResponse>) -> ApiError
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let request_id = match &error {
        SdkError::ServiceError(answer) => answer.err().request_id().map(String::from),
        _ => None,
    };
    let (code, message) = match &error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().filter(|code| !code.is_empty()).map(String::from);
            let message = answer.err().message().unwrap_or("no message").into();
            (code.unwrap_or_else(|| format!("Http{}", status.unwrap_or_default())), message)
        }
        _ if find::<CredentialsError>(&error).is_some() => (refusal(&error).unwrap_or(NOT_SENT.into()), chain(&error)),
        SdkError::ConstructionFailure(_) => (NOT_SENT.into(), chain(&error)),
        // A connection that was cut, refused or silent: which of them, one cannot rely on.
        _ => (NO_ANSWER.into(), chain(&error)),
    };
    ApiError { operation: operation.into(), code, message, status, request_id }
}

/// `error`, which stood in the way of credentials for `operation`.
pub(super) fn credentials_error(operation: &str, error: &(dyn Error + Send + Sync + 'static)) -> ApiError {
    ApiError {
        operation: operation.into(),
        code: refusal(error).unwrap_or(NOT_SENT.into()),
        message: chain(error),
        status: None,
        request_id: None,
    }
}

/// The code with which STS refused a role.
fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    find::<AssumeRoleError>(error)?.code().map(String::from)
}

/// The first error of a kind in the chain of causes.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The causes, outermost first, each once: some errors repeat their source's words in their own.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
