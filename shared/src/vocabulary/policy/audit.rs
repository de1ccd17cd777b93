//! What a schedule that audits says.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::fields::Fields;
use super::{Input, Policy};
use crate::vocabulary::problem::Problem;

/// A policy whose action is `audit`: the policy that it proves, and how old the newest backup may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The policy that is proved. Its slot is the audit's own scheduled time.
    pub policy: Policy,
    /// How old the newest completed snapshot of a volume may be: the recovery point objective.
    pub rpo: TimeDelta,
    /// Whether volumes that no policy selects are told of. Of several audits of the same places, one is enough.
    pub tells_unselected: bool,
}

const RPO: &str = "minutes, hours or days such as `90m`, `26h`, `8d`; 30 minutes to 400 days";

impl Audit {
    /// Of a daily policy, a day and two hours for the run itself: for whoever only looks. A schedule that audits has to say
    /// its RPO, for it takes what is missing. It does not know how often its policy runs, and a guess that is too short
    /// would make daily snapshots of a weekly policy, which push the weekly ones out of a rule that counts.
    pub const DEFAULT_RPO: TimeDelta = TimeDelta::hours(26);
    /// Of a policy whose rule keeps hourly snapshots: two slots and the run itself.
    pub const DEFAULT_RPO_OF_HOURLY: TimeDelta = TimeDelta::minutes(150);

    /// Reads the input of a schedule that audits.
    pub fn parse(event: &Value, now: DateTime<Utc>) -> Result<Self, Problem> {
        match Input::parse(event, now)? {
            Input::Audit(audit) => Ok(audit),
            Input::Snapshot(_) => Err(Problem::value("action", &"snapshot", "\"audit\"")),
            Input::Prune(_) => Err(Problem::value("action", &"prune", "\"audit\"")),
        }
    }

    /// The audit of a policy that takes snapshots, for whoever only looks.
    pub fn of(policy: Policy) -> Self {
        let rpo = if policy.keeps_hourly() { Self::DEFAULT_RPO_OF_HOURLY } else { Self::DEFAULT_RPO };
        Self { policy, rpo, tells_unselected: true }
    }

    pub(super) fn of_fields(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        let rpo = fields.span("rpo", TimeDelta::minutes(30)..=TimeDelta::days(400), RPO)?;
        let rpo = rpo.ok_or_else(|| Problem::missing(&fields.path("rpo"), RPO));
        let tells_unselected = fields.flag("unselected")?;
        let policy = match fields.has("SnapshotKeyWord") {
            true => {
                drop(fields.take("action"));
                Policy::of_keyword(fields, now)
            }
            false => Policy::of_policy(fields, now),
        };
        // An unknown field or a wrong action is the better thing to say of what has no RPO.
        Ok(Self { policy: policy?, rpo: rpo?, tells_unselected: tells_unselected.unwrap_or(true) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: Value) -> Result<Audit, Problem> {
        let mut event =
            json!({"action": "audit", "policy": "daily", "select": {"tags": {}}, "retain": "7d", "rpo": "26h"});
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Audit::parse(&event, "2026-11-20T06:00:30Z".parse().unwrap())
    }

    #[test]
    fn an_audit_is_a_policy_and_how_old_its_newest_backup_may_be() {
        let audit = read(json!({"rpo": "8d", "regions": ["eu-central-1"], "unselected": false})).unwrap();
        assert_eq!((audit.rpo, audit.tells_unselected), (TimeDelta::days(8), false));
        assert_eq!(
            (audit.policy.name.as_str(), audit.policy.slot.to_string().as_str()),
            ("daily", "2026-11-20T06:00:00Z")
        );
    }

    #[test]
    fn who_only_looks_need_not_say_an_rpo() {
        let of = |retain: &str| {
            let event = json!({"action": "snapshot", "policy": "daily", "select": {"tags": {}}, "retain": retain});
            Audit::of(Policy::parse(&event, DateTime::UNIX_EPOCH).unwrap()).rpo
        };
        assert_eq!((of("7d"), of("hourly=24")), (TimeDelta::hours(26), TimeDelta::minutes(150)));
        let mut event = json!({"action": "audit", "policy": "daily", "select": {"tags": {}}, "retain": "7d"});
        let problem = Audit::parse(&event, DateTime::UNIX_EPOCH).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.to_string().contains("is missing")), ("rpo", true), "{problem}");
        event["rop"] = json!("26h");
        assert_eq!(Audit::parse(&event, DateTime::UNIX_EPOCH).unwrap_err().field, "rop");
    }

    #[test]
    fn a_keyword_can_be_audited() {
        let event = json!({"action": "audit", "SnapshotKeyWord": "SnapshotDaily", "rpo": "26h"});
        let audit = Audit::parse(&event, "2026-11-20T06:00:30Z".parse().unwrap()).unwrap();
        assert_eq!(audit.policy.name, "SnapshotDaily");
    }

    fn check_refused(changes: Value, field: &str, allowed: &str) {
        let problem = read(changes.clone()).expect_err(&format!("{changes} was taken"));
        assert_eq!(problem.field, field, "{problem}");
        assert!(problem.to_string().contains(allowed), "{problem}");
    }

    #[test]
    fn a_bad_audit_is_refused_by_its_field_with_what_is_allowed() {
        check_refused(json!({"rpo": "29m"}), "rpo", "30 minutes to 400 days");
        check_refused(json!({"rpo": "401d"}), "rpo", "30 minutes to 400 days");
        check_refused(json!({"rpo": "26"}), "rpo", "`26h`");
        check_refused(json!({"rpo": 26}), "rpo", "`26h`");
        check_refused(json!({"rpo": "-1h"}), "rpo", "`26h`");
        check_refused(json!({"unselected": "no"}), "unselected", "true or false");
        check_refused(json!({"cap": {}}), "cap", "rpo, unselected");
        check_refused(json!({"action": "proof"}), "action", "\"audit\"");
        check_refused(json!({"action": "snapshot", "rpo": "26h"}), "rpo", "not a known field");
    }

    #[test]
    fn a_policy_that_audits_is_none_that_takes_snapshots() {
        let event = json!({"action": "audit", "policy": "daily", "select": {"tags": {}}, "retain": "7d"});
        let problem = Policy::parse(&event, DateTime::UNIX_EPOCH).unwrap_err();
        assert!(problem.to_string().contains("snapkeep coverage"), "{problem}");
    }
}
