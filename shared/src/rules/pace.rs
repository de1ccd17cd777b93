//! The pace of a lane: when its next call may start.

use std::time::{Duration, Instant};

/// How fast a lane calls EC2. Whoever holds the lane's batch is alone in it, so that no counter is shared.
///
/// Calls start evenly, on average at most at the lane's rate. What a lane is behind, because a batch ends and another
/// begins, it catches up. That the bucket was full when the lane began is not used: several workers take the lane's batches
/// in turns, and each would think so. A throttled call means that somebody else drinks
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

    /// A batch of the lane begins. The time since the last call, if it is short, is the lane's: it has gone by with
    /// settling, receiving and looking.
    pub fn begin_batch(&mut self, now: Instant) {
        let longest = Duration::from_secs_f64(LONGEST_GAP_CALLS / self.rate);
        let gap = self.next.map(|next| now.saturating_duration_since(next)).filter(|gap| *gap <= longest);
        self.behind = gap.map_or(Duration::ZERO, |gap| (self.behind + gap).min(longest));
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
        pace.begin_batch(second);
        assert_eq!(starts(&mut pace, start, second, 5), [875, 937, 1000, 1250, 1500], "as if there had been no gap");
    }

    #[test]
    fn a_gap_in_which_somebody_else_may_have_held_the_lane_is_not() {
        let (start, mut pace) = (start(), Pace::new(4.0));
        next(&mut pace, start);
        let later = start + Duration::from_secs(3);
        pace.begin_batch(later);
        assert_eq!(starts(&mut pace, start, later, 3), [3000, 3250, 3500]);
    }

    /// A bucket of 100 that refills by 5 a second, from which another program takes `neighbour`: what became of `calls`
    /// that were made one after the other, as the share that was throttled and the calls a second.
    fn against_a_bucket(neighbour: f64, calls: u32) -> (f64, f64) {
        let (start, mut pace) = (start(), Pace::new(5.0));
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
            let refilled = 5.0 - neighbour;
            assert!(throttled <= 0.01, "{neighbour}, {calls}: {throttled} throttled");
            assert!(rate >= 0.95 * refilled, "{neighbour}, {calls}: {rate} of {refilled} a second");
        }
    }

    /// A lane's batches of ten through such a bucket, where a look takes a tenth of a second, a call as long or three times
    /// as long, and settling and receiving 40 ms: the share that was throttled, and the calls a second.
    fn batches_against_a_bucket(rate: f64, neighbour: f64, calls: usize) -> (f64, f64) {
        let (start, mut pace) = (start(), Pace::new(rate));
        let (mut tokens, mut at, mut now) = (100.0_f64, start, start);
        for _ in 0..calls / 10 {
            now += Duration::from_millis(140);
            pace.begin_batch(now);
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
    fn a_lane_of_batches_takes_nearly_what_the_bucket_refills_also_beside_another_program() {
        for (neighbour, calls) in [(0.0, 1000), (0.0, 10_000), (2.5, 1000), (2.5, 10_000)] {
            let (throttled, rate) = batches_against_a_bucket(4.9, neighbour, calls);
            let refilled = 5.0 - neighbour;
            assert!(throttled <= 0.01, "{neighbour}, {calls}: {throttled} throttled");
            assert!(rate >= 0.95 * refilled, "{neighbour}, {calls}: {rate} of {refilled} a second");
        }
    }
}
