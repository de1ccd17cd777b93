//! Jobs that went to the dead-letter queue, by cause.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use shared::vocabulary::class::Class;
use shared::vocabulary::job::Action;
use shared::vocabulary::report::DeadLetter;
use shared::vocabulary::slot::Slot;

use super::look::{Place, look};
use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, command, counted, line, name, named, plain, time, word};

/// Causes that are told in full. The rest is counted.
const MOST_CAUSES: usize = 20;
/// Commands for as many causes and slots.
const MOST_COMMANDS: usize = 5;

/// The jobs of one policy and action.
pub(super) fn section(policy: &str, action: Action, letters: &[DeadLetter]) -> Section {
    let headline = format!("{} {}", counted(volumes(letters), "volume"), undone(action));
    let causes = causes(letters);
    let mut text = format!("Policy {}: {headline}.\n", plain(policy, 127));
    for (code, letters) in causes.iter().take(MOST_CAUSES) {
        text.push_str(&cause(code, letters));
    }
    if let Some(more @ [_, ..]) = causes.get(MOST_CAUSES..) {
        let letters: usize = more.iter().map(|(_, letters)| letters.len()).sum();
        let _ = writeln!(text, "\nAnd {}, of {}.", counted(more.len(), "more cause"), counted(letters, "job"));
    }
    text.push_str(&what_next(policy, &causes));
    text.push_str(&without_a_queue(action, letters));
    Section { severity: Severity::Error, headline, text }
}

fn undone(action: Action) -> &'static str {
    match action {
        Action::Snapshot => "not backed up",
        Action::Prune => "not pruned",
    }
}

/// The letters by AWS's code, most volumes first, and each cause's in an order that does not depend on SQS.
fn causes(letters: &[DeadLetter]) -> Vec<(&str, Vec<&DeadLetter>)> {
    let mut causes = BTreeMap::<&str, Vec<&DeadLetter>>::new();
    letters.iter().for_each(|letter| causes.entry(&letter.failure.code).or_default().push(letter));
    for letters in causes.values_mut() {
        letters.sort_by_key(|letter| (&letter.account, &letter.region, &letter.volume, letter.slot));
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_cached_key(|(_, letters)| Reverse(volumes(letters.iter().copied())));
    causes
}

fn volumes<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> usize {
    letters.into_iter().map(|letter| (&letter.account, &letter.region, &letter.volume)).collect::<BTreeSet<_>>().len()
}

/// The volumes that failed with `code`. A message that all have in common is said once; others, such as AWS's encoded
/// authorization messages, stand beside their volumes.
fn cause(code: &str, letters: &[&DeadLetter]) -> String {
    let messages: BTreeSet<&str> = letters.iter().map(|letter| letter.failure.message.as_str()).collect();
    let common = messages.first().filter(|_| messages.len() == 1);
    let head = common.map(|message| format!(": {}", plain(message, LONGEST_REASON))).unwrap_or_default();
    let lines = named(letters, |letter| match common {
        Some(_) => job(letter),
        None => format!("{}: {}", job(letter), plain(&letter.failure.message, 200)),
    });
    let Some(first) = letters.first() else { return String::new() };
    let count = counted(volumes(letters.iter().copied()), "volume");
    let meaning = letters.iter().find_map(|letter| letter.failure.class).map(meaning);
    let meaning = meaning.map(|meaning| format!(": {meaning}")).unwrap_or_default();
    let place = Place { action: first.action, region: &first.region, volume: Some(&first.volume) };
    format!("\n{}{head}\n  {count}{meaning}\n{lines}  Look: {}\n", plain(code, 100), look(code, place))
}

/// What a job of this class has behind it when it is a dead letter.
fn meaning(class: Class) -> &'static str {
    match class {
        Class::Throttle => "AWS took no more calls until it was too late",
        Class::Quota => "a limit that did not pass in time",
        Class::Transient => "tried again until it had to end",
        Class::Ambiguous => "no clear answer, and each time nothing was there",
        Class::Permanent => "no retry mends it, the volume or its key must be changed",
        Class::Configuration => "no retry mends it, a permission, a key or a quota must be changed",
        Class::AlreadyDone => "it was gone, and came back",
        Class::Poison => "the job itself is wrong",
    }
}

fn job(letter: &DeadLetter) -> String {
    let DeadLetter { volume, region, account, attempts, failure, slot, .. } = letter;
    let name = letter.name.as_deref().filter(|name| name != volume);
    let name = name.map(|name| format!(" \"{}\"", plain(name, 60))).unwrap_or_default();
    let instance = letter.instance.as_deref().map(|id| format!(" of {id}")).unwrap_or_default();
    let attempts = counted(*attempts as usize, "attempt");
    let gave_up = failure.gave_up.map(|at| format!(", gave up at its deadline {}", time(at))).unwrap_or_default();
    line(&format!(
        "{volume}{name}{instance} in {region}, account {account}: slot {slot}, {attempts}, failing since {}{gave_up}",
        time(failure.first)
    ))
}

fn what_next(policy: &str, causes: &[(&str, Vec<&DeadLetter>)]) -> String {
    let policy = name(policy, "POLICY");
    let mut text =
        "\nThe jobs are in the dead-letter queue with these reasons; nothing is tried again by itself. See them:\n"
            .into();
    command(&mut text, &format!("snapkeep dlq list --policy {policy}"));
    text.push_str("When a cause is mended, send its jobs back:\n");
    for (code, _) in causes.iter().take(MOST_COMMANDS) {
        command(&mut text, &format!("snapkeep dlq redrive --policy {policy} --code {}", name(code, "CODE")));
    }
    text
}

/// For whoever has no deployed stack at hand.
fn without_a_queue(action: Action, letters: &[DeadLetter]) -> String {
    let Some(first) = letters.first() else { return String::new() };
    let mut text = String::new();
    if action == Action::Prune {
        text.push_str("Nothing is lost: the next run that prunes finds the same snapshots. See what it would do:\n");
        command(&mut text, &format!("snapkeep prune --dry-run --regions {}", word(&first.region, "REGION")));
        return text;
    }
    let slots: BTreeSet<Slot> = letters.iter().map(|letter| letter.slot).collect();
    text.push_str("Or take what is missing, and only that, from the policy's file:\n");
    for slot in slots.iter().take(MOST_COMMANDS) {
        command(&mut text, &format!("snapkeep run --file {}.json --slot {slot}", word(&first.policy, "policy")));
    }
    text
}
