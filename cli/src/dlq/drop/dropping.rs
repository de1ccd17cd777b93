//! Dropping, in this order: onto the disk, told to whoever reads the reports, deleted. Where one of them fails, the next
//! is not begun.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use shared::aws::sqs::{Message, Received};
use shared::vocabulary::report::{self, Dropped, Report};

use super::log::Log;
use crate::dlq::letter::Letter;
use crate::dlq::mailbox::{HIDDEN, Taken};
use crate::dlq::text::letters;
use crate::dlq::{Desk, failed};
use crate::table::plain;
use crate::{Error, exit};

/// Letters that are to be dropped.
pub(super) struct Dropping<'a> {
    pub desk: &'a Desk,
    pub reason: &'a str,
    pub log: &'a Path,
}

impl Dropping<'_> {
    /// Nothing is deleted before all of it is on the disk and was told.
    pub async fn apply(&self, wanted: &BTreeSet<String>) -> Result<Done, Error> {
        let (desk, log) = (self.desk, Log::open(self.log, self.desk, self.reason)?);
        let mut held = BTreeMap::<String, Received>::new();
        let take = async |batch: Vec<Received>| {
            let meant = batch.into_iter().filter(|message| wanted.contains(&message.id));
            let meant: Vec<(String, Received)> = meant.map(|message| (message.id.clone(), message)).collect();
            let done = meant.iter().map(|(id, _)| id.clone()).collect();
            held.extend(meant);
            Taken { done, is_enough: held.len() == wanted.len() }
        };
        let ended = desk.mailbox.pass(HIDDEN, take).await;
        let held: Vec<Letter> = held.into_values().map(Letter::read).collect();
        let may_go_on = match &ended {
            Ok(_) if desk.mailbox.stop.is_set() => Err(Error::Failed("stopped; nothing was deleted".into())),
            Ok(_) => self.write_down(log, &held).await,
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

    async fn write_down(&self, log: Log, held: &[Letter]) -> Result<(), Error> {
        log.write(held)?;
        let Some(url) = &self.desk.config.reports_queue_url else {
            eprintln!("snapkeep: warning: SNAPKEEP_REPORTS_QUEUE_URL is not set, so that nobody is told by mail");
            return Ok(());
        };
        let reports = self.desk.aws.queue(url);
        for dropped in self.reports(held) {
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
    fn reports(&self, held: &[Letter]) -> Vec<Dropped> {
        let mut policies = BTreeMap::<Option<&String>, Vec<&Letter>>::new();
        for letter in held {
            policies.entry(letter.job.as_ref().ok().map(|job| &job.policy)).or_default().push(letter);
        }
        let reports = policies.into_iter().map(|(policy, letters)| Dropped {
            version: report::VERSION,
            policy: policy.cloned(),
            reason: self.reason.into(),
            by: self.desk.config.by.clone(),
            count: letters.len(),
            jobs: letters.iter().take(MOST_NAMED).map(|letter| letter.id().into()).collect(),
            at: self.desk.now,
        });
        reports.collect()
    }
}

/// Letters that are named in a report, or in what is said at the end.
const MOST_NAMED: usize = 10;

/// What was done.
pub(super) struct Done {
    dropped: usize,
    /// Letter → why it is still there.
    failed: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Done {
    pub fn json(&self, log: &Path) -> Value {
        json!({"dropped": self.dropped, "failed": self.failed, "log": log, "notes": self.notes})
    }

    pub fn text(&self, log: &Path, count: usize) -> String {
        let log = log.display();
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

    pub fn exit_code(&self, count: usize) -> u8 {
        match self.dropped {
            dropped if dropped == count => exit::DONE,
            0 => exit::FAILED,
            _ => exit::PARTLY,
        }
    }
}
