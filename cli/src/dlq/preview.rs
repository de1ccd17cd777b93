//! What would become of which letters, before anything does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::vocabulary::class::Class;
use shared::vocabulary::problem::shortened;

use super::letter::Letter;
use super::needs::{Now, unasked};
use super::warnings;
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

/// What a person is shown, and what is done of it and of nothing else.
pub(crate) struct Preview {
    pub heading: String,
    /// The oldest first.
    pub choices: Vec<Choice>,
    pub notes: Vec<String>,
}

impl Preview {
    /// The letters that go.
    pub fn chosen(&self) -> impl Iterator<Item = &Choice> {
        self.choices.iter().filter(|choice| choice.left.is_none())
    }

    /// Their message ids.
    pub fn wanted(&self) -> BTreeSet<String> {
        self.chosen().map(|choice| choice.letter.message.id.clone()).collect()
    }

    /// How many by need and cause, those that go first.
    pub fn text(&self, goes: &str, told: &[String]) -> String {
        let heads = ["Letters", "Need", "Code", "What happens"];
        let rows = self.counts().into_iter().map(|((left, need, _, code), count)| {
            let happens = left.map_or(String::from(goes), |why| format!("stays: {why}"));
            [count.to_string(), need.into(), plain(&shortened(code, 60)), happens]
        });
        let mut parts = vec![self.heading.clone(), String::new()];
        if !self.choices.is_empty() {
            parts.extend([table(heads, &heads[..1], rows.collect()), String::new()]);
        }
        parts.extend(unasked(self.choices.iter().map(|choice| (&choice.letter, &choice.now))));
        parts.extend(warnings(&self.notes));
        parts.extend_from_slice(told);
        parts.join("\n")
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let rows = self.counts().into_iter().map(|((left, need, class, code), count)| {
            json!({"letters": count, "need": need, "class": class, "code": code, "left_out": left})
        });
        json!({"count": self.chosen().count(), "rows": rows.collect::<Vec<_>>(), "notes": self.notes})
    }

    fn counts(&self) -> BTreeMap<Row<'_>, usize> {
        let mut counts = BTreeMap::new();
        for Choice { letter, now, left } in &self.choices {
            *counts.entry((*left, now.word(), letter.cause.class, letter.cause.code.as_str())).or_default() += 1;
        }
        counts
    }
}

type Row<'a> = (Option<&'static str>, &'static str, Class, &'a str);
