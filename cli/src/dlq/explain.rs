//! `snapkeep dlq explain`: which letters are still needed, by what EC2 says now.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::causes::expiring;
use super::filters::Filters;
use super::letter::Letter;
use super::list::heading;
use super::needs::{Now, needs};
use super::preview::WORDS;
use super::text::what_next;
use super::{Desk, Found, Source};
use crate::plan::{MOST_ROWS, Output};
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
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let desk = self.source.open().await?;
        let mut found = desk.find(&self.filters).await?;
        let heading = heading(&desk, &found, super::causes::causes(&found.letters).len());
        let all = needs(&desk.aws, std::mem::take(&mut found.letters), desk.now).await;
        match self.source.output {
            Output::Json => show(&json(&desk, &found, &all)),
            Output::Table => show(&self.text(&desk, &found, &all, heading)),
        }
        let is_whole = all.iter().all(|(letter, now)| letter.job.is_err() || matches!(now, Now::Known(_)));
        Ok(if is_whole { exit::DONE } else { exit::PARTLY })
    }

    fn text(&self, desk: &Desk, found: &Found, all: &[(Letter, Now)], heading: String) -> String {
        let mut parts = vec![heading];
        if !all.is_empty() {
            parts.extend([String::new(), summary(all), String::new(), self.rows(all)]);
        }
        let needed = all.iter().filter(|(_, now)| now.word() == "needed").map(|(letter, _)| letter);
        parts.extend(
            expiring(needed, desk.mailbox.retention, desk.now)
                .map(|warning| format!("{warning}; all of these are still needed")),
        );
        parts.extend(unasked(all));
        parts.extend(found.notes());
        parts.extend(self.next(all));
        parts.join("\n")
    }

    /// Letter by letter, those that are needed first.
    fn rows(&self, all: &[(Letter, Now)]) -> String {
        let mut sorted: Vec<&(Letter, Now)> = all.iter().collect();
        sorted.sort_by_key(|(_, now)| WORDS.iter().position(|(word, _)| *word == now.word()));
        let rows = sorted.iter().take(MOST_ROWS).map(|(letter, now)| {
            let job = letter.job.as_ref().ok();
            let of = |text: Option<&String>| text.map(|text| plain(text)).unwrap_or_default();
            let volume = job.map(|job| &job.volume);
            [now.word().into(), plain(letter.id()), of(volume), of(job.map(|job| &job.region)), plain(now.why())]
        });
        let table = table(["Need", "Job or message", "Volume", "Region", "Why"], &[], rows.collect());
        match all.len().saturating_sub(MOST_ROWS) {
            0 => table,
            more => format!("{table}\n and {more} more; `dlq explain --output json` has them all\n"),
        }
    }

    fn next(&self, all: &[(Letter, Now)]) -> Option<String> {
        let has = |word: &str| all.iter().any(|(_, now)| now.word() == word);
        let filters = &self.filters;
        let mut commands = Vec::new();
        if has("needed") {
            commands.push((format!("snapkeep dlq redrive{filters}"), "send what is needed again, after a look"));
        }
        let settled: Vec<&str> = ["gone", "backed-up", "done"].into_iter().filter(|word| has(word)).collect();
        if !settled.is_empty() {
            let words = settled.join(",");
            let drop = format!("snapkeep dlq drop{filters} --need {words} --reason 'not needed any more'");
            commands.push((drop, "delete what nobody needs"));
        }
        (!commands.is_empty()).then(|| what_next(&commands))
    }
}

fn json(desk: &Desk, found: &Found, all: &[(Letter, Now)]) -> String {
    let rows = all.iter().map(|(letter, now)| now.add_to(letter.json(desk.mailbox.retention, desk.now)));
    json!({
        "queue": desk.mailbox.queue.name(), "at": desk.now, "read": found.of, "matching": all.len(),
        "notes": found.notes, "needs": counts(all), "letters": rows.collect::<Vec<_>>(),
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

/// Why EC2 could not be asked, each reason once.
fn unasked(all: &[(Letter, Now)]) -> impl Iterator<Item = String> {
    let mut reasons = BTreeMap::<&str, usize>::new();
    for (_, now) in all.iter().filter(|(letter, _)| letter.job.is_ok()) {
        if let Now::Unknown(why) = now {
            *reasons.entry(why).or_default() += 1;
        }
    }
    reasons.into_iter().map(|(why, count)| format!("error: {count} unknown: {}", plain(why)))
}
