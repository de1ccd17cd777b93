//! What time it is while a batch is worked through, and when that must end: the edge says once, and the runtime's timer
//! counts from there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
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

/// When no more work is begun: at a time, or when somebody says so before.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The last moment at which a call may start.
    pub at: Instant,
    called: Option<watch::Receiver<bool>>,
}

impl Stop {
    /// Work may begin until `at`.
    pub fn at(at: Instant) -> Self {
        Self { at, called: None }
    }

    /// And not once `called` says `true`.
    #[must_use]
    pub fn or_when(self, called: watch::Receiver<bool>) -> Self {
        Self { called: Some(called), ..self }
    }

    /// Waits until no more work may begin.
    pub async fn reached(&self) {
        let called = async {
            match &self.called {
                // Nobody is left who could call.
                Some(called) if called.clone().wait_for(|called| *called).await.is_err() => {
                    std::future::pending().await
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = called => {}
            () = tokio::time::sleep_until(self.at) => {}
        }
    }
}
