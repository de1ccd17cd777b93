//! The pace of a lane: when its next call may start.

use std::time::{Duration, Instant};

/// How many jobs of a lane the planner marks as its burst: what a full bucket holds when a run begins. EC2's holds 100
/// and refills five a second; at four times a lane's rate, so many calls leave a tenth of it for others.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
pub const BURST_JOBS: usize = 120;
/// How many times as fast as its rate a lane calls for the jobs of its burst.
const BURST_PACE: f64 = 4.0;
/// What a lane may catch up, in calls: the time between two batches, in which nobody else can have called in it.
const LONGEST_GAP: f64 = 5.0;
/// What SQS needs at the least to delete a batch and to hand out the next, in calls: 20 ms of the default rate. Were it
/// quicker, a lane that changes hands after each ten calls would be faster than its rate by one part in a hundred.
const HANDING_OVER: f64 = 0.1;
/// After a throttled call the lane rests for so many calls' time, in which EC2's bucket refills.
const REST: f64 = 5.0;
/// The slowest pace, as a share of the fastest.
const SLOWEST: f64 = 0.1;

/// How fast a lane calls EC2. Whoever holds the lane's batch is alone in it, so that no counter is shared.
///
/// Calls start evenly, on average at most at the lane's rate; those of the burst faster, while nothing was throttled.
#[derive(Debug, Clone)]
pub struct Pace {
    fastest: f64,
    due: Option<Instant>,
    slowed: Option<Slowed>,
    throttled_calls: u64,
}

/// A throttled call has shown that somebody else drinks from the same bucket: how the lane comes back.
///
/// The bucket was empty when the lane was slowed last, and is empty when it is slowed again: so what the lane had on
/// average in between is what others leave to it. It begins below that, comes back to it, and then tries more, slowly at
/// first: a cubic curve, as that of <https://www.rfc-editor.org/rfc/rfc9438>. In the long run nothing is lost by being
/// slow, as long as the bucket does not fill up in the meantime; being slow for longer means fewer calls in vain.
#[derive(Debug, Clone, Copy)]
struct Slowed {
    at: Instant,
    /// What others are taken to leave to the lane, in calls a second.
    share: f64,
    /// How patiently it tries more: the time in which it would come from nothing to its fastest.
    patience: Duration,
}

/// [`Slowed::patience`] where nothing is known of the others, in calls at the fastest rate.
const SHORTEST_PATIENCE: f64 = 100.0;
/// The same when they have been met again and again at the same rate.
const LONGEST_PATIENCE: f64 = 600.0;
/// By how much it grows each time.
const MORE_PATIENCE: f64 = 3.0;
/// How long it takes the lane to come back to its share, as a part of its patience.
const BACK: f64 = 0.5;
/// By how much it begins below its share.
const BELOW: f64 = 0.2;
/// For how long it is remembered that the lane was slowed, as a multiple of its patience: by then it has been at its
/// fastest for as long again.
const REMEMBERED: f64 = 2.5;

impl Pace {
    /// A lane with this many calls a second.
    pub fn new(calls_per_second: f64) -> Self {
        Self { fastest: calls_per_second, due: None, slowed: None, throttled_calls: 0 }
    }

    /// A batch of the lane was received at `since`. What has gone by since the lane's last call is the lane's, and is
    /// caught up, if that was shortly before and in this process; else what has gone by since the batch was received:
    /// whoever held the lane before has [left](Pace::leave) it only when its next call was due.
    pub fn begin_batch(&mut self, since: Instant) {
        let is_kept = self.due.is_some_and(|due| due + self.calls(LONGEST_GAP) >= since);
        if !is_kept {
            self.due = Some(since);
        }
    }

