//! The pace of a lane: when its next call may start.

use std::time::{Duration, Instant};

/// How fast a lane calls EC2. Whoever holds the lane's batch is alone in it, so that no counter is shared.
///
/// Calls start evenly, on average at most at the lane's rate. What a lane is behind, because its bucket was full when
/// it began or because a batch ends and another begins, it catches up. A throttled call means that somebody else drinks
/// from the same bucket: the rate is halved, comes back to what went through before, stays there, and tries more.
#[derive(Debug, Clone)]
pub struct Pace {
    fastest: f64,
    rate: f64,
    next: Option<Instant>,
    /// What it may catch up: time that is the lane's, and in which it did not call.
    behind: Duration,
    slowed: Option<Slowed>,
    throttled_calls: u64,
}

/// When the lane was slowed last, and how it comes back.
#[derive(Debug, Clone, Copy)]
struct Slowed {
    at: Instant,
    /// Calls that went through since.
    calls: u32,
    /// What went through before, in calls per second.
    plateau: f64,
}

/// After a throttled call the lane rests for as long as so many calls take, in which EC2's bucket refills.
const REST_CALLS: f64 = 4.0;
/// The slowest pace, as a share of the fastest.
const SLOWEST: f64 = 0.1;
/// After so many calls that went through, the lane is as fast as it was.
const RECOVERY_CALLS: f64 = 100.0;
/// What a lane that begins may take from a full bucket. EC2's holds 100; the rest is for others.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
const BURST_CALLS: f64 = 80.0;
/// And no more than at its pace in so many seconds: a lane that is set to be slow is slow from the start. By then EC2's
/// bucket is full again, too.
const BURST_SECONDS: f64 = 18.0;
/// A gap that is longer than so many calls is no gap between two batches: somebody else may have held the lane.
const LONGEST_GAP_CALLS: f64 = 5.0;
/// How much of each interval is left out while the lane catches up: it is four times as fast.
const CATCHING_UP: f64 = 0.75;

impl Pace {
    /// A lane with this many calls a second.
    pub fn new(calls_per_second: f64) -> Self {
        Self {
            fastest: calls_per_second,
            rate: calls_per_second,
            next: None,
            behind: Duration::ZERO,
            slowed: None,
            throttled_calls: 0,
        }
    }

    /// A batch of the lane begins; `is_fresh` says that its jobs were sent just now, so that nobody else has worked on
    /// the lane before. Then its bucket is taken to be full, unless this one has called lately. Otherwise the time since
    /// the last call, if it is short, is the lane's: it has gone by with settling, receiving and looking.
    pub fn begin_batch(&mut self, now: Instant, is_fresh: bool) {
        let burst = (BURST_CALLS / self.rate).min(BURST_SECONDS);
        let gap = self.next.map(|next| now.saturating_duration_since(next).as_secs_f64());
        let behind = match gap {
            None | Some(BURST_SECONDS..) if is_fresh => burst,
            Some(gap) if gap <= LONGEST_GAP_CALLS / self.rate => self.behind.as_secs_f64() + gap,
            _ => 0.0,
        };
        self.behind = Duration::from_secs_f64(behind.min(burst));
    }

    /// When a call that is ready `now` may start. The time is taken: the next call comes later. An error is a time
    /// after `latest`, and then nothing is taken: were it, those that are handed back would push each other away.
    pub fn reserve(&mut self, now: Instant, latest: Instant) -> Result<Instant, Instant> {
        let start = self.next.map_or(now, |next| next.max(now));
        if start > latest {
            return Err(start);
        }
        let interval = Duration::from_secs_f64(1.0 / self.rate);
        let caught_up = self.behind.min(interval.mul_f64(CATCHING_UP));
        self.behind -= caught_up;
        self.next = Some(start + interval - caught_up);
        Ok(start)
    }

    /// A call was throttled. Several that were under way together slow the lane once.
    pub fn throttled(&mut self, now: Instant) {
        self.throttled_calls += 1;
        let rest = Duration::from_secs_f64(REST_CALLS / self.fastest);
        if self.slowed.is_some_and(|slowed| now < slowed.at + rest) {
            return;
        }
        self.slowed = Some(Slowed { at: now, calls: 0, plateau: self.share(now) });
        self.behind = Duration::ZERO;
        self.recover();
        self.next = Some(self.next.map_or(now, |next| next.max(now)) + rest);
    }

    /// What the bucket gives this lane: it was empty when the lane was slowed last, and is empty now, so that it is what
    /// went through in between. Calls that were reserved before go on at the old pace, so that the present one says little.
    fn share(&self, now: Instant) -> f64 {
        let Some(Slowed { at, calls, plateau }) = self.slowed else { return self.rate };
        let went_through = f64::from(calls) / (now - at).as_secs_f64();
        went_through.clamp(self.rate / 2.0, self.rate.max(plateau))
    }

