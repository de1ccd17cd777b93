//! Snapshots against the Region's quota, now and as these policies go on.

use chrono::TimeDelta;
use shared::rules::stock::DEFAULT_QUOTA;
use shared::vocabulary::policy::Retention;
use shared::vocabulary::retain::RetainRule;

use super::Looked;
use super::finding::{Finding, Severity};
use super::seen::Seen;
use super::steady::kept_after;
use super::words::thousands;

/// So far ahead it is looked: ten years.
const AHEAD_DAYS: u32 = 3660;
/// A quota that is used to so many percent is told.
const NEARLY: usize = 80;

/// How one policy goes on in a Region.
struct Growing<'a> {
    rule: &'a RetainRule,
    gap: TimeDelta,
    volumes: f64,
    /// After so many days it would have as many as it has now.
    since: u32,
}

/// Each Region whose quota does not suffice.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    looked.seen.iter().filter_map(|seen| of_place(looked, seen)).collect()
}

/// A line for each Region with snapshots, the fullest first: what there is, and what it will come to.
pub(crate) fn figures(looked: &Looked<'_>, most: usize) -> Vec<String> {
    let mut places: Vec<&Seen> = looked.seen.iter().filter(|seen| was_read(seen)).collect();
    places.retain(|seen| seen.snapshots.all > 0 || !growing(looked, seen).is_empty());
    places.sort_by_key(|seen| std::cmp::Reverse(seen.snapshots.all * 1000 / limit(seen)));
    let figures = places.into_iter().take(most).map(|seen| {
        let (there, limit) = (thousands(seen.snapshots.all), thousands(limit(seen)));
        let growing = growing(looked, seen);
        let will = match growing.is_empty() {
            true => "where it goes nobody knows without a schedule".into(),
            false => format!("about {} in a year", thousands(after(seen, &growing, 365))),
        };
        format!("{}: {there} of {limit} snapshots, {will}", seen.name())
    });
    figures.collect()
}

fn of_place(looked: &Looked<'_>, seen: &Seen) -> Option<Finding> {
    let (there, limit, growing) = (seen.snapshots.all, limit(seen), growing(looked, seen));
    if !was_read(seen) {
        return None;
    }
    let passes = (0..AHEAD_DAYS).find(|day| after(seen, &growing, *day) >= limit);
    let day = passes.map(|days| (looked.now + TimeDelta::days(days.into())).format("%Y-%m-%d"));
    let (severity, what) = match day {
        _ if there >= limit => (Severity::Error, format!("{} snapshots of {}", thousands(there), thousands(limit))),
        Some(day) => {
            let what = format!(
                "{} snapshots of {}: full about {day}, if these policies go on",
                thousands(there),
                thousands(limit)
            );
            (Severity::Warning, what)
        }
        None if there * 100 >= limit * NEARLY => {
            (Severity::Warning, format!("{} snapshots of {}", thousands(there), thousands(limit)))
        }
        None => return None,
    };
    let region = &seen.place.region;
    Some(Finding {
        severity,
        check: "quota",
        what,
        at: seen.name(),
        why:
            "At the quota EC2 takes no snapshot more (SnapshotLimitExceeded), and the lane is held. Keep less, or ask \
              for more:"
                .into(),
        advice: format!(
            "aws service-quotas request-service-quota-increase --region {region} --service-code ebs \
             --quota-code L-309BACF6 --desired-value {}",
            limit * 2
        ),
    })
}

/// The quota, or the one that every account begins with.
fn limit(seen: &Seen) -> usize {
    seen.quota.as_ref().and_then(|quota| quota.as_ref().ok()).copied().flatten().unwrap_or(DEFAULT_QUOTA).max(1)
}

/// A count of half a Region is none.
fn was_read(seen: &Seen) -> bool {
    seen.errors.is_empty()
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn growing<'a>(looked: &Looked<'a>, seen: &Seen) -> Vec<Growing<'a>> {
    let of_policy =
        seen.policies.iter().filter(|(_, selected)| selected.volumes > 0).filter_map(|(index, selected)| {
            let source = &looked.sources[*index];
            let (policy, rhythm) = (source.policy()?, source.rhythm(looked.now)?);
            let Retention::Rule(rule) = &policy.retain else { return None };
            let (gap, volumes) = (rhythm.shortest, selected.volumes as f64);
            let there = seen.snapshots.ours.get(&policy.name).copied().unwrap_or_default() as f64;
            let is_reached = |days: &u32| kept_after(rule, gap, f64::from(*days)) * volumes >= there;
            Some(Growing { rule, gap, volumes, since: (0..AHEAD_DAYS).find(is_reached).unwrap_or(AHEAD_DAYS) })
        });
    of_policy.collect()
}

/// How many snapshots there will be: those of these policies as their rules say, and the others as they are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "counts")]
fn after(seen: &Seen, growing: &[Growing<'_>], days: u32) -> usize {
    let then = |one: &Growing<'_>, days: u32| kept_after(one.rule, one.gap, f64::from(one.since + days)) * one.volumes;
    let more: f64 = growing.iter().map(|one| then(one, days) - then(one, 0)).sum();
    (seen.snapshots.all as f64 + more).round().max(0.0) as usize
}
