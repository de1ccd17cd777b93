//! Tags that look like typos of what a policy selects.
//!
//! A false alarm costs more than a typo that nobody is told of: then nobody reads the next one. So the tag is told only
//! where the resource would be selected if it were mended, and where no policy means it as it is.

use std::collections::BTreeMap;

use shared::vocabulary::inventory::Tags;
use shared::vocabulary::selection::{Selection, TagMatch};
use strsim::osa_distance;

/// A tag that looks like one that a policy selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Near {
    /// The policy, by its place among the sources.
    pub source: usize,
    pub found: (String, String),
    /// Key and value; a policy that takes any value has none.
    pub wanted: (String, Option<String>),
    pub likeness: Likeness,
}

/// How sure one can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likeness {
    /// The same but for case, or for spaces at the ends.
    Spelling,
    /// Another word for yes.
    Yes,
    /// A letter more, less, other or swapped.
    Letter,
}

/// What all policies together name: nothing of it is a typo.
#[derive(Debug, Default)]
pub(crate) struct Meant(BTreeMap<String, Option<Vec<String>>>);

impl Meant {
    pub fn of<'a>(selections: impl IntoIterator<Item = &'a Selection>) -> Self {
        let mut meant = BTreeMap::<String, Option<Vec<String>>>::new();
        for selection in selections {
            for TagMatch(tags) in [&selection.tags, &selection.exclude_tags] {
                for (key, values) in tags {
                    let known = meant.entry(key.clone()).or_insert_with(|| Some(Vec::new()));
                    if values.is_empty() {
                        *known = None;
                    } else if let Some(known) = known {
                        known.extend(values.iter().cloned());
                    }
                }
            }
        }
        Self(meant)
    }

    fn names(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_some_and(|values| values.as_ref().is_none_or(|values| values.iter().any(|v| v == value)))
    }
}

/// The first tag that keeps `tags` from being selected, if mending what looks like typos would select them.
pub(crate) fn near(source: usize, selection: &Selection, meant: &Meant, tags: &Tags) -> Option<Near> {
    if selection.tags.all(tags) || selection.exclude_tags.any(tags).is_some() {
        return None;
    }
    let has = |key: &String, values: &[String]| {
        tags.get(key).is_some_and(|value| values.is_empty() || values.contains(value))
    };
    let missing = selection.tags.0.iter().filter(|(key, values)| !has(key, values));
    let mended: Option<Vec<Near>> = missing.map(|(key, values)| mend(source, key, values, meant, tags)).collect();
    mended?.into_iter().next()
}

/// The tag that was to be `key` with one of `values`.
fn mend(source: usize, key: &str, values: &[String], meant: &Meant, tags: &Tags) -> Option<Near> {
    let of = |found: (&String, &String), wanted: Option<&String>, likeness| Near {
        source,
        found: (found.0.clone(), found.1.clone()),
        wanted: (key.into(), wanted.cloned()),
        likeness,
    };
    if let Some(found) = tags.get_key_value(key) {
        let (wanted, likeness) = likest(found.1, values)?;
        return (!meant.names(key, found.1)).then(|| of(found, Some(wanted), likeness));
    }
    let keys = tags.iter().filter(|(found, _)| !meant.0.contains_key(*found));
    let keys = keys.filter_map(|found| {
        let likeness = likeness(found.0, key, MEND_KEY).filter(|likeness| *likeness != Likeness::Yes)?;
        match values {
            [] => Some(of(found, None, likeness)),
            values => {
                let exact = values.iter().find(|value| *value == found.1).map(|value| (value, likeness));
                let (wanted, of_value) = exact.or_else(|| likest(found.1, values))?;
                Some(of(found, Some(wanted), likeness.max(of_value)))
            }
        }
    });
    keys.min_by_key(|near| near.likeness)
}

fn likest<'a>(found: &str, values: &'a [String]) -> Option<(&'a String, Likeness)> {
    let like = values.iter().filter_map(|wanted| Some((wanted, likeness(found, wanted, MEND_VALUE)?)));
    like.min_by_key(|(_, likeness)| *likeness)
}

/// Shorter words than this are other words when a letter is another one: `dev` is no typo of `des`.
const MEND_VALUE: usize = 4;
const MEND_KEY: usize = 5;
/// In words of this length two letters may be wrong.
const LONG: usize = 8;
const YES: [&str; 8] = ["true", "t", "yes", "y", "on", "1", "enabled", "enable"];

