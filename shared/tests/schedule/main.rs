//! Schedules, evaluated: a golden table of awkward ones, and a second implementation that random ones agree with.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot happen fails it")]

mod golden;
mod naive;
mod properties;
