//! Jobs onto the queue: by tens and by size, several batches at once, and what SQS did not take once more.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use shared::aws::sqs::{Fifo, LARGEST_BATCH, MOST_IN_BATCH, Message, Queue};
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::Job;
use tokio::sync::mpsc::Receiver;

use crate::summary::Unsent;

/// A FIFO queue takes 300 calls a second; sixteen at once with 50 ms each are as many.
const BATCHES_AT_ONCE: usize = 16;
const TRIES: u32 = 5;

/// Sends all jobs that come, and gives what the queue would not take. It has a task of its own: reading a page takes longer
/// than a send, and where there is a second processor they go on beside each other.
pub(crate) async fn send(queue: &Queue, jobs: Receiver<Job>) -> Vec<Unsent> {
    let queue = queue.clone();
    let sending = tokio::spawn(async move {
        let failed = batches(jobs).map(|batch| send_batch(&queue, batch)).buffer_unordered(BATCHES_AT_ONCE);
        failed.collect::<Vec<Failed>>().await
    });
    match sending.await {
        Ok(failed) => by_region(failed.into_iter().flatten().collect()),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The jobs, as many together as fit into one call.
fn batches(jobs: Receiver<Job>) -> impl Stream<Item = Batch> {
    stream::unfold((jobs, Batch::default()), |(mut jobs, mut batch)| async {
        while let Some(job) = jobs.recv().await {
            if let Some(full) = batch.add(job) {
                return Some((full, (jobs, batch)));
            }
        }
        let last = std::mem::take(&mut batch);
        (!last.entries.is_empty()).then_some((last, (jobs, batch)))
    })
}

/// Jobs that fit into one call.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<(Job, Message)>,
    size: usize,
}

impl Batch {
    /// Adds a job. Where it does not fit, gives what was there before.
    fn add(&mut self, job: Job) -> Option<Batch> {
        let message = message(&job);
        let is_full = self.entries.len() == MOST_IN_BATCH || self.size + message.size() > LARGEST_BATCH;
        let full = (is_full && !self.entries.is_empty()).then(|| std::mem::take(self));
        self.size += message.size();
        self.entries.push((job, message));
        full
    }
}

fn message(job: &Job) -> Message {
    Message {
        body: job.body(),
        fifo: Some(Fifo { group: job.lane().to_string(), deduplication: job.id.clone() }),
        attributes: Vec::new(),
    }
}

type Failed = Vec<(Job, ApiError)>;

/// Sending twice is harmless: for five minutes SQS drops what it has, and later the worker finds the snapshot.
async fn send_batch(queue: &Queue, batch: Batch) -> Failed {
    let mut left = batch.entries;
    for attempt in 1.. {
        if left.is_empty() {
            break;
        }
        let messages: Vec<Message> = left.iter().map(|(_, message)| message.clone()).collect();
        let failed = match queue.send_batch(&messages).await {
            Ok(failed) => failed,
            Err(error) => (0..left.len()).map(|index| (index, error.clone())).collect(),
        };
        let mut errors: BTreeMap<usize, ApiError> = failed.into_iter().collect();
        if attempt == TRIES {
            let jobs = left.into_iter().enumerate();
            return jobs.filter_map(|(index, (job, _))| Some((job, errors.remove(&index)?))).collect();
        }
        let mut index = 0..;
        left.retain(|_| index.next().is_some_and(|index| errors.contains_key(&index)));
        if !left.is_empty() {
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt)).await;
        }
    }
    Vec::new()
}

fn by_region(failed: Failed) -> Vec<Unsent> {
    let mut regions = BTreeMap::<(String, String), Unsent>::new();
    for (job, error) in failed {
        let key = (job.account.clone(), job.region.clone());
        let unsent = Unsent { account: job.account, region: job.region, jobs: 0, error: error.to_string() };
        regions.entry(key).or_insert(unsent).jobs += 1;
    }
    regions.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(tag_size: usize) -> Job {
        let mut job = Job::parse(
            r#"{"version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily",
            "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1",
            "volume":"vol-0123456789abcdef0","retain":"7d"}"#,
        )
        .unwrap();
        job.tags.insert("big".into(), "x".repeat(tag_size));
        job
    }

    fn batches(sizes: &[usize]) -> Vec<usize> {
        let mut batch = Batch::default();
        let mut full: Vec<usize> =
            sizes.iter().filter_map(|size| batch.add(job(*size))).map(|batch| batch.entries.len()).collect();
        full.push(batch.entries.len());
        full
    }

    #[test]
    fn a_batch_holds_ten_jobs_and_what_sqs_takes_at_once() {
        assert_eq!(batches(&[1; 25]), [10, 10, 5]);
        assert_eq!(batches(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(batches(&[1]), [1]);
        assert_eq!(batches(&[300_000, 1]), [1, 1], "too large for SQS, which will say so, and the next is not held up");
    }

    #[test]
    fn a_job_travels_in_its_lane_and_is_deduplicated_by_its_id() {
        let fifo = message(&job(1)).fifo.unwrap();
        assert_eq!(
            (fifo.group.as_str(), fifo.deduplication.as_str()),
            ("123456789012/eu-central-1/snapshot", "2f0c7e1a9b3d4c5e6f70")
        );
    }
}
