//! What a schedule that prunes says.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::fields::{Fields, retain_rule, tag_match};
use super::{Account, Input, Regions};
use crate::vocabulary::orphans::{self, Orphans};
use crate::vocabulary::problem::Problem;
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::selection::TagMatch;
use crate::vocabulary::slot::Slot;

/// A policy whose action is `prune`: by the rules that the snapshots bear, whatever policy they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    /// Where to look. `None`: the environment's Regions.
    pub regions: Option<Regions>,
    /// In which accounts to look; at least one.
    pub accounts: Vec<Account>,
    /// How much may go in one run in one Region.
    pub cap: Cap,
    /// What becomes of the last snapshot of a volume that is gone.
    pub orphans: Orphans,
    /// Snapshots of other tools that a person wants to be ours.
    pub adopt: Vec<Adoption>,
    /// Plan, and enqueue nothing.
    pub dry_run: bool,
    /// The run's slot.
    pub slot: Slot,
    /// When the run was planned.
    pub planned: DateTime<Utc>,
}

/// How many snapshots may expire in one run in one Region of one account, whichever is more. Where more would, none
/// is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// So many.
    pub count: usize,
    /// Or so many of a hundred of ours that are there.
    pub percent: usize,
}

/// Snapshots of another tool, and what they become when they are adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// All of these must match.
    pub tags: TagMatch,
    /// The policy that they become part of.
    pub policy: String,
    /// The rule that they are kept by; `None`: the count in the tag that has the policy's name.
    pub retain: Option<RetainRule>,
    /// Whose days and weeks the rule counts.
    pub time_zone: Tz,
}

const PRUNE: &str =
    "action, regions, accounts, cap, orphans, adopt, dry_run, scheduled_time, time; the rules stand on the snapshots";
const CAP: &str = r#"an object such as {"count": 100, "percent": 20}; what is left out is 0"#;
const ADOPT: &str = r#"a list such as [{"tags": {"Type": ["Automated"]}, "policy": "nightly", "retain": "7d"}] or [{"SnapshotKeyWord": "SnapshotDaily"}]"#;

impl Prune {
    /// What stands in the place of a policy's name: a run that prunes is about the snapshots of all policies.
    pub const NAME: &str = "prune";

    /// Reads the input of a schedule that prunes.
    pub fn parse(event: &Value, now: DateTime<Utc>) -> Result<Self, Problem> {
        match Input::parse(event, now)? {
            Input::Prune(prune) => Ok(prune),
            Input::Snapshot(_) => Err(Problem::value("action", &"snapshot", "\"prune\"")),
            Input::Audit(_) => Err(Problem::value("action", &"audit", "\"prune\"")),
        }
    }

    pub(super) fn of_fields(mut fields: Fields, now: DateTime<Utc>) -> Result<Self, Problem> {
        fields.only(PRUNE, &["action", "cap", "orphans", "adopt"])?;
        Ok(Self {
            regions: fields.regions()?,
            accounts: fields.accounts()?,
            cap: match fields.take("cap") {
                None => Cap::default(),
                Some(cap) => Cap::read(&fields.path("cap"), &cap)?,
            },
            orphans: match fields.take("orphans") {
                None => Orphans::default(),
                Some(word) => {
                    let orphans = word.as_str().and_then(|word| word.parse().ok());
                    orphans.ok_or_else(|| fields.refused("orphans", &word, orphans::ALLOWED))?
                }
            },
            adopt: match fields.take("adopt") {
                None => Vec::new(),
                Some(list) => adoptions(&fields.path("adopt"), &list)?,
            },
            dry_run: fields.flag("dry_run")?.unwrap_or(false),
            slot: fields.slot(now)?,
            planned: now,
        })
    }
}

/// A fifth of what is there, and a hundred in any case.
impl Default for Cap {
    fn default() -> Self {
        Self { count: 100, percent: 20 }
    }
}

impl Cap {
    /// How many may go where `there` are.
    pub fn most(&self, there: usize) -> usize {
        self.count.max(there * self.percent / 100)
    }

    fn read(path: &str, value: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(&format!("{path}."), value, CAP)?;
        fields.none_but("count, percent", &["count", "percent"])?;
        let mut number = |name: &str, most: u64, allowed: &str| match fields.take(name) {
            None => Ok(0),
            Some(value) => {
                let number = value.as_u64().filter(|number| *number <= most);
                let number = number.and_then(|number| usize::try_from(number).ok());
                number.ok_or_else(|| fields.refused(name, &value, allowed))
            }
        };
        Ok(Self {
            count: number("count", 1_000_000, "a number of snapshots, 0 to 1000000")?,
            percent: number("percent", 100, "a whole number from 0 to 100")?,
        })
    }
}

