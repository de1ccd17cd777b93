//! Volumes that several policies select.

use std::collections::{BTreeMap, BTreeSet};

use shared::vocabulary::policy::Policy;

use super::Looked;
use super::finding::{Finding, Severity};
use super::words::{Sample, counted};
use crate::table::plain;

/// Each set of policies that share volumes, once.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut all = BTreeMap::<&[usize], (Sample, Vec<String>)>::new();
    for seen in looked.seen {
        for (sources, sample) in &seen.overlaps {
            let (all, places) = all.entry(sources).or_default();
            all.merge(sample);
            places.push(seen.name());
        }
    }
    all.into_iter().map(|(sources, (sample, places))| overlap(looked, sources, &sample, &places)).collect()
}

/// Different rules are mostly meant: a daily and a monthly one. The same rule twice is paid twice.
fn overlap(looked: &Looked<'_>, sources: &[usize], sample: &Sample, places: &[String]) -> Finding {
    let policies: Vec<&Policy> = sources.iter().filter_map(|source| looked.sources[*source].policy()).collect();
    let names: BTreeSet<String> = policies.iter().map(|policy| plain(&policy.name)).collect();
    let same_rule = policies.windows(2).any(|pair| pair[0].retain == pair[1].retain);
    let origins: Vec<&str> = sources.iter().map(|source| looked.sources[*source].origin.as_str()).collect();
    let volumes = counted(sample.count, "volume");
    let named: Vec<String> = names.iter().cloned().collect();
    let (severity, why) = match (names.len(), same_rule) {
        (1, _) => (
            Severity::Warning,
            "One name is one set of snapshots: the rule of the newest rules those of all, whichever run made them",
        ),
        (_, true) => (Severity::Warning, "They have the same rule: each snapshot is taken, kept and paid twice"),
        (_, false) => (Severity::Notice, "They have different rules, which is fine where it is meant"),
    };
    Finding {
        severity,
        check: "overlaps",
        what: format!("{volumes} selected by {} policies: {}", policies.len(), named.join(", ")),
        at: format!("{}; {}", origins.join(", "), places.join(", ")),
        why: format!("{why}: {}.", sample.names()),
        advice: "write what one of them is to leave out into its `select.exclude_tags`".into(),
    }
}
