//! Lanes that wait: the circuit that a configuration error opens, and how a message that waits is told apart from one
//! that a dead worker has let go.
//!
//! SQS keeps no memory for us but how often and since when a message is received. A lane is held by hiding its first
//! batch: the message group is locked meanwhile, so that the rest waits without a call. When the batch comes back, its
//! jobs are tried again, and find out by themselves whether the lane is mended.

use chrono::TimeDelta;

use super::fate::is_about_the_lane;
use crate::vocabulary::api_error::ApiError;

/// What a batch has shown of its lane so far.
#[derive(Debug, Default)]
pub struct Circuit {
    went_through: bool,
    was_refused: bool,
    broken: Option<ApiError>,
}

/// A held lane is tried again at least so often, unless its visibility timeout is longer than half of that.
const LONGEST_HOLD: TimeDelta = TimeDelta::minutes(30);

impl Circuit {
    /// A call for a volume met a configuration error.
    pub fn refused(&mut self, error: &ApiError) {
        self.was_refused = true;
        if is_about_the_lane(&error.code) {
            self.break_with(error);
        }
    }

    /// The lane as a whole is in the way: its role, or the look at what is there.
    pub fn break_with(&mut self, error: &ApiError) {
        self.broken.get_or_insert_with(|| error.clone());
    }

    /// A call went through: a permission, a key or a tag may still be missing, but of single volumes.
    pub fn went_through(&mut self) {
        self.went_through = true;
    }

    /// Whether a call went through so far.
    pub fn is_served(&self) -> bool {
        self.went_through
    }

    /// What no other job of the batch need try, because it is about all of them.
    pub fn broken(&self) -> Option<&ApiError> {
        self.broken.as_ref()
    }

    /// Whether the lane must wait, now that the batch is through: where one volume is served and another refused, it is
    /// about the other one. Where none is served, nobody can tell, and what is doubtful waits.
    pub fn is_open(&self) -> bool {
        self.broken.is_some() || self.was_refused && !self.went_through
    }
}

/// How long a message of a held lane is hidden after its `receives`th receive, where the queue's visibility timeout is
/// `visibility`: always longer than that, so that [`was_let_go`] can tell; doubling, so that it costs few receives.
pub fn hold(visibility: TimeDelta, receives: u32) -> TimeDelta {
    let doublings = receives.clamp(1, 20);
    let longest = LONGEST_HOLD.max(visibility * 2);
    visibility.checked_mul(1 << doublings).unwrap_or(longest).min(longest)
}

/// Whether a message that is received for the `receives`th time, `since` its first, was let go at least once by a
/// worker that died or gave it back: then it comes sooner than if it had been held each time.
///
/// Half a visibility timeout is left for clocks that differ. What is taken for held by mistake, because nobody was there
/// to receive it, is found out the next time.
pub fn was_let_go(visibility: TimeDelta, receives: u32, since: TimeDelta) -> bool {
    let held = (1..receives.min(1000)).map(|receive| hold(visibility, receive));
    receives > 1 && since + visibility / 2 < held.sum::<TimeDelta>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> ApiError {
        ApiError {
            operation: "create a snapshot".into(),
            code: code.into(),
            message: String::new(),
            status: Some(403),
            request_id: None,
        }
    }

    /// `+` is a call that goes through, anything else the code of one that is refused.
    fn opens(calls: &[&str]) -> bool {
        let mut circuit = Circuit::default();
        for call in calls {
            match *call {
                "+" => circuit.went_through(),
                code => circuit.refused(&error(code)),
            }
        }
        circuit.is_open()
    }

    #[test]
    fn an_error_about_the_account_or_the_region_holds_the_lane_whatever_else_goes_through() {
        assert!(opens(&["AuthFailure", "+"]));
        assert!(opens(&["+", "SnapshotLimitExceeded"]));
        assert!(!opens(&["+"]) && !opens(&[]));
    }

    #[test]
    fn what_may_be_about_single_volumes_holds_the_lane_only_where_none_is_served() {
        let (denied, revoked) = ("UnauthorizedOperation", "CustomerKeyHasBeenRevoked");
        assert!(opens(&[denied]), "who knows");
        assert!(opens(&[denied, revoked, denied]));
        assert!(!opens(&["+", denied, denied, denied]));
        assert!(!opens(&[denied, denied, denied, "+"]), "in whatever order they are answered");
    }

    const V: TimeDelta = TimeDelta::seconds(90);

    #[test]
    fn a_held_lane_is_tried_again_after_three_minutes_and_at_last_every_half_hour() {
        let minutes: Vec<i64> = (1..=7).map(|receive| hold(V, receive).num_minutes()).collect();
        assert_eq!(minutes, [3, 6, 12, 24, 30, 30, 30]);
        assert_eq!(hold(TimeDelta::hours(1), 9), TimeDelta::hours(2), "longer than the visibility timeout in any case");
        assert_eq!(hold(V, u32::MAX), LONGEST_HOLD);
    }

    #[test]
    fn a_day_of_holding_fits_into_the_receives_that_the_queue_allows() {
        let held: TimeDelta = (1..=60).map(|receive| hold(V, receive)).sum();
        assert!(held > TimeDelta::hours(23));
    }

    /// When a message comes that was held `held` times and then, perhaps, let go once; with a delay each time.
    fn comes_after(held: u32, let_go: bool, delay: TimeDelta) -> bool {
        let receives = held + u32::from(let_go) + 1;
        let since: TimeDelta = (1..=held).map(|receive| hold(V, receive) + delay).sum();
        was_let_go(V, receives, since + if let_go { V + delay } else { TimeDelta::zero() })
    }

    #[test]
    fn a_message_that_a_worker_died_with_is_told_apart_from_one_that_was_held() {
        for held in 0..80 {
            for delay in [TimeDelta::zero(), TimeDelta::seconds(1)] {
                assert!(!comes_after(held, false, delay), "held {held} times");
                assert!(comes_after(held, true, delay), "held {held} times, then let go");
            }
        }
        assert!(!was_let_go(V, 1, TimeDelta::zero()), "the first time");
        assert!(was_let_go(V, 5, V * 4), "let go again and again");
    }

    #[test]
    fn a_message_that_nobody_was_there_to_receive_is_found_out_the_next_time() {
        assert!(!was_let_go(V, 2, V * 10));
        assert!(was_let_go(V, 5, V * 13));
    }
}
