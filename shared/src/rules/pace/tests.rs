use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant will do: a test measures from it")]
fn start() -> Instant {
    Instant::now()
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// When the next call starts that waits from `now` on.
fn next(pace: &mut Pace, now: Instant, is_burst: bool) -> Instant {
    match pace.start(now, is_burst) {
        Ok(()) => now,
        Err(due) => next(pace, due, is_burst),
    }
}

/// When so many calls start that all wait from `now` on, in milliseconds after `start`.
fn starts(pace: &mut Pace, start: Instant, now: Instant, calls: usize, is_burst: bool) -> Vec<u128> {
    let mut at = now;
    let one = |_| {
        at = next(pace, at, is_burst);
        (at - start).as_millis()
    };
    (0..calls).map(one).collect()
}

#[test]
fn calls_start_evenly_at_the_lanes_rate() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    pace.begin_batch(start);
    assert_eq!(starts(&mut pace, start, start, 5, false), [0, 250, 500, 750, 1000]);
}

#[test]
fn the_gap_between_two_batches_is_caught_up() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    pace.begin_batch(start);
    assert_eq!(starts(&mut pace, start, start, 2, false), [0, 250]);
    let second = start + ms(900);
    pace.begin_batch(start + ms(700));
    assert_eq!(starts(&mut pace, start, second, 4, false), [900, 900, 1000, 1250], "as if there had been no gap");
}

#[test]
fn where_another_process_had_the_lane_before_the_time_since_the_batch_was_received_is_caught_up() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    pace.begin_batch(start);
    assert_eq!(starts(&mut pace, start, start + ms(300), 4, false), [300, 300, 500, 750]);
}

#[test]
fn time_that_passed_unused_is_not_saved_up_beyond_a_gap() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    pace.begin_batch(start);
    next(&mut pace, start, false);
    let later = start + Duration::from_secs(60);
    pace.begin_batch(later);
    assert_eq!(starts(&mut pace, later, later, 3, false), [0, 250, 500], "somebody else may have had the lane");
    let later = later + Duration::from_secs(60);
    assert_eq!(starts(&mut pace, later, later, 8, false), [0, 0, 0, 0, 0, 0, 250, 500], "five calls, within a batch");
}

#[test]
fn a_call_that_does_not_start_takes_no_turn() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    pace.begin_batch(start);
    assert_eq!(pace.start(start, false), Ok(()));
    for _ in 0..10 {
        assert_eq!(pace.start(start, false), Err(start + ms(250)));
    }
    assert_eq!(pace.leave(), Some(start + ms(225)), "and it may be left a tenth of a call before the next is due");
}

#[test]
fn the_jobs_of_the_burst_go_faster_until_a_call_is_throttled() {
    let (start, mut pace) = (start(), Pace::new(5.0));
    pace.begin_batch(start);
    assert_eq!(starts(&mut pace, start, start, 3, true), [0, 50, 100]);
    assert_eq!(starts(&mut pace, start, start + ms(100), 2, false), [150, 350], "and the others do not");
    pace.throttled(start + ms(400));
    let calls = starts(&mut pace, start, start + ms(400), 2, true);
    assert_eq!(calls[0], 1400, "it rests for five calls");
    assert!(calls[1] >= 1400 + 400, "then it is slow: {calls:?}");
    let hours_later = start + Duration::from_secs(7200);
    pace.begin_batch(hours_later);
    assert_eq!(starts(&mut pace, hours_later, hours_later, 3, true), [0, 50, 100], "the bucket is full again");
}

#[test]
fn a_throttled_lane_slows_down_once_and_comes_back() {
    let (start, mut pace) = (start(), Pace::new(5.0));
    for _ in 0..5 {
        pace.throttled(start + ms(10));
    }
    assert_eq!(pace.throttled_calls(), 5);
    assert!((1.9..=2.1).contains(&pace.rate(start + ms(10))), "below a half: {}", pace.rate(start));
    assert!((2.4..=2.6).contains(&pace.rate(start + Duration::from_secs(10))));
    assert!(pace.rate(start + Duration::from_secs(27)) >= 5.0, "after half a minute it is as fast as before");
}

