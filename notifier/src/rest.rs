//! The rest of the reports queue: what Lambda has not put into the event.
//!
//! Lambda hands over a batch at a time, and a mail for each batch would be a thousand mails for ten thousand reports.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use shared::aws::sqs::Queue;
use shared::vocabulary::api_error::ApiError;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::incoming::Incoming;

/// Calls under way at a time.
const HANDS: usize = 8;
/// In one go. More of them wait for the next batch, which comes at once, and are told five minutes later.
const MOST: usize = 20_000;
/// Messages in one call of [`Queue::delete`] or [`Queue::hide_all`], each of which makes its calls one by one.
const CHUNK: usize = 100;
/// A receive that waits asks all of SQS's servers, and one that does not only some of them.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
const WAIT: TimeDelta = TimeDelta::seconds(1);
/// What the function's time leaves over when its clock and SQS's differ.
const MARGIN: TimeDelta = TimeDelta::seconds(30);

/// Takes what lies on the queue until there is nothing for a while, or `until`. A message is hidden for as long as the
/// function has time, `remaining`: should it die, everything comes again.
pub(crate) async fn take(queue: &Queue, topic: &str, until: Instant, remaining: Duration) -> Vec<Incoming> {
    let visibility = TimeDelta::from_std(remaining).unwrap_or(TimeDelta::minutes(15)) + MARGIN;
    let (taken, empty) = (RefCell::new(Vec::new()), Cell::new(0));
    let hand = || async {
        while empty.get() < HANDS && taken.borrow().len() < MOST && Instant::now() < until {
            match queue.receive(WAIT, Some(visibility)).await {
                Ok(messages) => {
                    empty.set(if messages.is_empty() { empty.get() + 1 } else { 0 });
                    let messages = messages.into_iter().map(|message| Incoming::of_queue(message, topic));
                    taken.borrow_mut().extend(messages);
                }
                Err(error) => return warn!("the rest of the reports is not told now: {error}"),
            }
        }
    };
    join_all((0..HANDS).map(|_| hand())).await;
    taken.into_inner()
}

/// Deletes what people have been told. What is still there is told twice.
pub(crate) async fn delete(queue: &Queue, handles: &[&str]) {
    let failed = in_chunks(handles, |chunk| queue.delete(chunk)).await;
    if let Some((_, error)) = failed.first() {
        warn!("{} reports come again, though they were told: {error}", failed.len());
    }
}

/// Hides what is told later. What cannot be hidden, because it was received too long ago, is there already.
pub(crate) async fn hide(queue: &Queue, handles: &[&str], time: TimeDelta) {
    let failed = in_chunks(handles, |chunk| queue.hide_all(chunk, time)).await;
    if let Some((_, error)) = failed.first() {
        info!("{} reports come again when their visibility times out: {error}", failed.len());
    }
}

async fn in_chunks<'a, C, F>(handles: &'a [&'a str], call: C) -> Vec<(usize, ApiError)>
where
    C: Fn(&'a [&'a str]) -> F,
    F: Future<Output = Vec<(usize, ApiError)>>,
{
    let calls = stream::iter(handles.chunks(CHUNK)).map(call).buffer_unordered(HANDS);
    calls.collect::<Vec<_>>().await.concat()
}
