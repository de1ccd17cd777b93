//! `snapkeep dlq explain`: which letters are still needed, by what EC2 says now.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;
use shared::vocabulary::problem::shortened;

use super::causes::expiring;
use super::filters::Filters;
use super::letter::Letter;
use super::needs::{Now, is_unasked, unasked};
use super::preview::WORDS;
use super::text::what_next;
use super::{Desk, Judged, Source, warnings};
use crate::plan::Output;
use crate::show::show;
use crate::table::{plain, table};
use crate::{Error, exit};

/// Ask EC2 which of them are still needed: gone, backed up since, under way, or needed.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filters: Filters,
    /// Each letter in a line of its own, with why; otherwise so only for a few.
    #[arg(long, visible_alias = "all")]
    letters: bool,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let desk = self.source.open().await?;
        let judged = desk.judge(&self.filters).await?;
        match self.source.output {
            Output::Json => show(&json(&desk, &judged)),
            Output::Table => show(&self.text(&desk, &judged)),
        }
        let is_whole = !judged.letters.iter().any(|(letter, now)| is_unasked(letter, now));
        Ok(if is_whole { exit::DONE } else { exit::PARTLY })
    }

    fn text(&self, desk: &Desk, judged: &Judged) -> String {
        let all = &judged.letters;
        let mut parts = vec![judged.heading.clone()];
        if !all.is_empty() {
            parts.extend([String::new(), summary(all), String::new(), self.rows(all)]);
        }
        let needed = all.iter().filter(|(_, now)| now.word() == "needed").map(|(letter, _)| letter);
        parts.extend(
            expiring(needed, desk.mailbox.retention, desk.now)
                .map(|warning| format!("{warning}; all of these are still needed")),
        );
        parts.extend(unasked(all.iter().map(|(letter, now)| (letter, now))));
        parts.extend(warnings(&judged.notes));
        parts.extend(self.next(all));
        parts.join("\n")
    }

    fn rows(&self, all: &[(Letter, Now)]) -> String {
        let mut sorted: Vec<&(Letter, Now)> = all.iter().collect();
        sorted.sort_by_key(|(_, now)| WORDS.iter().position(|(word, _)| *word == now.word()));
        if self.letters || all.len() <= FEW { letter_by_letter(&sorted) } else { by_cause(&sorted) }
    }

    fn next(&self, all: &[(Letter, Now)]) -> Option<String> {
        let has = |word: &str| all.iter().any(|(_, now)| now.word() == word);
        let filters = &self.filters;
        let mut commands = Vec::new();
        if has("needed") {
            commands.push((format!("snapkeep dlq redrive{filters}"), "send what is needed, after a look"));
        }
        let settled: Vec<&str> = ["gone", "backed-up", "done"].into_iter().filter(|word| has(word)).collect();
        if !settled.is_empty() {
            let words = settled.join(",");
            let drop = format!("snapkeep dlq drop{filters} --need {words} --reason 'not needed any more'");
            commands.push((drop, "delete what nobody needs"));
        }
        if !self.letters && all.len() > FEW {
            commands.push((format!("snapkeep dlq explain{filters} --letters"), "each letter, with why"));
        }
        (!commands.is_empty()).then(|| what_next(&commands))
    }
}

/// So few letters are shown one by one.
const FEW: usize = 20;

fn letter_by_letter(all: &[&(Letter, Now)]) -> String {
    let rows = all.iter().map(|(letter, now)| {
        let job = letter.job.as_ref().ok();
        let of = |text: Option<&String>| text.map(|text| plain(text)).unwrap_or_default();
        let volume = job.map(|job| &job.volume);
        [now.word().into(), plain(letter.id()), of(volume), of(job.map(|job| &job.region)), plain(now.why())]
    });
    table(["Need", "Job or message", "Volume", "Region", "Why"], &[], rows.collect())
}

/// How many of each need and code, and the first of them to look at.
fn by_cause(all: &[&(Letter, Now)]) -> String {
    let mut groups = Vec::<(usize, &Letter, &Now)>::new();
    for (letter, now) in all {
        let is_such = |group: &&mut (usize, &Letter, &Now)| {
            (group.2.word(), &group.1.cause.code) == (now.word(), &letter.cause.code)
        };
        match groups.iter_mut().find(is_such) {
            Some(group) => group.0 += 1,
            None => groups.push((1, letter, now)),
        }
    }
    let rows = groups.into_iter().map(|(count, letter, now)| {
        let code = plain(&shortened(&letter.cause.code, 60));
        [count.to_string(), now.word().into(), code, plain(letter.id())]
    });
    table(["Letters", "Need", "Code", "Such as"], &["Letters"], rows.collect())
}

fn json(desk: &Desk, judged: &Judged) -> String {
    let Judged { letters: all, of, notes, .. } = judged;
    let rows = all.iter().map(|(letter, now)| now.add_to(letter.json(desk.mailbox.retention, desk.now)));
    json!({
        "queue": desk.mailbox.queue.name(), "at": desk.now, "read": of, "matching": all.len(),
        "notes": notes, "needs": counts(all), "letters": rows.collect::<Vec<_>>(),
    })
    .to_string()
}

fn counts(all: &[(Letter, Now)]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    all.iter().for_each(|(_, now)| *counts.entry(now.word()).or_default() += 1);
    counts
}

fn summary(all: &[(Letter, Now)]) -> String {
    let counts = counts(all);
    let rows = WORDS.iter().filter_map(|(word, meaning)| {
        let count = counts.get(word)?;
        Some([count.to_string(), String::from(*word), String::from(*meaning)])
    });
    table(["Letters", "Need", "What it means"], &["Letters"], rows.collect())
}
