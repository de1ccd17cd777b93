//! The simulator's clock: it runs, and tests move it or hold it.

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

/// A clock that can be moved and held.
#[derive(Debug)]
pub struct Clock(Mutex<Mode>);

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Real time and this much.
    Running(TimeDelta),
    /// This instant, until somebody moves it.
    Held(DateTime<Utc>),
}

impl Default for Clock {
    fn default() -> Self {
        Self(Mutex::new(Mode::Running(TimeDelta::zero())))
    }
}

impl Clock {
    /// What time it is, in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        match *self.mode() {
            Mode::Running(offset) => real_now() + offset,
            Mode::Held(now) => now,
        }
    }

    /// Stops the clock at `time`.
    pub fn hold(&self, time: DateTime<Utc>) {
        *self.mode() = Mode::Held(time);
    }

    /// Sets the clock to `time` and lets it run.
    pub fn set(&self, time: DateTime<Utc>) {
        *self.mode() = Mode::Running(time - real_now());
    }

    /// Moves the clock, running or held.
    pub fn advance(&self, by: TimeDelta) {
        let mut mode = self.mode();
        *mode = match *mode {
            Mode::Running(offset) => Mode::Running(offset + by),
            Mode::Held(now) => Mode::Held(now + by),
        };
    }

    fn mode(&self) -> std::sync::MutexGuard<'_, Mode> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator's edge: everybody else asks its clock")]
fn real_now() -> DateTime<Utc> {
    Utc::now()
}
