//! Reading a policy: whole, or refused with the field, the value and what is allowed.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::{Account, Policy, Regions, Retention, Role};
use crate::vocabulary::job::{REGION, is_account, is_region};
use crate::vocabulary::problem::Problem;
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::selection::{AttachmentState, Resource, Selection, TagMatch};
use crate::vocabulary::slot::Slot;

/// What EventBridge Scheduler replaces by the scheduled time. Left as it is when somebody else carries the policy.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// EC2's limits for tags, in characters: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>.
/// The model says 127 for a key, the guide 128: what every version accepts is written, what any may hold is read.
const LONGEST_KEY: usize = 127;
const LONGEST_VALUE: usize = 256;
/// Leaves at least four tags of the fifty for the name, and for what the instance and the volume bring.
const MOST_POLICY_TAGS: usize = 35;

const POLICY: &str = "action, policy, select, retain, regions, accounts, time_zone, copy_tags, tags, dry_run, \
     scheduled_time, time; or SnapshotKeyWord, regions, accounts, dry_run, scheduled_time, time";
const SELECT: &str = r#"an object such as {"tags": {"Backup": ["true"]}}"#;

impl Policy {
    /// Reads the input of a schedule: a policy, the keyword event `{"SnapshotKeyWord": "SnapshotDaily"}`, or an
    /// EventBridge event whose `detail` is one of the two.
    pub fn parse(event: &Value, now: DateTime<Utc>) -> Result<Self, Problem> {
        let mut fields = Fields::of("", event, "a policy, a JSON object such as {\"action\": \"snapshot\", …}")?;
        let is_envelope = fields.map.contains_key("detail-type");
        let time = is_envelope.then(|| fields.map.remove("time")).flatten();
        if let Some(detail) = fields.map.remove("detail").filter(|_| is_envelope) {
            fields = Fields::of("detail.", &detail, "a policy, a JSON object such as {\"action\": \"snapshot\", …}")?;
        }
        if let Some(time) = time {
            fields.map.entry("time").or_insert(time);
        }
        match fields.map.contains_key("SnapshotKeyWord") {
            true => Self::of_keyword(fields, now),
            false => Self::of_policy(fields, now),
        }
    }

    fn of_policy(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        fields.only(POLICY, &["action", "policy", "select", "retain", "time_zone", "copy_tags", "tags"])?;
        fields.action()?;
        let select = fields.required("select", SELECT)?;
        let retain = fields.required("retain", retain::ALLOWED)?;
        Ok(Self {
            name: fields.name("policy")?,
            select: selection(&fields.path("select"), &select)?,
            retain: Retention::Rule(retain_rule(&fields.path("retain"), &retain)?),
            regions: fields.regions()?,
            accounts: fields.accounts()?,
            time_zone: fields.time_zone()?,
            copy_tags: fields.flag("copy_tags")?.unwrap_or(true),
            tags: fields.snapshot_tags()?,
            dry_run: fields.flag("dry_run")?.unwrap_or(false),
            slot: fields.slot(now)?,
        })
    }

    /// The event of the oldest way of doing this: the keyword is the policy's name, the tag that selects
    /// instances, and the tag whose value says how many snapshots to keep.
    fn of_keyword(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        fields.only("SnapshotKeyWord, regions, accounts, dry_run, scheduled_time, time", &["SnapshotKeyWord"])?;
        let keyword = fields.name("SnapshotKeyWord")?;
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
            slot: fields.slot(now)?,
        })
    }
}

impl Regions {
    /// Reads `all` or a comma-separated list, as it stands in the environment or on a command line.
    /// `field` is the name under which it is refused.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<Value> = names.map(Value::from).collect();
        match text.trim() {
            "all" => Ok(Self::All),
            _ => region_list(field, &json!(text), &names),
        }
    }
}

/// The fields of an object that are still to be read, and where the object stands.
struct Fields {
    prefix: String,
    map: Map<String, Value>,
}

/// Fields that every kind of policy has.
const COMMON: [&str; 5] = ["regions", "accounts", "dry_run", "scheduled_time", "time"];