#[test]
fn a_lane_never_stops() {
    let (start, mut pace) = (start(), Pace::new(4.0));
    for second in 0..1000 {
        pace.throttled(start + Duration::from_secs(second));
    }
    let last = start + Duration::from_secs(999);
    assert!(pace.rate(last) >= 0.4);
    assert!(next(&mut pace, last, false) - last <= Duration::from_secs(2));
}

/// A bucket of 100 that refills by five a second, from which others take what `others` says of each second.
struct Bucket<F> {
    tokens: f64,
    at: f64,
    others: F,
}

impl<F: Fn(f64) -> f64> Bucket<F> {
    fn take(&mut self, at: f64) -> bool {
        const STEP: f64 = 0.01;
        while self.at < at {
            self.tokens = (self.tokens + (5.0 - (self.others)(self.at)) * STEP).clamp(0.0, 100.0);
            self.at += STEP;
        }
        let is_let = self.tokens >= 1.0;
        self.tokens -= f64::from(is_let);
        is_let
    }
}

/// What came of a lane of so many calls.
#[derive(Debug)]
struct Drained {
    /// Of all calls.
    throttled: f64,
    seconds: f64,
    /// When each call went through, in seconds.
    through: Vec<f64>,
}

/// A lane of so many calls that comes upon that bucket. EC2 says after a tenth of a second whether a call was let.
fn drained(calls: usize, others: impl Fn(f64) -> f64) -> Drained {
    const ANSWER: f64 = 0.1;
    let (start, mut pace) = (start(), Pace::new(4.9));
    let mut bucket = Bucket { tokens: 100.0, at: 0.0, others };
    let (mut now, mut through, mut refusals) = (0.0, Vec::new(), Vec::new());
    pace.begin_batch(start);
    while through.len() < calls {
        let refused = refusals.first().map_or(f64::INFINITY, |at: &f64| at + ANSWER);
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        match pace.start(at(now), through.len() < BURST_JOBS) {
            Ok(()) if bucket.take(now) => through.push(now),
            Ok(()) => refusals.push(now),
            Err(due) if refused <= (due - start).as_secs_f64() => {
                now = refused.max(now);
                refusals.remove(0);
                pace.throttled(at(now));
            }
            Err(due) => now = (due - start).as_secs_f64(),
        }
    }
    let throttled = pace.throttled_calls() as f64;
    Drained { throttled: throttled / (calls as f64 + throttled), seconds: now, through }
}

/// The floor of so many calls: a full bucket, and what others leave of what comes back.
fn floor(calls: usize, others: f64) -> f64 {
    (calls as f64 - 100.0) / (5.0 - others)
}

#[test]
fn beside_another_program_a_lane_takes_what_is_left_and_is_hardly_throttled() {
    for others in [0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5] {
        for calls in [1000, 10_000] {
            let drained = drained(calls, |_| others);
            let rate = floor(calls, others) / drained.seconds;
            assert!(drained.throttled <= 0.01, "{others}, {calls}: {} throttled", drained.throttled);
            assert!(rate >= 0.95, "{others}, {calls}: {rate} of the floor's rate");
        }
    }
}

#[test]
fn when_others_have_emptied_the_bucket_and_gone_the_lane_is_soon_as_fast_as_before() {
    let burst = |second: f64| if (60.0..80.0).contains(&second) { 50.0 } else { 0.0 };
    let drained = drained(1000, burst);
    let in_vain = (drained.throttled * 1000.0).round();
    assert!(in_vain <= 20.0, "{in_vain} calls in vain while nothing was left");
    let after = |from: f64, to: f64| drained.through.iter().filter(|at| (from..to).contains(*at)).count();
    assert!(after(80.0, 120.0) >= 75, "{} in forty seconds after", after(80.0, 120.0));
    assert!(after(120.0, 140.0) >= 97, "{} in twenty seconds", after(120.0, 140.0));
}
