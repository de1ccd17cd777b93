//! What CloudWatch is told of a batch.
//!
//! Some twenty pairs of an action and an outcome, and four figures more, whatever the number of volumes; and a line for
//! each outcome that a batch had, which is mostly one.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::vocabulary::metric::{Metric, Unit};

use crate::verdict::Settled;

/// What EC2 has done and refused since this was last [taken](Counts::take).
#[derive(Debug, Default)]
pub(crate) struct Counts {
    created: AtomicUsize,
    deleted: AtomicUsize,
    throttled: AtomicUsize,
}

impl Counts {
    /// EC2 has answered that it takes a snapshot. One whose answer was lost is not counted: it is found to be there.
    pub fn created(&self) {
        self.created.fetch_add(1, Ordering::Relaxed);
    }

    /// EC2 has answered that a snapshot is deleted.
    pub fn deleted(&self) {
        self.deleted.fetch_add(1, Ordering::Relaxed);
    }

    /// EC2 has refused a call because there were too many; one that the SDK has repeated by itself is not seen here.
    pub fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    /// All of it, and begins anew. Batches that are worked through at once share one count, and each call is in the
    /// figures of one of them.
    pub fn take(&self) -> Vec<Metric> {
        let taken = |name, count: &AtomicUsize| Metric::count(name, count.swap(0, Ordering::Relaxed));
        vec![
            taken("SnapshotsCreated", &self.created),
            taken("SnapshotsDeleted", &self.deleted),
            taken("ThrottledCalls", &self.throttled),
        ]
    }
}

/// The metrics of a batch that has held its lanes for `time`.
pub(crate) fn metrics(settled: &Settled, counts: &Counts, time: TimeDelta) -> Vec<Metric> {
    let jobs = settled
        .verdicts
        .iter()
        .map(|((action, word), count)| Metric::count("Jobs", *count).of("Action", action).of("Outcome", word.text()));
    let held = Metric::new("LaneSeconds", Unit::Seconds, time.as_seconds_f64());
    jobs.chain(counts.take()).chain([held]).collect()
}

/// What a batch's lines are found by: the log's lines of its jobs say the rest.
pub(crate) fn properties(messages: usize, settled: &Settled) -> [(&'static str, Value); 2] {
    [("messages", json!(messages)), ("come_again", json!(settled.unsettled.len()))]
}