impl Fields {
    fn of(prefix: &str, value: &Value, allowed: &str) -> Result<Self, Problem> {
        let field = match prefix.trim_end_matches('.') {
            "" => "policy",
            field => field,
        };
        let map = value.as_object().cloned();
        let map = map.ok_or_else(|| Problem::value(field, value, allowed))?;
        Ok(Self { prefix: prefix.into(), map })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A field that nobody knows is a typing error, and what was meant by it would be left undone.
    fn only(&self, allowed: &str, names: &[&str]) -> Result<(), Problem> {
        let is_known = |name: &str| names.contains(&name) || COMMON.contains(&name);
        match self.map.keys().find(|name| !is_known(name)) {
            Some(name) => Err(Problem::unknown(&self.path(name), allowed)),
            None => Ok(()),
        }
    }

    fn required(&mut self, name: &str, allowed: &str) -> Result<Value, Problem> {
        let value = self.map.remove(name);
        value.ok_or_else(|| Problem::missing(&self.path(name), allowed))
    }

    fn refused(&self, name: &str, value: &Value, allowed: &str) -> Problem {
        Problem::value(&self.path(name), value, allowed)
    }

    fn action(&mut self) -> Result<(), Problem> {
        const ALLOWED: &str = "\"snapshot\"; `prune` and `audit` are not built yet";
        match self.required("action", ALLOWED)? {
            Value::String(action) if action == "snapshot" => Ok(()),
            other => Err(self.refused("action", &other, ALLOWED)),
        }
    }

    /// The name becomes a tag value and part of a mail's subject.
    fn name(&mut self, name: &str) -> Result<String, Problem> {
        const ALLOWED: &str = "1 to 127 characters, none of them a control character, with no space at either end, \
             not beginning with `aws:` or `snapkeep:`";
        let value = self.required(name, ALLOWED)?;
        let text = value.as_str().filter(|text| is_tag_key(text) && text.trim() == *text);
        text.map(String::from).ok_or_else(|| self.refused(name, &value, ALLOWED))
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.map.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.refused(name, &other, "true or false")),
        }
    }

    fn regions(&mut self) -> Result<Option<Regions>, Problem> {
        let field = self.path("regions");
        match self.map.remove("regions") {
            None => Ok(None),
            Some(Value::String(all)) if all == "all" => Ok(Some(Regions::All)),
            Some(Value::Array(names)) => region_list(&field, &json!(names), &names).map(Some),
            Some(other) => Err(Problem::value(&field, &other, REGIONS)),
        }
    }

    fn accounts(&mut self) -> Result<Vec<Account>, Problem> {
        const ALLOWED: &str = r#"a list of role ARNs, each with an optional external id, or "self": ["self", "arn:aws:iam::123456789012:role/snapkeep", {"role": "arn:…", "external_id": "…"}]"#;
        let Some(value) = self.map.remove("accounts") else {
            return Ok(vec![Account::Own]);
        };
        let list = value.as_array().filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| self.refused("accounts", &value, ALLOWED))?;
        let mut accounts = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let field = format!("accounts[{index}]");
            let account = account(entry).ok_or_else(|| self.refused(&field, entry, ALLOWED))?;
            let is_known = accounts.iter().any(|known| owner(known) == owner(&account));
            if is_known {
                return Err(self.refused(&field, entry, "each account once"));
            }
            accounts.push(account);
        }
        Ok(accounts)
    }

    fn time_zone(&mut self) -> Result<Tz, Problem> {
        let Some(value) = self.map.remove("time_zone") else {
            return Ok(Tz::UTC);
        };
        let time_zone = value.as_str().and_then(|name| Tz::from_str(name).ok());
        time_zone.ok_or_else(|| {
            self.refused("time_zone", &value, "a name of the IANA time zone database, such as Europe/Zurich or UTC")
        })
    }

    fn snapshot_tags(&mut self) -> Result<BTreeMap<String, String>, Problem> {
        const ALLOWED: &str = r#"at most 35 tags such as {"Interval": "Daily"}; keys of 1 to 127 characters that do not begin with `aws:` or `snapkeep:` and are not `DeleteOn` or `KeepForever`; values of at most 256 characters"#;
        let Some(value) = self.map.remove("tags") else {
            return Ok(BTreeMap::new());
        };
        let Some(entries) = value.as_object().filter(|entries| entries.len() <= MOST_POLICY_TAGS) else {
            return Err(self.refused("tags", &value, ALLOWED));
        };
        let mut tags = BTreeMap::new();
        for (key, value) in entries {
            let field = format!("tags.{key}");
            let is_allowed = is_tag_key(key) && !["DeleteOn", "KeepForever"].contains(&key.as_str());
            let text = value.as_str().filter(|text| is_allowed && text.chars().count() <= LONGEST_VALUE);
            let text = text.ok_or_else(|| self.refused(&field, value, ALLOWED))?;
            tags.insert(key.clone(), text.into());
        }
        Ok(tags)
    }

    /// The scheduled time, without one the event's time, without one `now`.
    fn slot(&mut self, now: DateTime<Utc>) -> Result<Slot, Problem> {
        const ALLOWED: &str = "a time such as 2026-11-20T02:00:00Z that lies at most a day ahead; \
             EventBridge Scheduler puts it in place of <aws.scheduler.scheduled-time>";
        for name in ["scheduled_time", "time"] {
            let Some(value) = self.map.remove(name).filter(|value| value != SCHEDULED_TIME) else {
                continue;
            };
            let slot = value.as_str().and_then(|text| text.parse::<Slot>().ok());
            let slot = slot.filter(|slot| slot.time() <= now + TimeDelta::days(1));
            return slot.ok_or_else(|| self.refused(name, &value, ALLOWED));
        }
        Ok(Slot::of_now(now))
    }
}

