//! Runs that could not be planned, or not everywhere.

use std::collections::BTreeSet;

use shared::vocabulary::policy::Prune;
use shared::vocabulary::report::Planning;

use super::section::{Section, Severity};
use super::text::{command, listed, plain, word};

/// Several for each Region, each about something else.
const MOST_PROBLEMS: usize = 100;

/// What is wrong with the policy, or with the places that it names.
pub(super) fn section(policy: &str, failures: &[Planning]) -> Option<Section> {
    failures.first()?;
    let about = if policy.is_empty() { "A policy".into() } else { format!("Policy {}", plain(policy, 127)) };
    let problems: BTreeSet<String> =
        failures.iter().flat_map(|failure| failure.problems.iter().map(|problem| plain(problem, 1000))).collect();
    let problems: Vec<String> = problems.into_iter().collect();
    let mut text = format!(
        "{about}: a run could not be planned everywhere.\n\n{}",
        listed(&problems, MOST_PROBLEMS, String::clone)
    );
    text.push_str("\nWhat was planned goes on. See what the policy selects, and what is wrong with it:\n");
    match policy {
        Prune::NAME => command(&mut text, "snapkeep prune --dry-run"),
        policy => command(&mut text, &format!("snapkeep plan --file {}.json", word(policy, "policy"))),
    }
    let slots: BTreeSet<_> = failures.iter().filter_map(|failure| failure.slot).collect();
    if let (Some(slot), false) = (slots.first(), policy == Prune::NAME) {
        text.push_str("When it is mended, take what is missing, and only that:\n");
        command(&mut text, &format!("snapkeep run --file {}.json --slot {slot}", word(policy, "policy")));
    }
    Some(Section { severity: Severity::Error, headline: "run not planned everywhere".into(), text })
}
