//! Sending letters again, one by one, and deleting each that was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::aws::sqs::{Fifo, Message, Queue, Received};
use shared::rules::fate::WORKERS_DIED;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::{GIVE_UP_AFTER, Job};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::dlq::letter::Letter;
use crate::dlq::mailbox::{Mailbox, Taken};
use crate::dlq::text::letters;
use crate::exit;
use crate::stop::Stop;
use crate::table::plain;

/// The letters of a plan, on their way.
pub(super) struct Sending<'a> {
    mailbox: &'a Mailbox,
    jobs: &'a Queue,
    /// The message ids of those that have not had their turn.
    wanted: BTreeSet<String>,
    turns: Interval,
    now: DateTime<Utc>,
    done: Done,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    sent: usize,
    /// Letter → why it could not be sent. It is still there.
    failed: BTreeMap<String, String>,
    /// Letter → why it could not be deleted after it was sent.
    undeleted: BTreeMap<String, String>,
    /// Shown, and not met any more.
    not_met: usize,
    /// What went wrong with the reading.
    errors: Vec<String>,
}

/// Where so many fail and none goes through, the next would fail as well.
const ENOUGH_FAILURES: usize = 10;

impl<'a> Sending<'a> {
    pub fn new(mailbox: &'a Mailbox, jobs: &'a Queue, wanted: BTreeSet<String>, rate: f64, now: DateTime<Utc>) -> Self {
        let mut turns = interval(Duration::from_secs_f64(1.0 / rate));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { mailbox, jobs, wanted, turns, now, done: Done::default() }
    }

    /// Sends those of a batch that are wanted, and deletes what was sent before anything else is begun.
    pub async fn take(&mut self, batch: Vec<Received>) -> Taken {
        let mut sent: Vec<(String, String)> = Vec::new();
        for message in batch {
            if !self.wanted.contains(&message.id) {
                continue;
            }
            tokio::select! {
                biased;
                () = self.mailbox.stop.reached() => break,
                _ = self.turns.tick() => {}
            }
            self.wanted.remove(&message.id);
            let (id, handle) = (message.id.clone(), message.receipt_handle.clone());
            match self.jobs.send(&again(message, self.now)).await {
                Ok(()) => sent.push((id, handle)),
                Err(error) => drop(self.done.failed.insert(id, error.to_string())),
            }
        }
        let is_hopeless = self.done.sent + sent.len() == 0 && self.done.failed.len() >= ENOUGH_FAILURES;
        let is_enough = self.wanted.is_empty() || is_hopeless || self.mailbox.stop.is_set();
        Taken { done: self.delete(sent).await, is_enough }
    }

    async fn delete(&mut self, sent: Vec<(String, String)>) -> Vec<String> {
        self.done.sent += sent.len();
        let handles: Vec<&str> = sent.iter().map(|(_, handle)| handle.as_str()).collect();
        let failed: BTreeMap<usize, ApiError> = self.mailbox.queue.delete(&handles).await.into_iter().collect();
        for (index, error) in &failed {
            self.done.undeleted.insert(sent[*index].0.clone(), error.to_string());
        }
        let deleted = sent.into_iter().enumerate().filter(|(index, _)| !failed.contains_key(index));
        deleted.map(|(_, (id, _))| id).collect()
    }

    /// What was done in the end, and how the reading ended.
    pub fn end(self, ended: Result<Vec<String>, ApiError>) -> Done {
        let errors = ended.unwrap_or_else(|error| vec![error.to_string()]);
        Done { not_met: self.wanted.len(), errors, ..self.done }
    }
}

