//! Which retain rule a volume's snapshot is made under.

use crate::vocabulary::inventory::Instance;
use crate::vocabulary::policy::{Policy, Retention};
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::tag;

/// The rule for the volumes of `instance`, and a warning where its tag cannot be read.
///
/// A bare number in the `Retention` tag is days, as every script before this one has it. In a keyword event's
/// tag it is a count; where that cannot be read there is no other rule, and what is doubtful is kept.
pub fn retain_rule(policy: &Policy, instance: Option<&Instance>) -> (RetainRule, Option<String>) {
    let value_of = |key: &str| instance.and_then(|instance| instance.tags.get(key));
    match &policy.retain {
        Retention::Rule(rule) => match value_of(tag::RETENTION) {
            None => (rule.clone(), None),
            Some(value) => match days_or_rule(value) {
                Some(own) => (own, None),
                None => (
                    rule.clone(),
                    Some(warning(instance, tag::RETENTION, value, &format!("the policy's rule {rule} is used"))),
                ),
            },
        },
        Retention::CountInTag(key) => {
            let value = value_of(key).map_or("", String::as_str);
            match value.parse() {
                Ok(RetainRule::Count(count)) => (RetainRule::Count(count), None),
                _ => (
                    RetainRule::Forever,
                    Some(warning(instance, key, value, "its snapshots are kept until the tag is a number")),
                ),
            }
        }
    }
}

fn days_or_rule(value: &str) -> Option<RetainRule> {
    match value.trim().bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{}d", value.trim()).parse().ok(),
        false => value.parse().ok(),
    }
}

fn warning(instance: Option<&Instance>, key: &str, value: &str, fate: &str) -> String {
    let id = instance.map_or("no instance", |instance| &instance.id);
    let allowed = match key {
        tag::RETENTION => format!("a number of days, or {}", retain::ALLOWED),
        _ => "the number of snapshots to keep, such as 3".into(),
    };
    format!("{id}: tag `{key}` is {value:?}; allowed: {allowed}; {fate}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(policy: serde_json::Value, tag: Option<(&str, &str)>, rule: &str, warns: bool) {
        let policy = Policy::parse(&policy, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap();
        let tags = tag.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect();
        let instance = Instance { id: "i-1".into(), tags, ..Instance::default() };
        let (found, warning) = retain_rule(&policy, Some(&instance));
        assert_eq!((found.to_string().as_str(), warning.is_some()), (rule, warns), "{tag:?}: {warning:?}");
    }

    #[test]
    fn an_instances_own_retention_overrides_the_policys_rule() {
        let policy = || json!({"action": "snapshot", "policy": "daily", "select": {"tags": {}}, "retain": "14d"});
        check(policy(), None, "14d", false);
        check(policy(), Some(("Retention", "30")), "30d", false);
        check(policy(), Some(("Retention", "daily=7 monthly=12")), "daily=7 monthly=12", false);
        check(policy(), Some(("Retention", "7 days")), "14d", true);
        check(policy(), Some(("Retention", "0")), "14d", true);
        check(policy(), Some(("Retention", "")), "14d", true);
        check(policy(), Some(("retention", "30")), "14d", false);
    }

    #[test]
    fn a_keyword_counts_by_its_tags_value_and_keeps_what_it_cannot_count() {
        let event = || json!({"SnapshotKeyWord": "SnapshotDaily"});
        check(event(), Some(("SnapshotDaily", "3")), "3", false);
        check(event(), Some(("SnapshotDaily", "three")), "forever", true);
        check(event(), Some(("SnapshotDaily", "3d")), "forever", true);
        check(event(), Some(("SnapshotDaily", "0")), "forever", true);
    }
}