fn adoptions(path: &str, list: &Value) -> Result<Vec<Adoption>, Problem> {
    let entries = list.as_array().ok_or_else(|| Problem::value(path, list, ADOPT))?;
    let numbered = entries.iter().enumerate();
    numbered.map(|(index, entry)| Adoption::read(&format!("{path}[{index}]"), entry)).collect()
}

impl Adoption {
    fn read(path: &str, value: &Value) -> Result<Self, Problem> {
        let mut fields = Fields::of(&format!("{path}."), value, ADOPT)?;
        if fields.has("SnapshotKeyWord") {
            fields.none_but("SnapshotKeyWord", &["SnapshotKeyWord"])?;
            let policy = fields.name("SnapshotKeyWord")?;
            let tags = TagMatch([(policy.clone(), vec![])].into());
            return Ok(Self { tags, policy, retain: None, time_zone: Tz::UTC });
        }
        const NAMES: [&str; 4] = ["tags", "policy", "retain", "time_zone"];
        fields.none_but(&NAMES.join(", "), &NAMES)?;
        let tags = fields.required("tags", ADOPT)?;
        let tags_field = fields.path("tags");
        let found = tag_match(&tags_field, &tags)?;
        if found.0.is_empty() {
            return Err(Problem::value(&tags_field, &json!(tags), "at least one tag that the other tool writes"));
        }
        let retain = fields.required("retain", retain::ALLOWED)?;
        Ok(Self {
            tags: found,
            policy: fields.name("policy")?,
            retain: Some(retain_rule(&fields.path("retain"), &retain)?),
            time_zone: fields.time_zone()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &Value) -> Result<Prune, Problem> {
        Prune::parse(event, "2026-11-20T03:00:30Z".parse().unwrap())
    }

    #[test]
    fn what_is_not_said_is_careful() {
        let prune = read(&json!({"action": "prune"})).unwrap();
        assert_eq!((prune.cap.most(100), prune.cap.most(1000)), (100, 200), "whichever is more");
        assert_eq!((prune.orphans, prune.dry_run, prune.regions), (Orphans::KeepLast, false, None));
        assert_eq!(prune.slot.to_string(), "2026-11-20T03:00:00Z");
    }

    #[test]
    fn a_cap_is_what_is_said_and_no_more() {
        let cap = |cap: Value| read(&json!({"action": "prune", "cap": cap})).unwrap().cap;
        assert_eq!(cap(json!({"count": 5})).most(1_000_000), 5);
        assert_eq!(cap(json!({"percent": 50})).most(10), 5);
        assert_eq!(cap(json!({})).most(1_000_000), 0, "nothing may go");
    }

    fn check_refused(changes: Value, field: &str, allowed: &str) {
        let mut event = json!({"action": "prune"});
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let problem = read(&event).expect_err(&format!("{event} was taken"));
        assert_eq!(problem.field, field, "{event}: {problem}");
        assert!(problem.to_string().contains(allowed), "{event}: {problem}");
    }

    #[test]
    fn a_bad_prune_is_refused_by_its_field_with_what_is_allowed() {
        check_refused(json!({"policy": "daily"}), "policy", "the rules stand on the snapshots");
        check_refused(json!({"retain": "7d"}), "retain", "the rules stand on the snapshots");
        check_refused(json!({"cap": 100}), "cap", "{\"count\": 100");
        check_refused(json!({"cap": {"count": -1}}), "cap.count", "0 to 1000000");
        check_refused(json!({"cap": {"percent": 101}}), "cap.percent", "0 to 100");
        check_refused(json!({"cap": {"percent": 0.5}}), "cap.percent", "whole number");
        check_refused(json!({"cap": {"most": 3}}), "cap.most", "count, percent");
        check_refused(json!({"orphans": "delete"}), "orphans", "keep-last");
        check_refused(json!({"orphans": "7"}), "orphans", "\"90d\"");
        check_refused(json!({"orphans": 90}), "orphans", "\"90d\"");
        check_refused(json!({"adopt": {"tags": {}}}), "adopt", "a list such as");
        check_refused(json!({"adopt": [{"tags": {}, "policy": "x", "retain": "7d"}]}), "adopt[0].tags", "at least one");
        check_refused(json!({"adopt": [{"tags": {"A": []}, "policy": "x"}]}), "adopt[0].retain", "is missing");
        check_refused(
            json!({"adopt": [{"SnapshotKeyWord": "x", "retain": "7d"}]}),
            "adopt[0].retain",
            "SnapshotKeyWord",
        );
        check_refused(json!({"dry_run": "yes"}), "dry_run", "true or false");
        check_refused(
            json!({"action": "snapshot", "policy": "x", "select": {"tags": {}}, "retain": 1}),
            "action",
            "prune",
        );
    }

    #[test]
    fn a_policy_that_prunes_is_none_that_takes_snapshots() {
        let problem = super::super::Policy::parse(&json!({"action": "prune"}), DateTime::UNIX_EPOCH).unwrap_err();
        assert!(problem.to_string().contains("snapkeep prune"), "{problem}");
    }
}
