//! Reading a policy: whole, or refused with the field, the value and what is allowed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::fields::{Fields, retain_rule, tag_match};
use super::{Audit, Input, Policy, Prune, Retention};
use crate::vocabulary::job::GIVE_UP_AFTER;
use crate::vocabulary::problem::Problem;
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::selection::{AttachmentState, Resource, Selection, TagMatch};
use crate::vocabulary::slot::Slot;

const POLICY: &str = "action, policy, select, retain, regions, accounts, time_zone, copy_tags, tags, dry_run, \
     give_up_after, scheduled_time, time; or SnapshotKeyWord, regions, accounts, dry_run, scheduled_time, time";
const AUDIT: &str = "action, policy, select, retain, rpo, unselected, regions, accounts, time_zone, copy_tags, tags, dry_run, \
     give_up_after, scheduled_time, time; or SnapshotKeyWord, rpo, unselected, regions, accounts, dry_run, scheduled_time, time";
const SELECT: &str = r#"an object such as {"tags": {"Backup": ["true"]}}"#;
const OBJECT: &str = "a policy, a JSON object such as {\"action\": \"snapshot\", …}";
const ACTION: &str = "\"snapshot\", \"prune\" or \"audit\"";

impl Input {
    /// Reads the input of a schedule: a policy, the keyword event `{"SnapshotKeyWord": "SnapshotDaily"}`, or an
    /// EventBridge event whose `detail` is one of the two.
    pub fn parse(event: &Value, now: DateTime<Utc>) -> Result<Self, Problem> {
        let mut fields = Fields::of("", event, OBJECT)?;
        let is_envelope = fields.has("detail-type");
        let time = is_envelope.then(|| fields.take("time")).flatten();
        if let Some(detail) = fields.take("detail").filter(|_| is_envelope) {
            fields = Fields::of("detail.", &detail, OBJECT)?;
        }
        fields.set_default("time", time);
        match fields.has("SnapshotKeyWord") {
            _ if fields.is("action", "audit") => Audit::of_fields(fields, now).map(Self::Audit),
            true => Policy::of_keyword(fields, now).map(Self::Snapshot),
            false if fields.is("action", "prune") => Prune::of_fields(fields, now).map(Self::Prune),
            false => Policy::of_policy(fields, now).map(Self::Snapshot),
        }
    }
}

impl Policy {
    /// Reads the input of a schedule that takes snapshots.
    pub fn parse(event: &Value, now: DateTime<Utc>) -> Result<Self, Problem> {
        match Input::parse(event, now)? {
            Input::Snapshot(policy) => Ok(policy),
            Input::Prune(_) => Err(Problem::value("action", &"prune", "\"snapshot\"; to prune: snapkeep prune")),
            Input::Audit(_) => Err(Problem::value("action", &"audit", "\"snapshot\"; to audit: snapkeep coverage")),
        }
    }

    /// A policy that takes snapshots, or one that audits what such a policy has taken: they say the same.
    pub(super) fn of_policy(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        let is_audit = fields.is("action", "audit");
        fields.only(
            if is_audit { AUDIT } else { POLICY },
            &["action", "policy", "select", "retain", "time_zone", "copy_tags", "tags", "give_up_after"],
        )?;
        match fields.required("action", ACTION)? {
            Value::String(action) if action == "snapshot" || is_audit => {}
            other => return Err(fields.refused("action", &other, ACTION)),
        }
        let select = fields.required("select", SELECT)?;
        let retain = fields.required("retain", retain::ALLOWED)?;
        let name = fields.name("policy")?;
        let select = selection(&fields.path("select"), &select)?;
        let retain = retain_rule(&fields.path("retain"), &retain)?;
        let give_up_after = fields.give_up_after()?.unwrap_or_else(|| before_the_next_slot(&retain));
        let slot = fields.slot(now)?;
        Ok(Self {
            name,
            select,
            retain: Retention::Rule(retain),
            regions: fields.regions()?,
            accounts: fields.accounts()?,
            time_zone: fields.time_zone()?,
            copy_tags: fields.flag("copy_tags")?.unwrap_or(true),
            tags: fields.snapshot_tags()?,
            dry_run: fields.flag("dry_run")?.unwrap_or(false),
            slot,
            planned: now,
            give_up_after,
            give_up_at: slot.deadline(give_up_after, now),
        })
    }

