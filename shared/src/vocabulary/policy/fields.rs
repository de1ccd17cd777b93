//! The fields of a policy, one by one: each is read whole, or refused with its name, its value and what is allowed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::{Account, Regions, Role};
use crate::vocabulary::job::{REGION, is_account, is_region};
use crate::vocabulary::problem::Problem;
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::selection::TagMatch;
use crate::vocabulary::slot::Slot;

/// What EventBridge Scheduler replaces by the scheduled time. Left as it is when somebody else carries the policy.
pub(super) const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// EC2's limits for tags, in characters: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>.
/// The model says 127 for a key, the guide 128: what every version accepts is written, what any may hold is read.
const LONGEST_KEY: usize = 127;
const LONGEST_VALUE: usize = 256;
/// Leaves at least four tags of the fifty for the name, and for what the instance and the volume bring.
const MOST_POLICY_TAGS: usize = 35;

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
pub(super) struct Fields {
    prefix: String,
    map: Map<String, Value>,
}

/// `50m`, `23h`, `2d`.
fn span(text: &str) -> Option<TimeDelta> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = digits.parse::<u32>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    match unit {
        "m" => TimeDelta::try_minutes(number.into()),
        "h" => TimeDelta::try_hours(number.into()),
        "d" => TimeDelta::try_days(number.into()),
        _ => None,
    }
}

/// Fields that every kind of policy has.
const COMMON: [&str; 5] = ["regions", "accounts", "dry_run", "scheduled_time", "time"];

impl Fields {
    pub(super) fn of(prefix: &str, value: &Value, allowed: &str) -> Result<Self, Problem> {
        let field = match prefix.trim_end_matches('.') {
            "" => "policy",
            field => field,
        };
        let map = value.as_object().cloned();
        let map = map.ok_or_else(|| Problem::value(field, value, allowed))?;
        Ok(Self { prefix: prefix.into(), map })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn is(&self, name: &str, word: &str) -> bool {
        self.map.get(name).is_some_and(|value| value == word)
    }

    /// The value of a field, which is then read.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    pub(super) fn set_default(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.map.entry(name).or_insert(value);
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A field that nobody knows is a typing error, and what was meant by it would be left undone.
    pub(super) fn only(&self, allowed: &str, names: &[&str]) -> Result<(), Problem> {
        self.none_but(allowed, &[names, &COMMON].concat())
    }

    /// The same for an object within a policy.
    pub(super) fn none_but(&self, allowed: &str, names: &[&str]) -> Result<(), Problem> {
        match self.map.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(Problem::unknown(&self.path(name), allowed)),
            None => Ok(()),
        }
    }

    pub(super) fn required(&mut self, name: &str, allowed: &str) -> Result<Value, Problem> {
        let value = self.map.remove(name);
        value.ok_or_else(|| Problem::missing(&self.path(name), allowed))
    }

    pub(super) fn refused(&self, name: &str, value: &Value, allowed: &str) -> Problem {
        Problem::value(&self.path(name), value, allowed)
    }

    /// The name becomes a tag value and part of a mail's subject.
    pub(super) fn name(&mut self, name: &str) -> Result<String, Problem> {
        const ALLOWED: &str = "1 to 127 characters, none of them a control character, with no space at either end, \
             not beginning with `aws:` or `snapkeep:`";
        let value = self.required(name, ALLOWED)?;
        let text = value.as_str().filter(|text| is_tag_key(text) && text.trim() == *text);
        text.map(String::from).ok_or_else(|| self.refused(name, &value, ALLOWED))
    }

    /// How long a job is pursued. A message that waits for two days is received almost as often as the jobs queue allows
    /// before SQS moves it to the dead-letter queue.
    pub(super) fn give_up_after(&mut self) -> Result<Option<TimeDelta>, Problem> {
        const ALLOWED: &str = "minutes, hours or days such as `50m`, `23h`, `2d`; 10 minutes to 2 days";
        self.span("give_up_after", TimeDelta::minutes(10)..=TimeDelta::days(2), ALLOWED)
    }

    pub(super) fn span(
        &mut self,
        name: &str,
        range: RangeInclusive<TimeDelta>,
        allowed: &str,
    ) -> Result<Option<TimeDelta>, Problem> {
        let Some(value) = self.map.remove(name) else { return Ok(None) };
        let read = value.as_str().and_then(span).filter(|span| range.contains(span));
        read.map(Some).ok_or_else(|| self.refused(name, &value, allowed))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.map.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.refused(name, &other, "true or false")),
        }
    }

    pub(super) fn regions(&mut self) -> Result<Option<Regions>, Problem> {
        let field = self.path("regions");
        match self.map.remove("regions") {
            None => Ok(None),
            Some(Value::String(all)) if all == "all" => Ok(Some(Regions::All)),
            Some(Value::Array(names)) => region_list(&field, &json!(names), &names).map(Some),
            Some(other) => Err(Problem::value(&field, &other, REGIONS)),
        }
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<Account>, Problem> {
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

    pub(super) fn time_zone(&mut self) -> Result<Tz, Problem> {
        let Some(value) = self.map.remove("time_zone") else {
            return Ok(Tz::UTC);
        };
        let time_zone = value.as_str().and_then(|name| Tz::from_str(name).ok());
        time_zone.ok_or_else(|| {
            self.refused("time_zone", &value, "a name of the IANA time zone database, such as Europe/Zurich or UTC")
        })
    }

    pub(super) fn snapshot_tags(&mut self) -> Result<BTreeMap<String, String>, Problem> {
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
    pub(super) fn slot(&mut self, now: DateTime<Utc>) -> Result<Slot, Problem> {
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

pub(super) fn retain_rule(field: &str, value: &Value) -> Result<RetainRule, Problem> {
    let rule = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(count) => count.to_string().parse().ok(),
        _ => None,
    };
    rule.ok_or_else(|| Problem::value(field, value, retain::ALLOWED))
}

pub(super) fn tag_match(path: &str, value: &Value) -> Result<TagMatch, Problem> {
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