    /// Half of the plateau at first, quickly near it, long about it, and at last more: a cubic curve, as that of
    /// <https://www.rfc-editor.org/rfc/rfc9438>.
    fn recover(&mut self) {
        let Some(Slowed { calls, plateau, .. }) = self.slowed else { return };
        let from_plateau = f64::from(calls) / RECOVERY_CALLS - 1.0;
        let stretched = if from_plateau > 0.0 { from_plateau / 2.0 } else { from_plateau };
        let rate = plateau * (1.0 + stretched.powi(3) / 2.0);
        self.rate = rate.clamp(self.fastest * SLOWEST, self.fastest);
    }

    /// The present pace, in calls per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many calls were throttled so far.
    pub fn throttled_calls(&self) -> u64 {
        self.throttled_calls
    }

    /// A call went through.
    pub fn went_through(&mut self) {
        if let Some(slowed) = &mut self.slowed {
            slowed.calls = slowed.calls.saturating_add(1);
        }
        self.recover();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do: a test measures from it")]
    fn start() -> Instant {
        Instant::now()
    }

    /// When the next call starts that is ready at `now` and may wait for ever.
    fn next(pace: &mut Pace, now: Instant) -> Instant {
        pace.reserve(now, now + Duration::from_secs(1_000_000)).unwrap()
    }

    #[test]
    fn calls_start_evenly_at_the_lanes_rate() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        let starts: Vec<_> = (0..5).map(|_| (next(&mut pace, start) - start).as_millis()).collect();
        assert_eq!(starts, [0, 250, 500, 750, 1000]);
    }

    #[test]
    fn time_that_passed_unused_is_not_saved_up() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        next(&mut pace, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(next(&mut pace, later), later);
        assert_eq!(next(&mut pace, later), later + Duration::from_millis(250));
    }