fn likeness(found: &str, wanted: &str, shortest: usize) -> Option<Likeness> {
    let (found, wanted) = (found.trim().to_lowercase(), wanted.trim().to_lowercase());
    if found.is_empty() || wanted.is_empty() {
        return None;
    }
    if found == wanted {
        return Some(Likeness::Spelling);
    }
    if YES.contains(&found.as_str()) && YES.contains(&wanted.as_str()) {
        return Some(Likeness::Yes);
    }
    // What differs in a number is another one, and meant so: prod1 and prod2.
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let length = found.chars().count().min(wanted.chars().count());
    let allowed = if length >= LONG { 2 } else { 1 };
    let is_typo = length >= shortest && digits(&found) == digits(&wanted) && osa_distance(&found, &wanted) <= allowed;
    is_typo.then_some(Likeness::Letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use shared::vocabulary::policy::Policy;

    fn selection(select: Value) -> Selection {
        let policy = json!({"action": "snapshot", "policy": "daily", "select": select, "retain": "7d"});
        Policy::parse(&policy, "2026-11-20T02:00:00Z".parse().unwrap()).unwrap().select
    }

    fn found(select: Value, others: &[Value], tags: &[(&str, &str)]) -> Option<Near> {
        let selection = selection(select);
        let others: Vec<Selection> = others.iter().cloned().map(self::selection).collect();
        let tags = tags.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect();
        near(0, &selection, &Meant::of(others.iter().chain([&selection])), &tags)
    }

    fn check(tags: &[(&str, &str)], expected: Option<Likeness>) {
        let near = found(json!({"tags": {"Backup": ["true"]}}), &[], tags);
        assert_eq!(near.map(|near| near.likeness), expected, "{tags:?}");
    }

    #[test]
    fn what_looks_like_a_typo_is_found() {
        for value in ["True", "TRUE", "true ", " true"] {
            check(&[("Backup", value)], Some(Likeness::Spelling));
        }
        for key in ["backup", "BACKUP", "Backup ", "BackUp"] {
            check(&[(key, "true")], Some(Likeness::Spelling));
        }
        for value in ["yes", "Yes", "1", "on", "enabled"] {
            check(&[("Backup", value)], Some(Likeness::Yes));
        }
        for value in ["ture", "truee", "treu", "trie"] {
            check(&[("Backup", value)], Some(Likeness::Letter));
        }
        check(&[("Bakcup", "true")], Some(Likeness::Letter));
        check(&[("backup", "yes")], Some(Likeness::Yes));
    }

    #[test]
    fn what_is_meant_otherwise_is_not() {
        for value in ["false", "no", "weekly", "never", "tru", "", "0", "off", "disabled"] {
            check(&[("Backup", value)], None);
        }
        check(&[("Backup", "true")], None);
        check(&[("Back", "true")], None);
        check(&[("Backup", "false"), ("backup", "true")], None);
        check(&[("Name", "true"), ("Owner", "Backup")], None);
        check(&[], None);
    }

    #[test]
    fn names_with_numbers_are_different_names() {
        let near = |value: &str| found(json!({"tags": {"Tier": ["prod1"]}}), &[], &[("Tier", value)]);
        assert_eq!(near("prod2"), None);
        assert_eq!(near("prod11"), None);
        assert!(near("pord1").is_some());
    }

    #[test]
    fn what_another_policy_selects_or_excludes_is_no_typo() {
        let select = || json!({"tags": {"Backup": ["daily"]}});
        let of = |others: &[Value], value: &str| found(select(), others, &[("Backup", value)]).is_some();
        assert!(of(&[], "Daily"));
        assert!(!of(&[json!({"tags": {"Backup": ["Daily"]}})], "Daily"));
        assert!(!of(&[json!({"tags": {"Backup": []}})], "Daily"));
        assert!(!of(&[json!({"tags": {}, "exclude_tags": {"Backup": ["Daily"]}})], "Daily"));
        let excluded = json!({"tags": {"Backup": ["daily"]}, "exclude_tags": {"Scratch": []}});
        assert_eq!(found(excluded, &[], &[("Backup", "Daily"), ("Scratch", "")]), None);
    }

    #[test]
    fn all_that_is_wanted_must_be_there_or_nearly_so() {
        let of = |tags: &[(&str, &str)]| found(json!({"tags": {"Backup": ["true"], "Stage": ["prod"]}}), &[], tags);
        assert_eq!(of(&[("Backup", "True")]), None);
        assert_eq!(of(&[("Backup", "True"), ("Stage", "test")]), None);
        assert_eq!(of(&[("Backup", "True"), ("Stage", "prod")]).unwrap().found.1, "True");
        assert_eq!(of(&[("Backup", "true"), ("Stage", "Prod")]).unwrap().wanted.1.as_deref(), Some("prod"));
    }

    #[test]
    fn a_key_that_takes_any_value_is_known_by_its_name() {
        let of = |key: &str| found(json!({"tags": {"SnapshotDaily": []}}), &[], &[(key, "3")]);
        assert_eq!(of("snapshotdaily").unwrap().wanted, ("SnapshotDaily".into(), None));
        assert_eq!(of("SnapshtoDaily").unwrap().likeness, Likeness::Letter);
        assert_eq!(of("SnapshotHourly"), None);
    }
}
