//! Lanes that must wait: who is told, and how their messages lock them.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};
use shared::aws::sqs::Received;
use shared::rules::fate;
use shared::rules::hold::hold;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::class::Class;
use shared::vocabulary::job::{Job, Lane};
use shared::vocabulary::report::{LaneHeld, LaneResumed, Report};
use tracing::{error, info, warn};

use super::Settlement;
use crate::clock::Clock;
use crate::lanes::{LAST_TRY, Step};
use crate::verdict::{Settled, Verdict, reason};
use crate::{Held, HeldLanes, is_in_lane};

impl Settlement {
    /// The lanes that must wait, and those that go on.
    pub async fn lanes(&self, lanes: HeldLanes, clock: &Clock) -> Settled {
        for (lane, (job, since)) in lanes.resumed.iter().filter(|(lane, _)| !lanes.held.contains_key(lane)) {
            self.resumed(lane, job, *since, clock.now()).await;
        }
        let mut settled = Settled::default();
        for (lane, jobs) in lanes.held {
            settled.add(self.held(&lane, jobs, clock).await);
        }
        settled
    }

    /// The jobs of a lane that must wait. One report goes out, the first time; a message in the lane stays at its head,
    /// hidden, so that the lane is locked; the others wait under their own groups.
    async fn held(&self, lane: &Lane, jobs: Vec<Held>, clock: &Clock) -> Settled {
        let mut settled = Settled::default();
        if let Some(Held { next, .. }) = jobs.first()
            && is_news(&jobs)
            && !self.has_told(lane, clock.now())
            && let Err(error) = self.tell_held(lane, next, clock).await
        {
            // They come again, are news again, and somebody is told then.
            error!("nobody was told that the lane {lane} is held: {error}");
            for Held { messages, job, next } in jobs {
                let Some(message) = messages.first() else { continue };
                let step = Step::Held(next);
                let verdict = Verdict::of(message, &job, &step);
                settled.add(Settled::written(verdict, Err(error.clone()), &messages, clock));
            }
            return settled;
        }
        let visibility = self.visibility().await.unwrap_or(DEFAULT_VISIBILITY);
        for Held { messages, job, next } in jobs {
            let Some(message) = messages.first() else { continue };
            let left = next.give_up_at.map_or(TimeDelta::MAX, |deadline| deadline - LAST_TRY - clock.now());
            let wait = hold(visibility, message.receives).min(left);
            if is_in_lane(message, &job) && !makes_room(message, &next) {
                let hidden = self.hide(&messages, wait).await;
                let step = Step::Held(next);
                settled.add(Settled::written(Verdict::of(message, &job, &step), Ok(hidden), &messages, clock));
            } else {
                let next = Box::new(Job { not_before: Some(clock.now() + wait), ..*next });
                settled.add(self.settle(messages, job, Step::Held(next), clock).await);
            }
        }
        settled
    }

    /// Whether this process has told of the lane not long ago.
    fn has_told(&self, lane: &Lane, now: DateTime<Utc>) -> bool {
        const LONG_AGO: TimeDelta = TimeDelta::hours(4);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now - *at < LONG_AGO);
        told.contains_key(lane)
    }

    fn note_told(&self, lane: &Lane, at: Option<DateTime<Utc>>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => drop(told.insert(lane.clone(), at)),
            None => drop(told.remove(lane)),
        }
    }

    async fn tell_held(&self, lane: &Lane, next: &Job, clock: &Clock) -> Result<(), ApiError> {
        let Some(failure) = &next.failure else { return Ok(()) };
        error!(
            job.id = next.id,
            policy.name = next.policy,
            account = next.account,
            region = next.region,
            error.code = failure.code,
            "the lane {lane} is held until a person mends it: {}",
            reason(failure),
        );
        self.tell(&Report::LaneHeld(LaneHeld::of(next, failure, clock.now()))).await?;
        self.note_told(lane, Some(clock.now()));
        Ok(())
    }

    /// Good news that does not arrive is no loss: what was done is done.
    async fn resumed(&self, lane: &Lane, job: &Job, since: DateTime<Utc>, now: DateTime<Utc>) {
        info!(account = job.account, region = job.region, "the lane {lane} goes on");
        self.note_told(lane, None);
        let report = Report::LaneResumed(LaneResumed::of(job, since, now));
        if let Err(error) = self.tell(&report).await {
            warn!("nobody was told that the lane {lane} goes on: {error}");
        }
    }
}

/// SQS's own, where the queue would not say.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
const DEFAULT_VISIBILITY: TimeDelta = TimeDelta::seconds(30);

/// Whether people should hear that a lane is held. In the lane it is news the first time that a batch of it finds it so:
/// where one of its messages has been here before, it was told then. Outside, it is news the first time that a job
/// fails in this way. A lane that only EC2's own failures hold is news when they last: after three tries, some twenty
/// minutes. What lasts is told again from time to time, should nobody have heard of it.
fn is_news(jobs: &[Held]) -> bool {
    const AGAIN: u32 = 10;
    let class = |job: &Job| job.failure.as_ref().and_then(|failure| failure.class);
    let is_outage = jobs.iter().all(|held| matches!(class(&held.next), Some(Class::Transient | Class::Ambiguous)));
    let in_lane = jobs.iter().filter_map(|held| held.messages.first().filter(|message| is_in_lane(message, &held.job)));
    match in_lane.map(|message| message.receives).max() {
        receives if is_outage => receives == Some(4),
        Some(receives) => receives == 1 || receives.is_multiple_of(AGAIN),
        None => jobs.iter().any(|held| held.job.told || class(&held.job) != class(&held.next)),
    }
}

/// Whether a message that has been held for a while leaves the head of its lane and waits outside: the error may be of
/// these volumes only, and those behind them are to find out.
fn makes_room(message: &Received, next: &Job) -> bool {
    const LONG_ENOUGH: u32 = 4;
    let is_about_the_lane = next
        .failure
        .as_ref()
        .is_some_and(|failure| failure.class != Some(Class::Configuration) || fate::is_about_the_lane(&failure.code));
    message.receives >= LONG_ENOUGH && !is_about_the_lane
}
