//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> and `GetCallerIdentity`.

use chrono::TimeDelta;
use serde::Serialize;

use super::iso;
use crate::answer::{Refusal, xml};
use crate::query::Call;
use crate::world::World;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<T> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "GetCallerIdentityResult", skip_serializing_if = "Option::is_none")]
    identity: Option<T>,
    #[serde(rename = "AssumeRoleResult", skip_serializing_if = "Option::is_none")]
    role: Option<AssumedRole>,
    response_metadata: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    arn: String,
    user_id: String,
    account: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRole {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: &'static str,
    session_token: &'static str,
    expiration: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

pub(super) fn get_caller_identity(call: &Call, request_id: &str) -> Result<String, Refusal> {
    let identity = Identity {
        arn: format!("arn:aws:iam::{}:root", call.account),
        user_id: call.account.clone(),
        account: call.account.clone(),
    };
    answer("GetCallerIdentity", request_id, Some(identity), None)
}

/// Any role of any account can be assumed: this simulator has no IAM. The credentials' key names the account.
pub(super) fn assume_role(world: &World, call: &Call, request_id: &str) -> Result<String, Refusal> {
    let (role, session) = (call.params.required("RoleArn")?, call.params.required("RoleSessionName")?);
    let parts: Vec<&str> = role.split(':').collect();
    let ["arn", partition, "iam", "", account, name] = parts[..] else {
        return Err(Refusal::client("ValidationError", format!("{role} is invalid")));
    };
    let name = name.rsplit('/').next().unwrap_or_default();
    let role = AssumedRole {
        credentials: Credentials {
            access_key_id: format!("ASIA{account}ROLE"),
            secret_access_key: "simulator",
            session_token: "simulator",
            expiration: iso(world.clock.now() + TimeDelta::hours(1)),
        },
        assumed_role_user: AssumedRoleUser {
            assumed_role_id: format!("AROA{account}:{session}"),
            arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"),
        },
    };
    answer("AssumeRole", request_id, None, Some(role))
}

fn answer(
    action: &str,
    request_id: &str,
    identity: Option<Identity>,
    role: Option<AssumedRole>,
) -> Result<String, Refusal> {
    let response_metadata = Metadata { request_id: request_id.into() };
    let answer = Answer { xmlns: "https://sts.amazonaws.com/doc/2011-06-15/", identity, role, response_metadata };
    xml(&format!("{action}Response"), &answer)
}
