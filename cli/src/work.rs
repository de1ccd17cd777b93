//! `snapkeep work`: the worker without Lambda, in a container, on an instance or on a laptop. It polls the jobs queue
//! itself; what it does with a batch, and what it owes SQS, is the Lambda's.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use clap::Args;
use futures::future;
use shared::aws::Aws;
use shared::aws::sqs::{Queue, Received};
use shared::config;
use shared::rules::fate::class;
use shared::vocabulary::class::Class;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};
use worker::{Clock, Stop, Worker, time_to_begin};

use crate::{Error, exit};

/// Work through the jobs queue from here, without Lambda, until SIGTERM or Ctrl-C. The environment is the worker
/// Lambda's: `SNAPKEEP_JOBS_QUEUE_URL`, `SNAPKEEP_DLQ_URL`, `SNAPKEEP_REPORTS_QUEUE_URL`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many batches are worked through at once: SQS gives one batch of a lane at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100))]
    batches: u8,
    /// End when the queue has no messages any more, hidden ones included.
    #[arg(long)]
    until_empty: bool,
}

/// Whoever stops the process waits at most so long for a poll that is under way: what it brings is handed back.
const POLL: TimeDelta = TimeDelta::seconds(10);
/// What the pollers share.
struct Work {
    worker: Worker,
    jobs: Queue,
    /// How long a batch may be worked on: it ends before SQS gives its messages to somebody else.
    time: Duration,
    stopping: watch::Receiver<bool>,
    until_empty: bool,
}

/// What a poller did.
#[derive(Debug, Default)]
struct Tally {
    received: usize,
    settled: usize,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let config = config::Worker::from_env()?;
        let aws = Aws::from_env().await;
        let jobs = aws.queue(&config.jobs_queue_url);
        let attributes = jobs.attributes().await.map_err(|error| Error::Failed(error.to_string()))?;
        let visibility = attributes.visibility.to_std().unwrap_or_default();
        let stop = crate::stop::Stop::on_signals(
            "calls under way are finished, the rest is handed back",
            "what was not handed back comes again when its visibility times out",
        );
        let work = Work {
            worker: Worker::new(aws, &config),
            jobs,
            time: time_to_begin(visibility),
            stopping: stop.receiver(),
            until_empty: self.until_empty,
        };
        info!(
            "working on {}: {} messages, {} batches at once, {} seconds for each",
            work.jobs.name(),
            attributes.messages,
            self.batches,
            work.time.as_secs(),
        );
        let tallies = future::join_all((0..self.batches).map(|_| work.poll())).await;
        let (received, settled) = tallies
            .iter()
            .fold((0, 0), |(received, settled), tally| (received + tally.received, settled + tally.settled));
        eprintln!(
            "snapkeep: {received} messages received, {settled} settled or sent on, {} left to come again",
            received - settled
        );
        Ok(exit::DONE)
    }
}

impl Work {
    /// Receives and works until it is stopped.
    async fn poll(&self) -> Tally {
        let mut tally = Tally::default();
        while !*self.stopping.borrow() {
            match self.jobs.receive(POLL, None).await {
                Ok(batch) if batch.is_empty() => {
                    if self.until_empty && self.is_empty().await {
                        break;
                    }
                }
                Ok(batch) => {
                    tally.received += batch.len();
                    tally.settled += self.batch(batch).await;
                }
                Err(failed) => {
                    match class(&failed) {
                        Class::Configuration => error!("nothing can be received until this is mended: {failed}"),
                        _ => warn!("{failed}"),
                    }
                    let mut stopping = self.stopping.clone();
                    tokio::select! {
                        () = sleep(Duration::from_secs(5)) => {}
                        _ = stopping.wait_for(|stopping| *stopping) => {}
                    }
                }
            }
        }
        tally
    }

    /// Works through a batch and deletes what is settled; gives how many that were.
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    async fn batch(&self, batch: Vec<Received>) -> usize {
        let clock = Clock::start(Utc::now());
        let stop = Stop::at(clock.after(self.time)).or_when(self.stopping.clone());
        self.worker.work_and_delete(batch, clock, stop).await
    }

    async fn is_empty(&self) -> bool {
        self.jobs.attributes().await.is_ok_and(|attributes| attributes.messages == 0)
    }
}
