//! Caps that stop a prune at which nothing is wrong.

use shared::vocabulary::policy::{Prune, Retention};

use super::Looked;
use super::finding::{Finding, Severity};
use super::seen::Seen;
use super::source::Source;
use super::steady::{in_days, kept};
use super::words::thousands;

/// Each place in which a steady state trips the cap.
pub(crate) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let pruning =
        looked.sources.iter().enumerate().filter_map(|(index, source)| Some((index, source, source.prune()?)));
    let findings = pruning.flat_map(|(index, source, prune)| {
        let here = looked.seen.iter().filter(move |seen| seen.sources.contains(&index));
        here.filter_map(move |seen| of_place(looked, source, prune, seen))
    });
    findings.collect()
}

/// As many expire between two prunes as are taken between them.
fn of_place(looked: &Looked<'_>, source: &Source, prune: &Prune, seen: &Seen) -> Option<Finding> {
    let between = in_days(source.rhythm(looked.now)?.longest);
    let (mut expire, mut stay) = (0.0, 0.0);
    for (index, selected) in &seen.policies {
        let taking = &looked.sources[*index];
        let (Some(policy), Some(rhythm)) = (taking.policy(), taking.rhythm(looked.now)) else { continue };
        let Retention::Rule(rule) = &policy.retain else { continue };
        let Some(kept) = kept(rule, rhythm.shortest) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a count of volumes")]
        let volumes = selected.volumes as f64;
        expire += volumes * between / in_days(rhythm.shortest);
        stay += volumes * kept;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of snapshots")]
    let (expire, there) = (expire.round() as usize, (expire + stay).round() as usize);
    let most = prune.cap.most(there);
    (expire > most).then(|| Finding {
        severity: Severity::Warning,
        check: "cap",
        what: format!(
            "about {} of {} snapshots expire in each prune, and its cap allows {}",
            thousands(expire),
            thousands(there),
            thousands(most)
        ),
        at: format!("{}; {}", source.origin, seen.name()),
        why: "Where more would go, nothing goes: the snapshots pile up, and each prune sends a mail.".into(),
        advice: format!("\"cap\": {{\"count\": {}, \"percent\": {}}}", expire * 3 / 2, prune.cap.percent),
    })
}
