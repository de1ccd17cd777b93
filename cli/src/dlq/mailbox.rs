//! Reading the dead-letter queue without taking anything out of it.
//!
//! SQS shows a message only by hiding it from others for a while, and shows others meanwhile. So everything is read
//! once, and then all of it is given back: at the end, after an error, and when somebody stops it. Besides how often a
//! message was received, nothing of the queue changes. What a killed process held comes into sight again by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt, TryFutureExt, future, stream};
use indicatif::{ProgressBar, ProgressStyle};
use shared::aws::sqs::{MOST_IN_BATCH, Queue, Received};
use shared::vocabulary::api_error::ApiError;
use tokio::sync::mpsc;

use super::text::letters;
use crate::stop::Stop;

/// The dead-letter queue.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub queue: Queue,
    /// How long SQS keeps a letter.
    pub retention: TimeDelta,
    pub stop: Stop,
    /// How many letters there are, as SQS says, hidden ones too.
    counted: usize,
}

/// How long a letter is hidden while the others are read.
pub(crate) const HIDDEN: TimeDelta = TimeDelta::minutes(5);
/// How many receive at once.
const READERS: usize = 8;
/// Messages that readers have received and nobody has looked at yet, at the most.
pub(crate) const AHEAD: usize = (READERS + 1) * MOST_IN_BATCH;
/// A receive that waits asks all of SQS's servers; one that does not may miss messages.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
const WAIT: TimeDelta = TimeDelta::seconds(1);
/// So many receives in a row that bring nothing new are the end.
const MOST_IN_VAIN: usize = 3;

/// Message id → its newest receipt handle.
type Handles = BTreeMap<String, String>;

impl Mailbox {
    pub async fn open(queue: Queue, stop: Stop) -> Result<Self, ApiError> {
        let attributes = queue.attributes().await?;
        Ok(Self { queue, retention: attributes.retention, stop, counted: attributes.messages })
    }

    /// Every letter, the oldest first, and what a person should know about the reading. All are given back. An error is
    /// one of the reading; the letters are given back then too.
    pub async fn read(&self) -> Result<(Vec<Received>, Vec<String>), ApiError> {
        let mut found = BTreeMap::<String, Received>::new();
        let take = async |received: Vec<Received>| {
            found.extend(received.into_iter().map(|message| (message.id.clone(), message)));
            Taken::default()
        };
        let mut notes = self.pass(HIDDEN, take).await?;
        // Whoever stops it does not want to hear of what was not read.
        if found.len() < self.counted && !self.stop.is_set() {
            notes.push(format!(
                "SQS counts {} and shows {}: others are hidden just now by another reader, or wait behind more than \
                 ten of their message group. Look again in a few minutes",
                letters(self.counted),
                found.len()
            ));
        }
        let mut letters: Vec<Received> = found.into_values().collect();
        letters.sort_by(|one, other| (one.sent, &one.id).cmp(&(other.sent, &other.id)));
        Ok((letters, notes))
    }

    /// Receives every letter, hidden for so long, and gives them batch by batch to `take`, which says which of them are
    /// dealt with. At the end the others are given back; the notes say which could not be.
    pub async fn pass(
        &self,
        hidden: TimeDelta,
        mut take: impl AsyncFnMut(Vec<Received>) -> Taken,
    ) -> Result<Vec<String>, ApiError> {
        let reading = Reading { mailbox: self, hidden, seen: Mutex::default(), is_over: AtomicBool::new(false) };
        let (sender, mut batches) = mpsc::channel(1);
        let progress = self.progress();
        let readers = async {
            let sender = sender;
            let readers = (0..READERS).map(|_| reading.receive(&sender).inspect_err(|_| reading.end()));
            future::join_all(readers).await.into_iter().collect::<Result<Vec<()>, ApiError>>()
        };
        let held = async {
            let (mut held, mut dealt_with) = (Handles::new(), 0);
            while let Some(batch) = batches.recv().await {
                progress.inc(batch.len() as u64);
                held.extend(handles(&batch));
                let Taken { done, is_enough } = take(batch).await;
                done.iter().for_each(|id| drop(held.remove(id)));
                dealt_with += done.len();
                if dealt_with > 0 {
                    progress.set_message(format!(", {dealt_with} done"));
                }
                if is_enough {
                    reading.end();
                }
            }
            held
        };
        let (ended, held) = future::join(readers, held).await;
        progress.finish_and_clear();
        let not_given_back = self.give_back(held.values().map(String::as_str).collect()).await;
        ended.map(|_| not_given_back.into_iter().collect())
    }

    /// Into sight again, at once, by their receipt handles. What could not be is told.
    pub async fn give_back(&self, handles: Vec<&str>) -> Option<String> {
        let failed = AtomicUsize::new(0);
        let chunks = stream::iter(handles.chunks(MOST_IN_BATCH));
        let give_back = async |chunk: &[&str]| {
            let errors = self.queue.hide_all(chunk, TimeDelta::zero()).await;
            failed.fetch_add(errors.len(), Ordering::Relaxed);
            errors.into_iter().next().map(|(_, error)| error)
        };
        let errors: Vec<Option<ApiError>> = chunks.map(give_back).buffer_unordered(READERS).collect().await;
        let error = errors.into_iter().flatten().next()?;
        let count = letters(failed.into_inner());
        Some(format!("{count} could not be given back, and come into sight again by themselves in minutes: {error}"))
    }

    /// On a terminal only.
    fn progress(&self) -> ProgressBar {
        let bar = ProgressBar::new(self.counted as u64);
        let style = ProgressStyle::with_template("{spinner} {pos} of about {len} dead letters read{msg}, {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Message ids that the reading does not give back.
    pub done: Vec<String>,
    /// No more need be read.
    pub is_enough: bool,
}

/// One reading of the whole queue, by several readers.
struct Reading<'a> {
    mailbox: &'a Mailbox,
    hidden: TimeDelta,
    seen: Mutex<BTreeSet<String>>,
    is_over: AtomicBool,
}

impl Reading<'_> {
    /// Receives until nothing new comes. A receive is never broken off: SQS would hide what nobody has heard of.
    async fn receive(&self, batches: &mpsc::Sender<Vec<Received>>) -> Result<(), ApiError> {
        let mut in_vain = 0;
        while in_vain < self.most_in_vain() && !self.is_over.load(Ordering::Relaxed) && !self.mailbox.stop.is_set() {
            let batch = self.mailbox.queue.receive(WAIT, Some(self.hidden)).await?;
            in_vain = if self.has_news(&batch) { 0 } else { in_vain + 1 };
            if !batch.is_empty() && batches.send(batch).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// SQS's count is approximate: it shortens the end, and does not make it.
    fn most_in_vain(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).len();
        if seen >= self.mailbox.counted { 1 } else { MOST_IN_VAIN }
    }

    /// Whether a message is among them that has not been seen. One may come again, when the reading takes longer than
    /// it was hidden for.
    fn has_news(&self, batch: &[Received]) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.len();
        seen.extend(batch.iter().map(|message| message.id.clone()));
        seen.len() > before
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn handles(batch: &[Received]) -> impl Iterator<Item = (String, String)> {
    batch.iter().map(|message| (message.id.clone(), message.receipt_handle.clone()))
}
