//! Schedules, evaluated: a golden table of awkward ones, and a second implementation that random ones agree with.

mod golden;
mod naive;
mod properties;
