//! `snapkeep dlq list`: what is there, by cause.

use clap::Args;
use serde_json::json;
use shared::vocabulary::problem::shortened;

use super::causes::{Group, causes, causes_table, expiring};
use super::filters::Filters;
use super::letter::Letter;
use super::text::{about, ago, letters, meaning, what_next, word};
use super::{Desk, Found, Source};
use crate::plan::Output;
use crate::show::show;
use crate::table::{plain, table};
use crate::{Error, exit};

/// Show what is there, by cause. Nothing is hidden, nothing is lost.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filters: Filters,
    /// Each letter in a line of its own.
    #[arg(long, visible_alias = "all")]
    letters: bool,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let desk = self.source.open().await?;
        let found = desk.find(&self.filters).await?;
        match self.source.output {
            Output::Json => show(&json(&desk, &found)),
            Output::Table => show(&self.text(&desk, &found)),
        }
        Ok(exit::DONE)
    }

    fn text(&self, desk: &Desk, found: &Found) -> String {
        let groups = causes(&found.letters);
        let mut parts = vec![heading(desk, found, groups.len())];
        if !found.letters.is_empty() {
            parts.push(String::new());
            parts.push(match self.letters {
                true => letters_table(desk, &found.letters),
                false => causes_table(&groups, desk.mailbox.retention, desk.now),
            });
        }
        if !self.letters {
            parts.extend(groups.iter().map(why));
        }
        parts.push(String::new());
        parts.extend(expiring(&found.letters, desk.mailbox.retention, desk.now));
        parts.extend(found.warnings());
        parts.extend(self.next(found, &groups));
        parts.join("\n").trim_end().into()
    }

    fn next(&self, found: &Found, groups: &[Group<'_>]) -> Option<String> {
        let (first, letter) = (groups.first()?, found.letters.first()?);
        let (filters, code) = (&self.filters, word(first.code));
        Some(what_next(&[
            (format!("snapkeep dlq explain{filters}"), "still needed? EC2 is asked"),
            (format!("snapkeep dlq list --code {code} --letters"), "each letter of a cause"),
            (format!("snapkeep dlq show {}", word(letter.id())), "the oldest, with its history"),
            (format!("snapkeep dlq redrive{filters} --dry-run"), "what would be sent again"),
        ]))
    }
}

fn json(desk: &Desk, found: &Found) -> String {
    let (retention, now) = (desk.mailbox.retention, desk.now);
    let groups = causes(&found.letters);
    json!({
        "queue": desk.mailbox.queue.name(), "at": now, "read": found.of, "matching": found.letters.len(),
        "notes": found.notes, "causes": groups.iter().map(|group| group.json(retention, now)).collect::<Vec<_>>(),
        "letters": found.letters.iter().map(|letter| letter.json(retention, now)).collect::<Vec<_>>(),
    })
    .to_string()
}

pub(super) fn heading(desk: &Desk, found: &Found, causes: usize) -> String {
    let (name, count) = (desk.mailbox.queue.name(), found.letters.len());
    let at = desk.now.format("%Y-%m-%d %H:%M UTC");
    let causes = if causes == 1 { "1 cause".into() } else { format!("{causes} causes") };
    match (found.of, count) {
        (0, _) => format!("{name}: no dead letters, on {at}"),
        (of, 0) => format!("{name}: none of {} is meant by these filters, on {at}", letters(of)),
        (of, count) if of == count => format!("{name}: {} of {causes}, on {at}", letters(count)),
        (of, count) => format!("{name}: {count} of {} are meant, of {causes}, on {at}", letters(of)),
    }
}

/// What was said, what it means and what to do, under the code that stands in the table.
fn why(group: &Group<'_>) -> String {
    let (code, count) = (plain(&shortened(group.code, 60)), group.letters.len());
    let letters = if count == 1 { "letter" } else { "letters" };
    let message = plain(&shortened(&group.message, 300));
    let about = about(group.code).map(|about| format!("\n  {about}")).unwrap_or_default();
    let whereabouts = group.whereabouts();
    let (class, meaning) = (group.class, meaning(group.class));
    format!("\n{code}, {count} {letters}{whereabouts}\n  \"{message}\"{about}\n  {class}: {meaning}")
}

fn letters_table(desk: &Desk, all: &[Letter]) -> String {
    let heads = ["Job or message", "Volume", "Region", "Policy", "Code", "Age", "Left"];
    let rows = all.iter().map(|letter| {
        let job = letter.job.as_ref().ok();
        let of = |text: Option<&String>| text.map(|text| plain(text)).unwrap_or_default();
        [
            plain(letter.id()),
            of(job.map(|job| &job.volume)),
            of(job.map(|job| &job.region)),
            of(job.map(|job| &job.policy)),
            plain(&shortened(&letter.cause.code, 60)),
            ago(letter.age(desk.now)),
            ago(letter.expires(desk.mailbox.retention) - desk.now),
        ]
    });
    table(heads, &heads[5..], rows.collect())
}
