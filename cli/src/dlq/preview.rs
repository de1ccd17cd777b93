//! What would become of which letters, before anything does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::vocabulary::class::Class;
use shared::vocabulary::problem::shortened;

use super::letter::Letter;
use super::needs::{self, Now};
use crate::table::{plain, table};

/// Every need and what it means, the one that asks for something first.
pub(crate) const WORDS: [(&str, &str); 6] = [
    ("needed", "nobody has done it since: redrive it when its cause is mended"),
    ("unknown", "EC2 could not be asked, or the letter cannot be read"),
    ("under-way", "a snapshot of it, or of a later slot, is being made: look again later"),
    ("backed-up", "it, or a later slot of its policy and volume, has a completed snapshot"),
    ("done", "no rule lets go anything of its policy and volume any more"),
    ("gone", "the volume was deleted: there is nothing left to back up"),
];

/// A letter, what EC2 says of it, and why it is left out, if it is.
#[derive(Debug)]
pub(crate) struct Choice {
    pub letter: Letter,
    pub now: Now,
    pub left: Option<&'static str>,
}

/// The message ids of the letters that are not left out, the oldest first.
pub(crate) fn chosen(choices: &[Choice]) -> impl Iterator<Item = &Choice> {
    choices.iter().filter(|choice| choice.left.is_none())
}

/// Why EC2 could not be asked about some of them.
pub(crate) fn unasked(choices: &[Choice]) -> Vec<String> {
    needs::unasked(choices.iter().map(|choice| (&choice.letter, &choice.now)))
}

/// How many by need and cause, those that go first.
pub(crate) fn preview(choices: &[Choice], goes: &str) -> String {
    let heads = ["Letters", "Need", "Code", "What happens"];
    let rows = counts(choices).into_iter().map(|((left, need, _, code), count)| {
        let happens = left.map_or(String::from(goes), |why| format!("stays: {why}"));
        [count.to_string(), need.into(), plain(&shortened(code, 60)), happens]
    });
    table(heads, &heads[..1], rows.collect())
}

/// The same for programs.
pub(crate) fn preview_json(choices: &[Choice]) -> Vec<Value> {
    let rows = counts(choices).into_iter().map(|((left, need, class, code), count)| {
        json!({"letters": count, "need": need, "class": class, "code": code, "left_out": left})
    });
    rows.collect()
}

type Row<'a> = (Option<&'static str>, &'static str, Class, &'a str);

fn counts(choices: &[Choice]) -> BTreeMap<Row<'_>, usize> {
    let mut counts = BTreeMap::new();
    for Choice { letter, now, left } in choices {
        *counts.entry((*left, now.word(), letter.cause.class, letter.cause.code.as_str())).or_default() += 1;
    }
    counts
}