const REGIONS: &str = r#""all", or a list of Regions such as ["eu-central-1", "us-east-1"], each once"#;

fn region_list(field: &str, whole: &Value, names: &[Value]) -> Result<Regions, Problem> {
    if names.is_empty() {
        return Err(Problem::value(field, whole, REGIONS));
    }
    let mut regions: Vec<String> = Vec::new();
    for name in names {
        let region = name.as_str().filter(|name| is_region(name));
        let region = region.ok_or_else(|| Problem::value(field, name, REGION))?;
        if regions.iter().any(|known| known == region) {
            return Err(Problem::value(field, name, "each Region once"));
        }
        regions.push(region.into());
    }
    Ok(Regions::These(regions))
}

fn retain_rule(field: &str, value: &Value) -> Result<RetainRule, Problem> {
    let rule = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(count) => count.to_string().parse().ok(),
        _ => None,
    };
    rule.ok_or_else(|| Problem::value(field, value, retain::ALLOWED))
}

fn selection(path: &str, value: &Value) -> Result<Selection, Problem> {
    let mut fields = Fields::of(&format!("{path}."), value, SELECT)?;
    const NAMES: [&str; 5] = ["resource", "tags", "exclude_tags", "exclude_boot_volumes", "state"];
    if let Some(name) = fields.map.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(Problem::unknown(&fields.path(name), &NAMES.join(", ")));
    }
    let state = fields.map.remove("state");
    let resource = match fields.map.remove("resource") {
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
        exclude_tags: match fields.map.remove("exclude_tags") {
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

fn tag_match(path: &str, value: &Value) -> Result<TagMatch, Problem> {
    const ALLOWED: &str = r#"a list of values such as ["true", "yes"], a single value, or [] for any value"#;
    let Some(entries) = value.as_object() else {
        return Err(Problem::value(path, value, r#"an object such as {"Backup": ["true"]}"#));
    };
    let mut match_ = BTreeMap::new();
    for (key, value) in entries {
        if key.is_empty() || key.chars().count() > LONGEST_KEY + 1 {
            return Err(Problem::value(path, key, "tag keys of 1 to 128 characters"));
        }
        let values: Option<Vec<String>> = match value {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|value| value.as_str().map(String::from)).collect(),
            _ => None,
        };
        let values = values.filter(|values| values.iter().all(|value| value.chars().count() <= LONGEST_VALUE));
        let values = values.ok_or_else(|| Problem::value(&format!("{path}.{key}"), value, ALLOWED))?;
        match_.insert(key.clone(), values);
    }
    Ok(TagMatch(match_))
}

fn account(entry: &Value) -> Option<Account> {
    let (arn, external_id) = match entry {
        Value::String(own) if own == "self" => return Some(Account::Own),
        Value::String(arn) => (arn, None),
        Value::Object(fields) => {
            let is_known = |name: &String| ["role", "external_id"].contains(&name.as_str());
            let Value::String(arn) = fields.get("role").filter(|_| fields.keys().all(is_known))? else {
                return None;
            };
            let external_id = match fields.get("external_id") {
                None => None,
                Some(id) => Some(id.as_str().filter(|id| (2..=1224).contains(&id.len()))?),
            };
            (arn, external_id)
        }
        _ => return None,
    };
    let role = Role { arn: arn.clone(), external_id: external_id.map(String::from) };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let is_role = matches!(parts[..], ["arn", _, "iam", "", account, name]
        if is_account(account) && name.starts_with("role/") && name.len() > "role/".len());
    is_role.then_some(Account::Assumed(role))
}

fn owner(account: &Account) -> &str {
    account.role().map_or("self", Role::account)
}

/// Whether a person may choose `text` as the key of a tag of ours: EC2 reserves `aws:` in every case.
fn is_tag_key(text: &str) -> bool {
    let lower = text.to_lowercase();
    (1..=LONGEST_KEY).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && !lower.starts_with("aws:")
        && !lower.starts_with("snapkeep:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T02:00:42Z".parse().unwrap()
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
        check(with("action", json!("prune")), "action", "not built yet");
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
