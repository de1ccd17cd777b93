//! The pace of a lane: when its next call may start.

use std::time::{Duration, Instant};

/// How fast a lane calls EC2. Whoever holds the lane's batch is alone in it, so that no counter is shared.
///
/// Calls start evenly, at most at the lane's rate. A throttled call means that somebody else drinks from the same
/// bucket: the rate is halved, and comes back with every call that goes through.
#[derive(Debug, Clone)]
pub struct Pace {
    fastest: f64,
    rate: f64,
    next: Option<Instant>,
    slowed: Option<Instant>,
    throttled_calls: u64,
}

/// After a throttled call the lane rests so long; EC2's bucket refills by five in it.
const REST: Duration = Duration::from_secs(1);
/// The slowest pace, as a share of the fastest.
const SLOWEST: f64 = 0.1;
/// How much of the fastest rate each call that goes through gives back.
const RECOVERY: f64 = 0.02;

impl Pace {
    /// A lane with this many calls a second.
    pub fn new(calls_per_second: f64) -> Self {
        Self { fastest: calls_per_second, rate: calls_per_second, next: None, slowed: None, throttled_calls: 0 }
    }

    /// When a call that is ready `now` may start. The time is taken: the next call comes later. An error is a time
    /// after `latest`, and then nothing is taken: were it, those that are handed back would push each other away.
    pub fn reserve(&mut self, now: Instant, latest: Instant) -> Result<Instant, Instant> {
        let start = self.next.map_or(now, |next| next.max(now));
        if start > latest {
            return Err(start);
        }
        self.next = Some(start + Duration::from_secs_f64(1.0 / self.rate));
        Ok(start)
    }

    /// A call was throttled. Several that were under way together slow the lane once.
    pub fn throttled(&mut self, now: Instant) {
        self.throttled_calls += 1;
        if self.slowed.is_some_and(|slowed| now < slowed + REST) {
            return;
        }
        self.slowed = Some(now);
        self.rate = (self.rate / 2.0).max(self.fastest * SLOWEST);
        self.next = Some(self.next.map_or(now, |next| next.max(now)) + REST);
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
        self.rate = (self.rate + self.fastest * RECOVERY).min(self.fastest);
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
}