    /// The same policy for another slot, planned at `now`.
    #[must_use]
    pub fn of_slot(&self, slot: Slot, now: DateTime<Utc>) -> Self {
        Self { slot, planned: now, give_up_at: slot.deadline(self.give_up_after, now), ..self.clone() }
    }

    /// Whether its rule keeps hourly snapshots, so that it is taken for an hourly one.
    pub fn keeps_hourly(&self) -> bool {
        matches!(&self.retain, Retention::Rule(rule) if rule.keeps_hourly())
    }

    /// The event of the oldest way of doing this: the keyword is the policy's name, the tag that selects
    /// instances, and the tag whose value says how many snapshots to keep.
    pub(super) fn of_keyword(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        fields.only("SnapshotKeyWord, regions, accounts, dry_run, scheduled_time, time", &["SnapshotKeyWord"])?;
        let keyword = fields.name("SnapshotKeyWord")?;
        let slot = fields.slot(now)?;
        Ok(Self {
            select: Selection {
                resource: Resource::Instance,
                tags: TagMatch([(keyword.clone(), vec![])].into()),
                exclude_tags: TagMatch::default(),
                exclude_boot_volumes: false,
            },
            retain: Retention::CountInTag(keyword.clone()),
            name: keyword,
            regions: fields.regions()?,
            accounts: fields.accounts()?,
            time_zone: Tz::UTC,
            copy_tags: true,
            tags: BTreeMap::new(),
            dry_run: fields.flag("dry_run")?.unwrap_or(false),
            slot,
            planned: now,
            give_up_after: GIVE_UP_AFTER,
            give_up_at: slot.deadline(GIVE_UP_AFTER, now),
        })
    }
}

/// A schedule does not tell its policy when it comes again. A rule that keeps hourly snapshots is of an hourly one; any
/// other is taken for a daily one.
fn before_the_next_slot(retain: &RetainRule) -> TimeDelta {
    match retain.keeps_hourly() {
        true => TimeDelta::minutes(55),
        false => GIVE_UP_AFTER,
    }
}