    /// Takes the lane's turn at `now` for a call of a job, which may be of the lane's burst. An error is when to ask
    /// again, and then nothing is taken.
    pub fn start(&mut self, now: Instant, is_burst: bool) -> Result<(), Instant> {
        let due = self.due.unwrap_or(now);
        if due > now {
            return Err(due);
        }
        let rate = match self.remembered(now) {
            None if is_burst => self.fastest * BURST_PACE,
            _ => self.rate(now),
        };
        let caught_up = now.checked_sub(self.calls(LONGEST_GAP)).map_or(due, |earliest| due.max(earliest));
        self.due = Some(caught_up + Duration::from_secs_f64(1.0 / rate));
        Ok(())
    }

    /// When the lane may be left to others, so that whoever takes it up next may call at once: a little before the next
    /// call is due, because handing it over takes time.
    pub fn leave(&self) -> Option<Instant> {
        self.due.and_then(|due| due.checked_sub(self.calls(HANDING_OVER)))
    }

    /// A call was throttled. Several that were under way together slow the lane once.
    pub fn throttled(&mut self, now: Instant) {
        self.throttled_calls += 1;
        let rest = self.calls(REST);
        if self.slowed.is_some_and(|slowed| now < slowed.at + rest) {
            return;
        }
        self.slowed = Some(self.slowed_again(now));
        self.due = Some(self.due.map_or(now + rest, |due| due.max(now + rest)));
    }

    fn slowed_again(&self, now: Instant) -> Slowed {
        let shortest = self.calls(SHORTEST_PATIENCE);
        let anew = Slowed { at: now, share: self.fastest / 2.0, patience: shortest };
        let Some(last) = self.remembered(now) else { return anew };
        let after = now - last.at;
        if after < last.patience.mul_f64(BACK) {
            return Slowed { share: self.bounded(last.rate(after, self.fastest) / 2.0), ..anew };
        }
        let patience = last.patience.mul_f64(MORE_PATIENCE).min(self.calls(LONGEST_PATIENCE));
        Slowed { at: now, share: self.mean(last, after), patience }
    }

    /// How the lane was slowed last, unless that is so long ago that it says nothing about who is there now.
    fn remembered(&self, now: Instant) -> Option<Slowed> {
        let is_recent = |slowed: &Slowed| now <= slowed.at + slowed.patience.mul_f64(REMEMBERED);
        self.slowed.filter(is_recent)
    }

    /// What the lane has had on average in the time `after` it was slowed, resting at first.
    fn mean(&self, slowed: Slowed, after: Duration) -> f64 {
        const STEPS: u32 = 200;
        let rest = self.calls(REST);
        let times = (0..STEPS).map(|step| after.mul_f64((f64::from(step) + 0.5) / f64::from(STEPS)));
        let rates = times.filter(|time| *time >= rest).map(|time| self.bounded(slowed.rate(time, self.fastest)));
        self.bounded(rates.sum::<f64>() / f64::from(STEPS))
    }

    /// The pace at `now`, in calls per second.
    pub fn rate(&self, now: Instant) -> f64 {
        let slowed = self.remembered(now);
        let rate = |slowed: Slowed| slowed.rate(now.saturating_duration_since(slowed.at), self.fastest);
        slowed.map_or(self.fastest, |slowed| self.bounded(rate(slowed)))
    }

    /// How many calls were throttled so far.
    pub fn throttled_calls(&self) -> u64 {
        self.throttled_calls
    }

    fn bounded(&self, rate: f64) -> f64 {
        rate.clamp(self.fastest * SLOWEST, self.fastest)
    }

    /// The time of so many calls at the fastest rate.
    fn calls(&self, calls: f64) -> Duration {
        Duration::from_secs_f64(calls / self.fastest)
    }
}

impl Slowed {
    /// The rate in the time `after`, for a lane whose fastest is `fastest`; beyond its bounds, too.
    fn rate(&self, after: Duration, fastest: f64) -> f64 {
        let patience = self.patience.as_secs_f64();
        let from_share = after.as_secs_f64() / patience - BACK;
        if from_share < 0.0 {
            return self.share * (1.0 + BELOW * (from_share / BACK).powi(3));
        }
        self.share + fastest * from_share.powi(3)
    }
}

#[cfg(test)]
mod tests;
