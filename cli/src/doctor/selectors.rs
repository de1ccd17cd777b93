//! Policies that select nothing, tags that look like typos, and tags that are no retain rule.

use std::collections::BTreeMap;

use shared::vocabulary::policy::{Policy, Regions, Retention};
use shared::vocabulary::selection::Resource;
use shared::vocabulary::tag;

use super::Looked;
use super::finding::{Finding, Severity};
use super::near::{Likeness, Near};
use super::words::{Sample, counted, tag_shown};
use crate::dlq::text::word;
use crate::table::plain;

/// All of them.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, source) in looked.sources.iter().enumerate() {
        if let Some(policy) = source.policy() {
            findings.extend(nothing(looked, index, policy, &source.origin));
        }
    }
    findings.extend(typos(looked));
    findings.extend(unread(looked));
    findings
}

/// What was read only in part says nothing about what is not there.
fn nothing(looked: &Looked<'_>, index: usize, policy: &Policy, origin: &str) -> Option<Finding> {
    let of_policy = looked.seen.iter().filter_map(|seen| Some((seen, seen.policies.get(&index)?)));
    let of_policy: Vec<_> = of_policy.collect();
    let empty: Vec<String> = of_policy
        .iter()
        .filter(|(seen, selected)| seen.errors.is_empty() && selected.volumes == 0)
        .map(|(seen, _)| seen.name())
        .collect();
    let name = plain(&policy.name);
    let (key, value) = policy.select.tags.0.iter().next().map_or(("", None), |(key, values)| (key, values.first()));
    let region = of_policy.first().map_or("", |(seen, _)| seen.place.region.as_str());
    let kind = match policy.select.resource {
        Resource::Instance => "instance",
        Resource::Volume(_) => "volume",
    };
    let advice = format!(
        "aws ec2 describe-tags --region {region} --filters Name=resource-type,Values={kind} Name=key,Values={}",
        word(key)
    );
    let wanted = match value {
        Some(value) => tag_shown(key, value),
        None => format!("the tag {}", plain(key)),
    };
    if !empty.is_empty() && empty.len() == of_policy.len() {
        return Some(Finding {
            severity: Severity::Error,
            check: "selectors",
            what: format!("{name} selects nothing: no {kind} with a volume has {wanted}"),
            at: origin.into(),
            why: "It plans no job, and nobody gets a mail about that. Keys and values are case-sensitive.".into(),
            advice,
        });
    }
    let names_them = matches!(policy.regions, Some(Regions::These(_)));
    (names_them && !empty.is_empty()).then(|| Finding {
        severity: Severity::Notice,
        check: "selectors",
        what: format!("{name} selects nothing in {}", empty.join(", ")),
        at: origin.into(),
        why: "It names this Region, and finds nothing there.".into(),
        advice: "leave the Region out of `regions`, or tag what is to be backed up there".into(),
    })
}

/// Each typo once, with all the places in which it is.
fn typos(looked: &Looked<'_>) -> Vec<Finding> {
    let mut all = BTreeMap::<&Near, (Sample, Vec<String>)>::new();
    for seen in looked.seen {
        for (near, sample) in &seen.near {
            let (all, places) = all.entry(near).or_default();
            all.merge(sample);
            places.push(seen.name());
        }
    }
    let is_told = |(near, (sample, _)): &(&Near, (Sample, Vec<String>))| {
        // A word that as many have as have the right one is another word.
        near.likeness < Likeness::Letter
            || sample.count * 2 <= exact(looked, near.source)
            || exact(looked, near.source) == 0
    };
    all.into_iter().filter(is_told).map(|(near, (sample, places))| typo(looked, near, &sample, &places)).collect()
}

/// How many have the tags as the policy wants them.
fn exact(looked: &Looked<'_>, source: usize) -> usize {
    looked.seen.iter().filter_map(|seen| seen.policies.get(&source)).map(|selected| selected.exact).sum()
}

fn typo(looked: &Looked<'_>, near: &Near, sample: &Sample, places: &[String]) -> Finding {
    let source = &looked.sources[near.source];
    let policy = source.policy();
    let kind = match policy.map(|policy| policy.select.resource) {
        Some(Resource::Volume(_)) => "volume",
        _ => "instance",
    };
    let (key, value) = &near.found;
    let (wanted_key, wanted_value) = &near.wanted;
    let wanted_value = wanted_value.as_ref().unwrap_or(value);
    let wanted = tag_shown(wanted_key, wanted_value);
    let name = policy.map(|policy| plain(&policy.name)).unwrap_or_default();
    let region = places.first().and_then(|place| place.split(' ').nth(1)).unwrap_or_default();
    let first = sample.first.first().map(String::as_str).unwrap_or_default();
    Finding {
        severity: Severity::Warning,
        check: "typos",
        what: format!("{} with {}, and {name} selects {wanted}", counted(sample.count, kind), tag_shown(key, value)),
        at: places.join(", "),
        why: format!("Not backed up by {name}: {}.", sample.names()),
        advice: format!(
            "aws ec2 create-tags --region {region} --resources {first} --tags {}",
            word(&format!("Key={wanted_key},Value={wanted_value}"))
        ),
    }
}

/// Tags that were meant to be a rule.
fn unread(looked: &Looked<'_>) -> Vec<Finding> {
    // Of several policies that read the same tag of the same instances, one is enough.
    let mut all = BTreeMap::<(&str, &str), (usize, Sample, Vec<String>)>::new();
    for seen in looked.seen {
        for ((source, key, value), sample) in &seen.unread {
            let (first, all, places) =
                all.entry((key.as_str(), value.as_str())).or_insert_with(|| (*source, Sample::default(), Vec::new()));
            if *first == *source {
                all.merge(sample);
                places.push(seen.name());
            }
        }
    }
    let findings = all.into_iter().map(|((key, value), (source, sample, places))| {
        let policy = looked.sources[source].policy();
        let name = policy.map(|policy| plain(&policy.name)).unwrap_or_default();
        let keyword = policy.and_then(|policy| match &policy.retain {
            Retention::CountInTag(keyword) => Some(keyword.as_str()),
            Retention::Rule(_) => None,
        });
        let fate = match keyword {
            Some(_) => "Their snapshots are kept until it is the number of those to keep",
            None => "The policy's rule is used; allowed is a number of days, or any retain rule",
        };
        let region = places.first().and_then(|place| place.split(' ').nth(1)).unwrap_or_default();
        let first = sample.first.first().map(String::as_str).unwrap_or_default();
        Finding {
            severity: Severity::Warning,
            check: "retention-tags",
            what: format!("{} with {}, which is no rule", counted(sample.count, "instance"), tag_shown(key, value)),
            at: places.join(", "),
            why: format!("{name} reads it. {fate}: {}.", sample.names()),
            advice: format!(
                "aws ec2 create-tags --region {region} --resources {first} --tags {}",
                word(&format!("Key={},Value=7", keyword.unwrap_or(tag::RETENTION)))
            ),
        }
    });
    findings.collect()
}