    #[test]
    fn a_throttled_lane_rests_slows_down_once_and_comes_back() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        next(&mut pace, start);
        for _ in 0..5 {
            pace.throttled(start);
        }
        assert_eq!((next(&mut pace, start) - start).as_millis(), 1250);
        assert_eq!((next(&mut pace, start) - start).as_millis(), 1750, "two calls a second now");
        for _ in 0..100 {
            pace.went_through();
        }
        let first = next(&mut pace, start);
        assert_eq!(next(&mut pace, start) - first, Duration::from_millis(250));
    }

    #[test]
    fn a_call_that_would_come_too_late_takes_no_time() {
        let (start, mut pace) = (start(), Pace::new(1.0));
        let latest = start + Duration::from_secs(2);
        let starts: Vec<_> = (0..10).filter_map(|_| pace.reserve(start, latest).ok()).collect();
        assert_eq!(starts.len(), 3);
        assert_eq!(next(&mut pace, latest), start + Duration::from_secs(3));
    }

    #[test]
    fn a_lane_never_stops() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        for second in 0..1000 {
            pace.throttled(start + Duration::from_secs(second));
        }
        let first = next(&mut pace, start + Duration::from_secs(5000));
        assert!(next(&mut pace, first) - first <= Duration::from_millis(2500));
    }

    /// Starts of calls, in milliseconds from `start`.
    fn starts(pace: &mut Pace, start: Instant, now: Instant, calls: usize) -> Vec<u128> {
        (0..calls).map(|_| (next(pace, now) - start).as_millis()).collect()
    }

    #[test]
    fn the_gap_between_two_batches_is_caught_up() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        assert_eq!(starts(&mut pace, start, start, 2), [0, 250]);
        let second = start + Duration::from_millis(875);
        pace.begin_batch(second, false);
        assert_eq!(starts(&mut pace, start, second, 5), [875, 937, 1000, 1250, 1500], "as if there had been no gap");
    }

    #[test]
    fn a_gap_in_which_somebody_else_may_have_held_the_lane_is_not() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        next(&mut pace, start);
        let later = start + Duration::from_secs(3);
        pace.begin_batch(later, false);
        assert_eq!(starts(&mut pace, start, later, 3), [3000, 3250, 3500]);
    }

    /// How many calls start in the first minute.
    fn calls_in_a_minute(rate: f64, is_fresh: bool) -> usize {
        let (start, mut pace) = (start(), Pace::new(rate));
        pace.begin_batch(start, is_fresh);
        let last = start + Duration::from_secs(60);
        std::iter::from_fn(|| pace.reserve(start, last).ok()).count()
    }

    #[test]
    fn a_lane_that_begins_takes_four_fifths_of_a_full_bucket_and_a_slow_one_what_it_does_in_eighteen_seconds() {
        assert_eq!(calls_in_a_minute(5.0, true), 5 * 60 + 80 + 1);
        assert_eq!(calls_in_a_minute(5.0, false), 5 * 60 + 1);
        assert_eq!(calls_in_a_minute(1.0, true), 60 + 18 + 1);
    }

    #[test]
    fn the_bucket_is_taken_to_be_full_once() {
        let (start, mut pace) = (start(), Pace::new(5.0));
        for second in 0..10 {
            pace.begin_batch(start + Duration::from_secs(second), true);
            let last = start + Duration::from_secs(second + 1);
            while pace.reserve(start + Duration::from_secs(second), last).is_ok() {}
        }
        assert!(
            (next(&mut pace, start) - start).as_secs() <= 11,
            "it takes up what is left of the burst, and no second one"
        );
        let calls = starts(&mut pace, start, start + Duration::from_secs(40), 3);
        assert_eq!(calls[2] - calls[1], 200, "fast no more");
    }

    /// A bucket of 100 that refills by 5 a second, from which another program takes `neighbour`: what became of `calls`
    /// that were made one after the other, as the share that was throttled and the calls a second.
    fn against_a_bucket(neighbour: f64, calls: u32) -> (f64, f64) {
        let (start, mut pace) = (start(), Pace::new(5.0));
        pace.begin_batch(start, true);
        let (mut tokens, mut at, mut done) = (100.0_f64, start, 0);
        while done < calls {
            let call = next(&mut pace, at);
            tokens = (tokens + (call - at).as_secs_f64() * (5.0 - neighbour)).min(100.0);
            at = call;
            if tokens < 1.0 {
                pace.throttled(at);
                continue;
            }
            tokens -= 1.0;
            done += 1;
            pace.went_through();
        }
        let throttled = pace.throttled_calls() as f64;
        (throttled / (f64::from(calls) + throttled), f64::from(calls) / (at - start).as_secs_f64())
    }

    #[test]
    fn beside_another_program_a_lane_takes_what_is_left_and_is_hardly_throttled() {
        for (neighbour, calls) in [(0.0, 1000), (1.0, 1000), (2.5, 1000), (2.5, 10_000), (4.0, 1000), (4.0, 10_000)] {
            let (throttled, rate) = against_a_bucket(neighbour, calls);
            let floor = f64::from(calls) / ((f64::from(calls) - 100.0) / (5.0 - neighbour));
            assert!(throttled <= 0.01, "{neighbour}, {calls}: {throttled} throttled");
            assert!(rate >= 0.95 * floor, "{neighbour}, {calls}: {rate} of {floor} a second");
        }
    }

    /// A lane's batches of ten through such a bucket, where a look takes a tenth of a second, a call as long or three times
    /// as long, and settling and receiving 40 ms: the share that was throttled, and the calls a second.
    fn batches_against_a_bucket(rate: f64, neighbour: f64, calls: usize) -> (f64, f64) {
        let (start, mut pace) = (start(), Pace::new(rate));
        let (mut tokens, mut at, mut now) = (100.0_f64, start, start);
        for batch in 0..calls / 10 {
            now += Duration::from_millis(140);
            pace.begin_batch(now, batch < 10);
            let mut waiting: Vec<Instant> = (0..10).map(|_| next(&mut pace, now)).collect();
            while let Some(index) = (0..waiting.len()).min_by_key(|index| waiting[*index]) {
                let call = waiting.swap_remove(index);
                let answered = call + Duration::from_millis(if index % 5 == 0 { 300 } else { 100 });
                tokens = (tokens + call.saturating_duration_since(at).as_secs_f64() * (5.0 - neighbour)).min(100.0);
                at = at.max(call);
                if tokens < 1.0 {
                    pace.throttled(answered);
                    waiting.push(next(&mut pace, answered));
                    continue;
                }
                tokens -= 1.0;
                pace.went_through();
                now = now.max(answered);
            }
        }
        let throttled = pace.throttled_calls() as f64;
        (throttled / (calls as f64 + throttled), calls as f64 / (at - start).as_secs_f64())
    }

    #[test]
    fn a_lane_of_batches_at_nearly_the_refill_rate_reaches_the_floor_also_beside_another_program() {
        for (neighbour, calls) in [(0.0, 1000), (0.0, 10_000), (2.5, 1000), (2.5, 10_000)] {
            let (throttled, rate) = batches_against_a_bucket(4.9, neighbour, calls);
            let floor = calls as f64 / ((calls as f64 - 100.0) / (5.0 - neighbour));
            assert!(throttled <= 0.01, "{neighbour}, {calls}: {throttled} throttled");
            assert!(rate >= 0.95 * floor, "{neighbour}, {calls}: {rate} of {floor} a second");
        }
    }
}
