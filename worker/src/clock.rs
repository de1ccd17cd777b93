//! What time it is while a batch is worked through: the edge says once, and the runtime's timer counts from there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// A clock that was set once.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    set_to: DateTime<Utc>,
    at: Instant,
}

impl Clock {
    /// A clock that shows `now`.
    pub fn start(now: DateTime<Utc>) -> Self {
        Self { set_to: now, at: Instant::now() }
    }

    /// What time it is, in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        self.set_to + self.at.elapsed()
    }

    /// The instant that lies this long after the start.
    pub fn after(&self, time: Duration) -> Instant {
        self.at + time
    }
}
