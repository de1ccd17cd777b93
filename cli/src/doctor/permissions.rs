//! Permissions that are missing: of calls that were made, and of those that were only asked about.

use std::collections::BTreeMap;

use shared::aws::ec2::Allowed;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::policy::Role;
use shared::vocabulary::problem::shortened;

use super::finding::{Finding, Severity};
use super::seen::Seen;
use super::words::Sample;
use crate::table::plain;

/// AWS's words for a missing permission.
const REFUSED: [&str; 4] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError"];

/// The findings, and what could not be looked at for another reason.
pub(crate) fn check(seen: &[Seen], roles: &[(Role, ApiError)]) -> (Vec<Finding>, Vec<String>) {
    let (mut missing, mut unseen) = (BTreeMap::<(&str, &str), (Sample, &ApiError)>::new(), Vec::new());
    for seen in seen {
        let account = seen.place.account.as_str();
        let asked = seen.asked.iter().filter_map(|asked| match &asked.answer {
            Allowed::Yes => None,
            Allowed::No(error) | Allowed::Unknown(error) => Some((asked.action, error)),
        });
        for (action, error) in seen.errors.iter().map(|(action, error)| (*action, error)).chain(asked) {
            match is_refusal(error) {
                true => {
                    missing.entry((account, action)).or_insert((Sample::default(), error)).0.add(&seen.place.region)
                }
                false => unseen.push(format!("{}: {}", seen.name(), plain(&error.to_string()))),
            }
        }
    }
    let mut findings: Vec<Finding> = roles.iter().filter(|(_, error)| is_refusal(error)).map(role_refused).collect();
    unseen.extend(roles.iter().filter(|(_, error)| !is_refusal(error)).map(|(_, error)| plain(&error.to_string())));
    findings.extend(missing.into_iter().map(|((account, action), (regions, error))| {
        let what = format!("{action} is not allowed");
        let why = if action.contains("Describe") {
            "Nobody knows what is there: no verdict, and no backup"
        } else if action.contains("Delete") {
            "Nothing that expires can be deleted"
        } else {
            "No snapshot can be taken: the lane is held"
        };
        Finding {
            severity: Severity::Error,
            check: "permissions",
            what,
            at: format!("{account} {}", regions.names()),
            why: format!("{why}. {}", said(error)),
            advice: "allow it as README does, \"A first real run\"; in a further account deploy infra/member-role.yaml"
                .into(),
        }
    }));
    (findings, unseen)
}

/// Whether some call was refused, so that somebody answers.
pub(crate) fn any_refused(seen: &[Seen]) -> bool {
    seen.iter().flat_map(|seen| &seen.errors).any(|(_, error)| is_refusal(error))
}

fn is_refusal(error: &ApiError) -> bool {
    REFUSED.contains(&error.code.as_str())
}

fn role_refused((role, error): &(Role, ApiError)) -> Finding {
    let advice = match role.external_id {
        Some(_) => {
            "compare the role's trust policy with infra/member-role.yaml: who may assume it, and the external id"
        }
        None => "compare the role's trust policy with infra/member-role.yaml; the policy names no `external_id`",
    };
    Finding {
        severity: Severity::Error,
        check: "permissions",
        what: format!("{} may not be assumed", plain(&role.arn)),
        at: format!("account {}", role.account()),
        why: format!("No volume of that account is backed up. {}", said(error)),
        advice: advice.into(),
    }
}

fn said(error: &ApiError) -> String {
    // EC2 adds an encoded message of hundreds of characters.
    let message = error.message.split("Encoded authorization failure").next().unwrap_or_default().trim();
    format!("AWS says: {}: {}", error.code, shortened(&plain(message), 160))
}
