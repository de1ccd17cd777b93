//! Lanes inside this process, in the place of SQS: one batch of a lane at a time, and jobs that failed wait beside it.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use futures::stream::{self, LocalBoxStream, SelectAll};
use shared::rules::fate::is_about_the_lane;
use shared::vocabulary::job::{Action, Job, Lane};
use shared::vocabulary::policy::Role;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use worker::lanes::{Lanes, Outcome, Step};
use worker::{Clock, Stop};

/// What happens to a job, as it happens.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// It was planned.
    Queued(&'a Job),
    /// It has its verdict.
    Finished(&'a Job, &'a Outcome),
    /// It failed, and is tried again.
    Again(&'a Job),
    /// A person must look.
    Dead(&'a Job),
}

impl Event<'_> {
    /// The job that it happens to.
    pub fn job(&self) -> &Job {
        let (Self::Queued(job) | Self::Finished(job, _) | Self::Again(job) | Self::Dead(job)) = self;
        job
    }
}

/// Jobs of one lane are done together up to this many. One look finds what is done already of a hundred; what holds
/// snapshots is looked at once for a batch that prunes, and must not grow old.
fn batch(action: Action) -> usize {
    match action {
        Action::Snapshot => 100,
        Action::Prune => 10,
    }
}

type Key = (Lane, Option<Role>);
/// A step of a job, or the end of a lane's batch.
type Item = Result<(Job, Step), Key>;

/// A lane's jobs that nobody works on yet.
#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Job>,
    is_busy: bool,
    refused: usize,
    is_served: bool,
}

impl Queue {
    /// What need not be tried, because the lane as a whole is refused: all that is left of it, or nothing.
    fn hopeless(&mut self, refused: &Job) -> VecDeque<Job> {
        const ENOUGH: usize = 10;
        let is_about_all = refused.failure.as_ref().is_some_and(|failure| is_about_the_lane(&failure.code));
        match is_about_all || self.refused >= ENOUGH && !self.is_served {
            true => std::mem::take(&mut self.ready),
            false => VecDeque::new(),
        }
    }
}

/// Does all jobs that come, each until its verdict, and tells `happens` of everything.
pub(crate) async fn work(
    lanes: &Lanes,
    mut jobs: Receiver<Job>,
    now: DateTime<Utc>,
    mut happens: impl FnMut(Event<'_>),
) {
    let clock = Clock::start(now);
    let never = Stop::at(clock.after(Duration::from_secs(10 * 365 * 86_400)));
    let mut queues = BTreeMap::<Key, Queue>::new();
    let mut waiting = Vec::<Job>::new();
    let mut batches = SelectAll::<LocalBoxStream<'_, Item>>::new();
    let mut is_planned = false;
    loop {
        take_due(&mut waiting, clock.now(), &mut queues);
        start_batches(lanes, &mut queues, &mut batches, &clock, &never);
        let next_due = waiting.iter().filter_map(|job| job.not_before).min();
        let wait = next_due.map_or(TimeDelta::days(1), |time| time - clock.now()).to_std().unwrap_or_default();
        tokio::select! {
            job = jobs.recv(), if !is_planned => match job {
                Some(job) => {
                    happens(Event::Queued(&job));
                    queues.entry(key(&job)).or_default().ready.push_back(job);
                }
                None => is_planned = true,
            },
            Some(item) = batches.next() => match item {
                Err(key) => queues.entry(key).or_default().is_busy = false,
                Ok((job, Step::Finished(outcome))) => {
                    queues.entry(key(&job)).or_default().is_served = true;
                    happens(Event::Finished(&job, &outcome));
                }
                Ok((_, Step::Again(next))) => {
                    happens(Event::Again(&next));
                    waiting.push(*next);
                }
                Ok((_, Step::Dead(dead))) => happens(Event::Dead(&dead)),
                Ok((job, Step::Held(dead))) => {
                    happens(Event::Dead(&dead));
                    let lane = queues.entry(key(&job)).or_default();
                    lane.refused += 1;
                    // Somebody sits before it and can mend it: nothing waits, and nothing is tried in vain.
                    for waiting in lane.hopeless(&dead) {
                        happens(Event::Dead(&Job { failure: dead.failure.clone(), ..waiting }));
                    }
                }
                Ok((job, Step::HandedBack { .. })) => queues.entry(key(&job)).or_default().ready.push_back(job),
            },
            () = sleep(wait), if !waiting.is_empty() => {}
            else => break,
        }
    }
}

fn key(job: &Job) -> Key {
    (job.lane(), job.role.clone())
}

fn take_due(waiting: &mut Vec<Job>, now: DateTime<Utc>, queues: &mut BTreeMap<Key, Queue>) {
    for job in waiting.extract_if(.., |job| job.not_before.is_none_or(|time| time <= now)) {
        queues.entry(key(&job)).or_default().ready.push_back(job);
    }
}

fn start_batches<'a>(
    lanes: &'a Lanes,
    queues: &mut BTreeMap<Key, Queue>,
    batches: &mut SelectAll<LocalBoxStream<'a, Item>>,
    clock: &Clock,
    stop: &Stop,
) {
    for (key, queue) in queues.iter_mut().filter(|(_, queue)| !queue.is_busy && !queue.ready.is_empty()) {
        let jobs: Vec<Job> = queue.ready.drain(..queue.ready.len().min(batch(key.0.action))).collect();
        queue.is_busy = true;
        let (lane, role) = key.clone();
        let end = Err(key.clone());
        let steps = lanes.perform(lane, role, jobs, *clock, stop.clone()).map(Ok);
        batches.push(steps.chain(stream::once(async { end })).boxed_local());
    }
}