/// What goes onto the jobs queue. A job is as good as new, in its lane, so that it is paced, and keeps its history. One
/// that workers died with stays out of its lane, and what cannot be read goes as it is.
fn again(message: Received, now: DateTime<Utc>) -> Message {
    let deduplication = format!("redrive-{}", message.id);
    let letter = Letter::read(message);
    let (group, body) = match letter.job {
        Err(_) => (letter.message.id, letter.message.body),
        Ok(job) => {
            let group = if letter.cause.code == WORKERS_DIED { job.id.clone() } else { job.lane().to_string() };
            let job = Job { attempt: 1, not_before: None, give_up_at: Some(now + GIVE_UP_AFTER), ..job };
            (group, job.body())
        }
    };
    Message { body, fifo: Some(Fifo { group, deduplication }), attributes: Vec::new() }
}

impl Done {
    pub fn json(&self) -> Value {
        json!({
            "sent": self.sent, "failed": self.failed, "sent_and_not_deleted": self.undeleted,
            "not_met": self.not_met, "errors": self.errors,
        })
    }

    pub fn text(&self, count: usize, stop: &Stop) -> String {
        let mut lines = vec![format!("Sent {} of {} again.", self.sent, letters(count))];
        if stop.is_set() {
            lines
                .push(format!("Stopped: the other {} are still here. Go on with the same command.", count - self.sent));
        } else if self.not_met > 0 {
            lines.push(format!(
                "{} not reached: taken by somebody else, hidden just now, or not tried after so many errors.",
                letters(self.not_met)
            ));
        }
        let failed = self.failed.iter().take(MOST_NAMED);
        lines.extend(failed.map(|(id, why)| format!("error: {id} is still here: {}", plain(why))));
        let undeleted = self.undeleted.iter().take(MOST_NAMED);
        lines.extend(
            undeleted.map(|(id, why)| {
                format!("warning: {id} was sent, and is still here, which does no harm: {}", plain(why))
            }),
        );
        let more = [&self.failed, &self.undeleted].map(|named| named.len().saturating_sub(MOST_NAMED));
        lines.extend(more.iter().filter(|more| **more > 0).map(|more| format!(" and {more} more")));
        lines.extend(self.errors.iter().map(|error| format!("warning: {}", plain(error))));
        if self.sent > 0 {
            lines.push("What fails again comes back: snapkeep dlq list --newer-than 1h".into());
        }
        lines.join("\n")
    }

    pub fn exit_code(&self, count: usize) -> u8 {
        match self.sent {
            0 => exit::FAILED,
            sent if sent == count && self.undeleted.is_empty() => exit::DONE,
            _ => exit::PARTLY,
        }
    }
}

/// Letters that are named in what is said at the end.
const MOST_NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::letter::tests::{JOB, letter};

    fn sent(body: &str, attributes: &[(&str, &str)]) -> Message {
        again(letter("m-1", body, attributes).message, "2026-11-25T12:00:00Z".parse().unwrap())
    }

    fn group(message: &Message) -> (&str, &str) {
        let fifo = message.fifo.as_ref().unwrap();
        (&fifo.group, &fifo.deduplication)
    }

    #[test]
    fn a_job_goes_back_into_its_lane_as_good_as_new_with_its_history() {
        let old = JOB.replace(r#""told""#, r#""attempt":5,"not_before":"2026-11-20T03:00:00Z","told""#);
        let message = sent(&old, &[("ErrorCode", "TagLimitExceeded")]);
        let job = Job::parse(&message.body).unwrap();
        assert_eq!(group(&message), ("123456789012/eu-central-1/snapshot", "redrive-m-1"));
        assert_eq!((job.attempt, job.not_before, job.told), (1, None, true));
        assert_eq!(job.give_up_at, "2026-11-26T11:00:00Z".parse().ok());
        assert_eq!(job.failure.unwrap().code, "TagLimitExceeded");
    }

    #[test]
    fn what_workers_died_with_stays_out_of_its_lane_and_what_cannot_be_read_goes_as_it_is() {
        assert_eq!(group(&sent(JOB, &[])), ("j-1", "redrive-m-1"));
        let message = sent("hello", &[("ErrorCode", "UnreadableMessage")]);
        assert_eq!((group(&message), message.body.as_str()), (("m-1", "redrive-m-1"), "hello"));
    }
}
