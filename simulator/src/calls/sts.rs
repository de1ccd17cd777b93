//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> and `GetCallerIdentity`.

use chrono::TimeDelta;

use super::Answer;
use crate::answer::{Refusal, Xml};
use crate::query::Call;
use crate::text::text;
use crate::world::{Session, World};

pub(super) fn get_caller_identity(call: &Call) -> Answer {
    let mut xml = Xml::default();
    xml.within("GetCallerIdentityResult", |xml| {
        xml.text("Arn", &call.caller).text("UserId", &call.account).text("Account", &call.account);
    });
    Ok(xml)
}

/// Any role of any account can be assumed: this simulator has no IAM. It remembers whose credentials it gave.
pub(super) fn assume_role(world: &World, call: &Call) -> Answer {
    let (role, session) = (call.params.required("RoleArn")?, call.params.required("RoleSessionName")?);
    let parts: Vec<&str> = role.split(':').collect();
    let ["arn", partition, "iam", "", account, path] = parts[..] else {
        return Err(Refusal::client("ValidationError", format!("{role} is invalid")));
    };
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::client("ValidationError", format!("{role} is invalid")));
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let arn = text(&format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}"));
    let key = world.add_session(Session { arn: arn.clone(), role: text(role), account: text(account) });
    let mut xml = Xml::default();
    xml.within("AssumeRoleResult", |xml| {
        xml.within("Credentials", |xml| {
            xml.text("AccessKeyId", &key).text("SecretAccessKey", "simulator").text("SessionToken", "simulator");
            xml.time("Expiration", call.now + TimeDelta::hours(1));
        });
        xml.within("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", &format!("AROA{account}:{session}")).text("Arn", &arn);
        });
    });
    Ok(xml)
}
