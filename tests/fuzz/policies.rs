//! Inputs of a schedule.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::Value;
use shared::vocabulary::policy::{Input as Policy, Retention};
use shared::vocabulary::retain::RetainRule;

use crate::mutation::{Input, mutated};
use crate::{Least, Reached, check_refusal, fuzz};

/// A policy with all its fields, the keyword event, one that prunes and adopts, and an event of EventBridge.
pub(crate) const POLICIES: [&str; 5] = [
    r#"{"action":"snapshot","policy":"daily","select":{"resource":"volume","tags":{"Backup":["true","yes"]},
        "exclude_tags":{"Skip":[]},"exclude_boot_volumes":true,"state":"in-use"},"retain":"daily=7 weekly=4 yearly=all",
        "regions":["eu-central-1","us-east-1"],"accounts":["self","arn:aws:iam::123456789012:role/snapkeep",
        {"role":"arn:aws:iam::210987654321:role/backup/snapkeep","external_id":"x-1"}],"time_zone":"Europe/Zurich",
        "copy_tags":true,"tags":{"Interval":"Daily","Type":"Automated"},"dry_run":false,"give_up_after":"23h",
        "scheduled_time":"2026-11-20T02:00:00Z"}"#,
    r#"{"SnapshotKeyWord":"SnapshotDaily","regions":"all","dry_run":true,"time":"2026-11-20T02:00:00Z"}"#,
    r#"{"action":"prune","regions":"all","accounts":["self"],"cap":{"count":100,"percent":20},"orphans":"90d",
        "dry_run":false,"scheduled_time":"<aws.scheduler.scheduled-time>","adopt":[{"tags":{"Type":["Automated"]},
        "policy":"nightly","retain":"7d","time_zone":"UTC"},{"SnapshotKeyWord":"SnapshotDaily"}]}"#,
    r#"{"action":"audit","policy":"daily","select":{"tags":{"Backup":["true"]},"exclude_tags":{"Skip":[]}},"retain":"7d",
        "rpo":"26h","unselected":false,"regions":"all","scheduled_time":"2026-11-20T06:00:00Z"}"#,
    r#"{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"Backup","source":"ops",
        "account":"123456789012","time":"2026-11-19T05:00:00Z","region":"us-east-1","resources":[],
        "detail":{"action":"snapshot","policy":"daily","select":{"tags":{"Backup":"true"}},"retain":7}}"#,
];

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-20T02:00:42Z".parse().unwrap()
}

#[test]
fn a_policy_is_read_whole_or_refused_by_its_field() {
    let policies = POLICIES.map(String::from).to_vec();
    fuzz("policies", &mutated(policies), Least { inside: 60, the_end: 18 }, |input| check(&input));
}

fn check(Input(bytes): &Input) -> Result<Reached, TestCaseError> {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return Ok(Reached::Nothing) };
    match Policy::parse(&event, now()) {
        Ok(Policy::Snapshot(policy)) => {
            check_name(&policy.name)?;
            prop_assert!(!policy.accounts.is_empty() && policy.tags.len() <= 35);
            prop_assert!(policy.slot.to_string().parse() == Ok(policy.slot), "{}", policy.slot);
            prop_assert!(policy.give_up_at > now() && policy.slot.time() <= now() + TimeDelta::days(1));
            if let Retention::Rule(rule) = &policy.retain {
                check_rule(rule)?;
            }
            Ok(Reached::TheEnd)
        }
        Ok(Policy::Prune(prune)) => {
            prop_assert!(!prune.accounts.is_empty() && prune.slot.to_string().parse() == Ok(prune.slot));
            prop_assert!(prune.cap.most(0) <= 1_000_000);
            prop_assert_eq!(prune.orphans.to_string().parse(), Ok(prune.orphans));
            for adoption in &prune.adopt {
                check_name(&adoption.policy)?;
                prop_assert!(!adoption.tags.0.is_empty(), "it would adopt every snapshot");
                adoption.retain.as_ref().map_or(Ok(()), check_rule)?;
            }
            Ok(Reached::TheEnd)
        }
        Ok(Policy::Audit(audit)) => {
            check_name(&audit.policy.name)?;
            prop_assert!((TimeDelta::minutes(30)..=TimeDelta::days(400)).contains(&audit.rpo), "{}", audit.rpo);
            prop_assert!(audit.policy.give_up_at > now());
            Ok(Reached::TheEnd)
        }
        Err(problem) => {
            check_refusal(&problem)?;
            Ok(if event.is_object() { Reached::Inside } else { Reached::Nothing })
        }
    }
}

/// The name is a tag's key and value.
fn check_name(name: &str) -> Result<(), TestCaseError> {
    let lower = name.to_lowercase();
    prop_assert!(!lower.starts_with("aws:") && !lower.starts_with("snapkeep:") && !name.contains('\n'));
    prop_assert!((1..=127).contains(&name.chars().count()), "{name:?}");
    Ok(())
}

fn check_rule(rule: &RetainRule) -> Result<(), TestCaseError> {
    prop_assert_eq!(rule.to_string().parse(), Ok(rule.clone()));
    Ok(())
}
