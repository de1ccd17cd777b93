//! Whatever lies in a queue, a schedule or a tag: nothing panics, nothing is half-read, and what is refused is refused in
//! a few words.
//!
//! An hour of all of them side by side:
//! `SNAPKEEP_FUZZ_SECONDS=3600 cargo test --workspace --test fuzz -- --nocapture --test-threads 16`.
//! Without it a thousand cases each, or as many as `PROPTEST_CASES` says. The fuzzers that there are for Rust need a
//! nightly compiler; here proptest changes valid messages, and each target says how many of its inputs must get past the
//! first check, and how many must be taken.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot happen fails it")]

mod events;
mod hostile;
mod jobs;
mod mails;
mod mutation;
mod policies;
mod tags;
mod words;

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use shared::vocabulary::problem::{Problem, shortened};

/// How far an input came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Refused at the door.
    Nothing,
    /// Past the first check.
    Inside,
    /// Taken for what it says that it is.
    TheEnd,
}

/// How many of a hundred inputs must get past the first check, and how many must be taken: a fuzzer that only ever sees
/// refusals proves nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    pub inside: usize,
    pub the_end: usize,
}

/// Cases of a round.
const ROUND: u32 = 1000;

/// Checks values of `strategy`: one round, or round after round until the time is over.
#[expect(clippy::disallowed_methods, reason = "an hour by the clock on the wall")]
pub(crate) fn fuzz<S: Strategy>(
    target: &str,
    strategy: &S,
    least: Least,
    check: impl Fn(S::Value) -> Result<Reached, TestCaseError>,
) {
    let (started, time) = (Instant::now(), time());
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 || time.is_some() { ROUND } else { default.cases };
    let [tried, inside, the_end] = [const { Cell::new(0_usize) }; 3];
    let count = |cell: &Cell<usize>| cell.set(cell.get() + 1);
    let told = Cell::new(Instant::now());
    loop {
        // What is found becomes a test with a name.
        let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let result = TestRunner::new(config).run(strategy, |value| {
            let reached = check(value)?;
            count(&tried);
            if reached != Reached::Nothing {
                count(&inside);
            }
            if reached == Reached::TheEnd {
                count(&the_end);
            }
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, value)) => {
                panic!("{target}: {reason}\n{}", shortened(&format!("{value:?}"), 5000))
            }
            Err(TestError::Abort(reason)) => panic!("{target}: {reason}"),
        }
        let is_over = time.is_none_or(|time| started.elapsed() >= time);
        let is_a_minute = told.get().elapsed() >= Duration::from_secs(60);
        if is_over || is_a_minute {
            let (tried, inside, the_end) = (tried.get(), inside.get(), the_end.get());
            let share = |count: usize| count * 100 / tried;
            eprintln!(
                "{target}: {tried} cases in {} s, {} % past the first check, {} % taken",
                started.elapsed().as_secs(),
                share(inside),
                share(the_end)
            );
            told.set(Instant::now());
            if is_over {
                assert!(share(inside) >= least.inside && share(the_end) >= least.the_end, "{target}: {least:?}");
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: whoever starts the test says for how long")]
fn time() -> Option<Duration> {
    std::env::var("SNAPKEEP_FUZZ_SECONDS").ok().map(|text| Duration::from_secs(text.parse().unwrap()))
}

/// What is refused is refused by a field, in words that fit into a mail.
pub(crate) fn check_refusal(problem: &Problem) -> Result<(), TestCaseError> {
    let is_named = !problem.field.is_empty() || problem.found == "not a known field";
    prop_assert!(is_named && !problem.found.is_empty() && !problem.allowed.is_empty(), "{problem:?}");
    let length = problem.to_string().chars().count();
    prop_assert!(length <= 1500, "{length} characters: {}", shortened(&problem.to_string(), 2000));
    Ok(())
}

/// SQS takes the characters of XML 1.0, and a mebibyte of them.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub(crate) fn is_sqs_text(text: &str) -> bool {
    let is_allowed =
        |c: char| matches!(c as u32, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x10000..=0x10FFFF);
    text.chars().all(is_allowed)
}