fn selection(path: &str, value: &Value) -> Result<Selection, Problem> {
    let mut fields = Fields::of(&format!("{path}."), value, SELECT)?;
    const NAMES: [&str; 5] = ["resource", "tags", "exclude_tags", "exclude_boot_volumes", "state"];
    fields.none_but(&NAMES.join(", "), &NAMES)?;
    let state = fields.take("state");
    let resource = match fields.take("resource") {
        None => Resource::Instance,
        Some(Value::String(word)) if word == "instance" => Resource::Instance,
        Some(Value::String(word)) if word == "volume" => Resource::Volume(AttachmentState::Any),
        Some(other) => return Err(fields.refused("resource", &other, "\"instance\" or \"volume\"")),
    };
    let tags =
        fields.required("tags", r#"an object such as {"Backup": ["true"]}; {} selects all, and must be said"#)?;
    Ok(Selection {
        resource: with_state(&fields, resource, state)?,
        tags: tag_match(&fields.path("tags"), &tags)?,
        exclude_tags: match fields.take("exclude_tags") {
            None => TagMatch::default(),
            Some(tags) => tag_match(&fields.path("exclude_tags"), &tags)?,
        },
        exclude_boot_volumes: fields.flag("exclude_boot_volumes")?.unwrap_or(false),
    })
}

fn with_state(fields: &Fields, resource: Resource, state: Option<Value>) -> Result<Resource, Problem> {
    const ALLOWED: &str = "\"in-use\" or \"available\", and only with \"resource\": \"volume\"";
    match (resource, state) {
        (resource, None) => Ok(resource),
        (Resource::Volume(_), Some(Value::String(word))) if word == "in-use" => {
            Ok(Resource::Volume(AttachmentState::InUse))
        }
        (Resource::Volume(_), Some(Value::String(word))) if word == "available" => {
            Ok(Resource::Volume(AttachmentState::Available))
        }
        (_, Some(other)) => Err(fields.refused("state", &other, ALLOWED)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::SCHEDULED_TIME;
    use super::super::{Account, Regions};
    use super::*;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        "2026-11-20T02:00:42Z".parse().unwrap()
    }

    #[test]
    fn a_run_gives_up_before_its_next_slot_unless_the_policy_says_when() {
        let give_up_at = |field: &str, value: Value| {
            let mut event = full();
            event[field] = value;
            event["scheduled_time"] = json!("2026-11-20T02:00:00Z");
            Policy::parse(&event, now()).unwrap().give_up_at.to_rfc3339()
        };
        assert_eq!(give_up_at("retain", json!("7d")), "2026-11-21T01:00:00+00:00");
        assert_eq!(give_up_at("retain", json!("hourly=24 daily=7")), "2026-11-20T02:55:00+00:00");
        assert_eq!(give_up_at("give_up_after", json!("90m")), "2026-11-20T03:30:00+00:00");
    }

    fn full() -> Value {
        json!({
            "action": "snapshot", "policy": "daily",
            "select": {"tags": {"Backup": ["true"]}},
            "retain": "7d", "regions": ["eu-central-1", "us-east-1"], "time_zone": "Europe/Zurich",
            "copy_tags": true, "tags": {"Interval": "Daily"}, "dry_run": false,
            "scheduled_time": "2026-11-20T02:00:00Z"
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut policy = full();
        policy[name] = value;
        policy
    }

    #[test]
    fn the_policy_of_the_manual_is_read() {
        let policy = Policy::parse(&full(), now()).unwrap();
        assert_eq!(policy.name, "daily");
        assert_eq!(policy.slot.to_string(), "2026-11-20T02:00:00Z");
        assert_eq!(policy.time_zone, Tz::Europe__Zurich);
        assert_eq!(policy.accounts, [Account::Own]);
        assert_eq!(policy.retain, Retention::Rule("7d".parse().unwrap()));
    }

    #[test]
    fn the_keyword_event_is_a_policy_that_counts_by_the_tags_value() {
        let policy = Policy::parse(&json!({"SnapshotKeyWord": "SnapshotDaily"}), now()).unwrap();
        assert_eq!(policy.name, "SnapshotDaily");
        assert_eq!(policy.retain, Retention::CountInTag("SnapshotDaily".into()));
        assert!(policy.select.tags.all(&[("SnapshotDaily".into(), "3".into())].into()));
        assert!(!policy.select.tags.all(&[("SnapshotHourly".into(), "3".into())].into()));
        assert_eq!(policy.slot.to_string(), "2026-11-20T02:00:00Z", "now, cut to the minute");
    }

    #[test]
    fn the_slot_is_the_scheduled_time_or_the_events_or_now() {
        let slot = |event: &Value| Policy::parse(event, now()).unwrap().slot.to_string();
        let mut policy = full();
        policy["time"] = json!("2026-11-19T01:00:00Z");
        assert_eq!(slot(&policy), "2026-11-20T02:00:00Z");
        policy["scheduled_time"] = json!(SCHEDULED_TIME);
        assert_eq!(slot(&policy), "2026-11-19T01:00:00Z");
        policy.as_object_mut().unwrap().remove("time");
        assert_eq!(slot(&policy), "2026-11-20T02:00:00Z");
    }

    #[test]
    fn a_policy_may_come_as_the_detail_of_an_event() {
        let mut detail = full();
        detail.as_object_mut().unwrap().remove("scheduled_time");
        let event = json!({"detail-type": "Backup", "source": "ops", "time": "2026-11-19T05:00:00Z", "detail": detail});
        assert_eq!(Policy::parse(&event, now()).unwrap().slot.to_string(), "2026-11-19T05:00:00Z");
        let event = json!({"detail-type": "Backup", "detail": {"action": "snapshot", "polcy": "x"}});
        assert_eq!(Policy::parse(&event, now()).unwrap_err().field, "detail.polcy");
    }

    #[test]
    fn accounts_are_roles_with_or_without_an_external_id() {
        let arn = "arn:aws:iam::210987654321:role/backup/snapkeep";
        let policy = with("accounts", json!(["self", {"role": arn, "external_id": "x-1"}]));
        let accounts = Policy::parse(&policy, now()).unwrap().accounts;
        let Account::Assumed(role) = &accounts[1] else { panic!("{accounts:?}") };
        assert_eq!((role.account(), role.external_id.as_deref()), ("210987654321", Some("x-1")));
    }

    fn check(event: Value, field: &str, allowed: &str) {
        let problem = Policy::parse(&event, now()).expect_err(&format!("{event} was taken"));
        assert_eq!(problem.field, field, "{event}: {problem}");
        assert!(problem.to_string().contains(allowed), "{event}: {problem}");
    }

    #[test]
    fn a_bad_policy_is_refused_by_its_field_with_what_is_allowed() {
        check(json!(null), "policy", "JSON object");
        check(json!([]), "policy", "JSON object");
        check(json!("daily"), "policy", "JSON object");
        check(json!({}), "action", "is missing; allowed: \"snapshot\"");
        check(with("action", json!("backup")), "action", "is \"backup\"; allowed: \"snapshot\"");
        check(with("action", json!("audit")), "action", "not built yet");
        check(with("action", json!(1)), "action", "is 1;");
        check(with("polcy", json!("daily")), "polcy", "allowed: action, policy");
        check(with("policy", json!("")), "policy", "1 to 127");
        check(with("policy", json!("a\nb")), "policy", "control character");
        check(with("policy", json!(" daily")), "policy", "no space");
        check(with("policy", json!("aws:daily")), "policy", "aws:");
        check(with("policy", json!("x".repeat(128))), "policy", "1 to 127");
        check(with("select", json!({})), "select.tags", "must be said");
        check(with("select", json!("Backup=true")), "select", "object such as");
        check(with("select", json!({"tags": ["Backup"]})), "select.tags", "object such as");
        check(with("select", json!({"tags": {"Backup": true}})), "select.tags.Backup", "list of values");
        check(with("select", json!({"tags": {"Backup": [true]}})), "select.tags.Backup", "is [true]");
        check(with("select", json!({"tags": {"": ["x"]}})), "select.tags", "1 to 128");
        check(with("select", json!({"tag": {}})), "select.tag", "exclude_tags");
        check(with("select", json!({"tags": {}, "resource": "ami"})), "select.resource", "\"volume\"");
        check(with("select", json!({"tags": {}, "state": "in-use"})), "select.state", "only with");
        check(with("select", json!({"tags": {}, "resource": "volume", "state": "error"})), "select.state", "in-use");
        check(with("select", json!({"tags": {}, "exclude_tags": 1})), "select.exclude_tags", "object");
        check(
            with("select", json!({"tags": {}, "exclude_boot_volumes": "no"})),
            "select.exclude_boot_volumes",
            "true or false",
        );
        check(with("retain", json!("7 days")), "retain", "is \"7 days\"; allowed: `7` (keep the newest 7)");
        check(with("retain", json!(0)), "retain", "newest 7");
        check(with("retain", json!(-1)), "retain", "newest 7");
        check(with("retain", json!(7.5)), "retain", "newest 7");
        check(with("retain", json!(null)), "retain", "newest 7");
        check(with("regions", json!([])), "regions", "eu-central-1");
        check(with("regions", json!("eu-central-1")), "regions", "\"all\"");
        check(with("regions", json!(["Frankfurt"])), "regions", "is \"Frankfurt\"");
        check(with("regions", json!(["eu-central-1", "eu-central-1"])), "regions", "each Region once");
        check(with("accounts", json!([])), "accounts", "role ARNs");
        check(with("accounts", json!(["123456789012"])), "accounts[0]", "role ARNs");
        check(with("accounts", json!(["arn:aws:iam::1:role/x"])), "accounts[0]", "role ARNs");
        check(with("accounts", json!(["arn:aws:iam::123456789012:user/x"])), "accounts[0]", "role ARNs");
        check(
            with("accounts", json!([{"role": "arn:aws:iam::123456789012:role/x", "externalid": "y"}])),
            "accounts[0]",
            "external_id",
        );
        check(with("accounts", json!(["self", "self"])), "accounts[1]", "each account once");
        check(with("time_zone", json!("Zurich")), "time_zone", "Europe/Zurich");
        check(with("time_zone", json!("+01:00")), "time_zone", "IANA");
        check(with("give_up_after", json!("soon")), "give_up_after", "is \"soon\"; allowed: minutes, hours or days");
        check(with("give_up_after", json!("9m")), "give_up_after", "10 minutes");
        check(with("give_up_after", json!("3d")), "give_up_after", "2 days");
        check(with("give_up_after", json!("+1h")), "give_up_after", "`23h`");
        check(with("give_up_after", json!("é")), "give_up_after", "`23h`");
        check(with("give_up_after", json!(60)), "give_up_after", "`23h`");
        check(with("copy_tags", json!("yes")), "copy_tags", "true or false");
        check(with("tags", json!(["Interval"])), "tags", "at most 35");
        check(with("tags", json!({"aws:x": "y"})), "tags.aws:x", "aws:");
        check(with("tags", json!({"snapkeep:policy": "y"})), "tags.snapkeep:policy", "snapkeep:");
        check(with("tags", json!({"DeleteOn": "2026-01-01"})), "tags.DeleteOn", "DeleteOn");
        check(with("tags", json!({"Interval": 1})), "tags.Interval", "is 1");
        check(with("tags", json!({"Interval": "x".repeat(257)})), "tags.Interval", "256");
        check(with("dry_run", json!("true")), "dry_run", "is \"true\"; allowed: true or false");
        check(with("scheduled_time", json!("02:00")), "scheduled_time", "2026-11-20T02:00:00Z");
        check(with("scheduled_time", json!("2036-11-20T02:00:00Z")), "scheduled_time", "a day ahead");
        check(with("cap", json!({"count": 1})), "cap", "not a known field");
        check(json!({"SnapshotKeyWord": ""}), "SnapshotKeyWord", "1 to 127");
        check(json!({"SnapshotKeyWord": 3}), "SnapshotKeyWord", "is 3");
        check(json!({"SnapshotKeyWord": "a", "retain": "7d"}), "retain", "SnapshotKeyWord, regions");
        for name in ["policy", "select", "retain"] {
            let mut policy = full();
            policy.as_object_mut().unwrap().remove(name);
            check(policy, name, "is missing");
        }
    }

    #[test]
    fn regions_are_read_from_a_list_in_the_environment() {
        let parse = |text| Regions::parse("SNAPKEEP_REGIONS", text);
        assert_eq!(parse(" all "), Ok(Regions::All));
        assert_eq!(parse("eu-west-1, us-east-1,"), Ok(Regions::These(vec!["eu-west-1".into(), "us-east-1".into()])));
        assert_eq!(parse("").unwrap_err().field, "SNAPKEEP_REGIONS");
        assert_eq!(parse("eu_west_1").unwrap_err().found, "\"eu_west_1\"");
    }
}
