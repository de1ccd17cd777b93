//! `snapkeep dlq drop`: letters that nobody will do are deleted, for a reason, and kept in a file.
//!
//! In this order: onto the disk, told to whoever reads the reports, deleted. Where one of them fails, the next is not
//! begun.

mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use shared::aws::sqs::{Message, Received};
use shared::vocabulary::report::{self, Dropped, Report};

use self::log::Log;
use super::ask::confirmed;
use super::filters::Filters;
use super::letter::Letter;
use super::list::heading;
use super::mailbox::{HIDDEN, Taken};
use super::needs::{Now, needs};
use super::preview::{Choice, WORDS, chosen, preview, preview_json, unasked};
use super::text::letters;
use super::{Desk, Source, failed};
use crate::plan::Output;
use crate::show::show;
use crate::table::plain;
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
        let mut found = desk.find(&self.filters).await?;
        let heading = heading(&desk, &found, super::causes::causes(&found.letters).len());
        let all = needs(&desk.aws, std::mem::take(&mut found.letters), desk.now).await;
        let choices = self.choose(all);
        let count = chosen(&choices).count();
        let plan = json!({"to_drop": count, "preview": preview_json(&choices), "notes": found.notes});

        if self.source.output == Output::Table {
            let mut parts = vec![heading, String::new()];
            if !choices.is_empty() {
                parts.extend([preview(&choices, "is deleted"), String::new()]);
            }
            parts.extend(unasked(&choices));
            parts.extend(found.notes());
            parts.push(self.told(&choices));
            show(&parts.join("\n"));
        }
        if self.dry_run || count == 0 {
            if self.source.output == Output::Json {
                show(&json!({"dry_run": self.dry_run, "plan": plan, "result": {"dropped": 0}}).to_string());
            }
            return Ok(exit::DONE);
        }
        if !self.yes && !confirmed(&format!("Delete {} for good?", letters(count)), &desk.mailbox.stop).await? {
            eprintln!("Nothing was deleted.");
            return Ok(exit::DONE);
        }
        let done = self.apply(&desk, &choices).await?;
        match self.source.output {
            Output::Json => show(&json!({"dry_run": false, "plan": plan, "result": done.json(&self)}).to_string()),
            Output::Table => show(&done.text(&self, count)),
        }
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

    fn told(&self, choices: &[Choice]) -> String {
        let count = chosen(choices).count();
        if count == 0 {
            return "Nothing is to be deleted.".into();
        }
        let needed = chosen(choices).filter(|choice| choice.now.word() == "needed").count();
        let warning = match needed {
            0 => String::new(),
            needed => format!("warning: {needed} of them are still needed: nobody will do what they ask for\n"),
        };
        format!("{warning}{} to delete; they are kept in {}", letters(count), self.log.display())
    }

    /// Nothing is deleted before all of it is on the disk and was told.
    async fn apply(&self, desk: &Desk, choices: &[Choice]) -> Result<Done, Error> {
        let log = Log::open(&self.log, desk, &self.reason)?;
        let wanted: BTreeSet<&str> = chosen(choices).map(|choice| choice.letter.message.id.as_str()).collect();
        let mut held = BTreeMap::<String, Received>::new();
        let take = async |batch: Vec<Received>| {
            let meant = batch.into_iter().filter(|message| wanted.contains(message.id.as_str()));
            let meant: Vec<(String, Received)> = meant.map(|message| (message.id.clone(), message)).collect();
            let done = meant.iter().map(|(id, _)| id.clone()).collect();
            held.extend(meant);
            Taken { done, is_enough: held.len() == wanted.len() }
        };
        let ended = desk.mailbox.pass(HIDDEN, take).await;
        let held: Vec<Letter> = held.into_values().map(Letter::read).collect();
        let may_go_on = match &ended {
            Ok(_) if desk.mailbox.stop.is_set() => Err(Error::Failed("stopped; nothing was deleted".into())),
            Ok(_) => self.write_down(desk, log, &held).await,
            Err(error) => Err(failed(error.clone())),
        };
        let handles: Vec<&str> = held.iter().map(|letter| letter.message.receipt_handle.as_str()).collect();
        if let Err(error) = may_go_on {
            desk.mailbox.give_back(handles).await;
            return Err(error);
        }
        let errors = desk.mailbox.queue.delete(&handles).await;
        let undeleted: Vec<&str> = errors.iter().map(|(index, _)| handles[*index]).collect();
        let notes = desk.mailbox.give_back(undeleted).await.into_iter().chain(ended.unwrap_or_default());
        let failed = errors.iter().map(|(index, error)| (held[*index].message.id.clone(), error.to_string())).collect();
        Ok(Done { dropped: handles.len() - errors.len(), failed, notes: notes.collect() })
    }

    async fn write_down(&self, desk: &Desk, log: Log, held: &[Letter]) -> Result<(), Error> {
        log.write(held)?;
        let Some(url) = &desk.config.reports_queue_url else { return Ok(()) };
        let reports = desk.aws.queue(url);
        for dropped in self.reports(desk, held) {
            let message = Message { body: Report::Dropped(dropped).body(), ..Message::default() };
            reports.send(&message).await.map_err(|error| {
                Error::Failed(format!(
                    "nothing was deleted, because nobody could be told of it: {}",
                    plain(&error.to_string())
                ))
            })?;
        }
        Ok(())
    }

    /// One for each policy.
    fn reports(&self, desk: &Desk, held: &[Letter]) -> Vec<Dropped> {
        let mut policies = BTreeMap::<Option<&String>, Vec<&Letter>>::new();
        for letter in held {
            policies.entry(letter.job.as_ref().ok().map(|job| &job.policy)).or_default().push(letter);
        }
        let reports = policies.into_iter().map(|(policy, letters)| Dropped {
            version: report::VERSION,
            policy: policy.cloned(),
            reason: self.reason.clone(),
            by: desk.config.by.clone(),
            count: letters.len(),
            jobs: letters.iter().take(MOST_NAMED).map(|letter| letter.id().into()).collect(),
            at: desk.now,
        });
        reports.collect()
    }
}

/// Letters that are named in a report, or in what is said at the end.
const MOST_NAMED: usize = 10;

/// What was done.
struct Done {
    dropped: usize,
    /// Letter → why it is still there.
    failed: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Done {
    fn json(&self, options: &Options) -> Value {
        json!({"dropped": self.dropped, "failed": self.failed, "log": options.log, "notes": self.notes})
    }

    fn text(&self, options: &Options, count: usize) -> String {
        let log = options.log.display();
        let mut lines = vec![format!("Deleted {} of {}; they are in {log}.", self.dropped, letters(count))];
        let failed = self.failed.iter().take(MOST_NAMED);
        lines.extend(failed.map(|(id, why)| format!("error: {id} is still here: {}", plain(why))));
        let not_met = count.saturating_sub(self.dropped + self.failed.len());
        if not_met > 0 {
            lines.push(format!("{} not met any more: taken by somebody else, or hidden just now.", letters(not_met)));
        }
        lines.extend(self.notes.iter().map(|note| format!("warning: {}", plain(note))));
        lines.join("\n")
    }

    fn exit_code(&self, count: usize) -> u8 {
        match self.dropped {
            dropped if dropped == count => exit::DONE,
            0 => exit::FAILED,
            _ => exit::PARTLY,
        }
    }
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why, in words".into()),
        text => Ok(text.into()),
    }
}
