//! `snapkeep dlq drop`: letters that nobody will do are deleted, for a reason, and kept in a file.

mod dropping;
mod log;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::dropping::Dropping;
use super::filters::Filters;
use super::letter::Letter;
use super::needs::Now;
use super::preview::{Choice, Preview, WORDS};
use super::text::letters;
use super::{Judged, Source};
use crate::ask::confirmed;
use crate::plan::Output;
use crate::show::show;
use crate::{Error, exit};

/// Delete letters for a reason, and keep them in a file.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filters: Filters,
    /// Only letters that EC2 says this of now: gone, backed-up, under-way, done, needed, unknown.
    #[arg(long, value_name = "NEED", value_delimiter = ',', value_parser = WORDS.map(|(word, _)| word), help_heading = "Filters")]
    need: Vec<String>,
    /// Why nobody will do them. It is written into the file, and told to whoever reads the reports.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// All that are there.
    #[arg(long)]
    all: bool,
    /// Where the letters are kept, a line of JSON each. It is added to.
    #[arg(long, value_name = "FILE", default_value = "snapkeep-dropped.jsonl")]
    log: PathBuf,
    /// Only show.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        self.check()?;
        let desk = self.source.open().await?;
        let Judged { heading, letters: all, notes, .. } = desk.judge(&self.filters).await?;
        let preview = Preview { heading, choices: self.choose(all), notes };
        let count = preview.chosen().count();
        let is_json = self.source.output == Output::Json;
        if !is_json {
            show(&preview.text("is deleted", &self.told(&preview)));
        }
        if self.dry_run || count == 0 {
            if is_json {
                let nothing = json!({"dropped": 0});
                show(&json!({"dry_run": self.dry_run, "plan": preview.json(), "result": nothing}).to_string());
            }
            return Ok(exit::DONE);
        }
        if !self.yes && !confirmed(&format!("Delete {} for good?", letters(count)), &desk.mailbox.stop).await? {
            eprintln!("Nothing was deleted.");
            return Ok(exit::DONE);
        }
        let done = Dropping { desk: &desk, reason: &self.reason, log: &self.log }.apply(&preview.wanted()).await?;
        show(&match is_json {
            true => json!({"dry_run": false, "plan": preview.json(), "result": done.json(&self.log)}).to_string(),
            false => done.text(&self.log, count),
        });
        Ok(done.exit_code(count))
    }

    fn check(&self) -> Result<(), Error> {
        if self.filters.is_empty() && self.need.is_empty() && !self.all {
            const WHICH: &str =
                "nothing was deleted: say which with a filter, such as --code or --need; --all means all";
            return Err(Error::Usage(WHICH.into()));
        }
        match self.source.output == Output::Json && !self.yes && !self.dry_run {
            true => Err(Error::Usage("nothing was deleted: with --output json say --dry-run, or --yes".into())),
            false => Ok(()),
        }
    }

    fn choose(&self, all: Vec<(Letter, Now)>) -> Vec<Choice> {
        let is_meant = |now: &Now| self.need.is_empty() || self.need.iter().any(|need| need == now.word());
        let choices = all.into_iter().map(|(letter, now)| {
            let left = (!is_meant(&now)).then_some("not meant by --need");
            Choice { letter, now, left }
        });
        choices.collect()
    }

    fn told(&self, preview: &Preview) -> Vec<String> {
        let count = preview.chosen().count();
        if count == 0 {
            return vec!["Nothing is to be deleted.".into()];
        }
        let needed = preview.chosen().filter(|choice| choice.now.word() == "needed").count();
        let warning = (needed > 0)
            .then(|| format!("warning: {needed} of them are still needed: nobody will do what they ask for"));
        let told = format!("{} to delete; they are kept in {}", letters(count), self.log.display());
        warning.into_iter().chain([told]).collect()
    }
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why, in words".into()),
        text => Ok(text.into()),
    }
}
