//! Jobs that are done in this process, while the simulator's clock stands still.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use shared::vocabulary::job::{Job, Lane};
use tokio::sync::mpsc::Receiver;
use worker::lanes::{Lanes, Step};
use worker::{Clock, Stop};

/// Does all jobs that were planned, and those that fail again at once: nobody waits in a simulated year. Gives the last
/// step of each.
pub(crate) async fn done_at_once(lanes: &Lanes, mut planned: Receiver<Job>, now: DateTime<Utc>) -> Vec<(Job, Step)> {
    let (mut jobs, mut done) = (Vec::new(), Vec::new());
    while let Ok(job) = planned.try_recv() {
        jobs.push(job);
    }
    while !jobs.is_empty() {
        let mut of_lanes = BTreeMap::<Lane, Vec<Job>>::new();
        jobs.drain(..).for_each(|job| of_lanes.entry(job.lane()).or_default().push(job));
        for (lane, of_lane) in of_lanes {
            let clock = Clock::start(now);
            let stop = Stop::at(clock.after(Duration::from_secs(600)));
            let steps: Vec<(Job, Step)> = lanes.perform(lane, None, of_lane, clock, stop).collect().await;
            for (job, step) in steps {
                match step {
                    Step::Again(next) => jobs.push(*next),
                    step => done.push((job, step)),
                }
            }
        }
    }
    done
}
