//! Pure functions of values and `now`: no I/O, no clock, not async, and a verdict with its reason.

pub mod adopt;
pub mod calendar;
pub mod coverage;
pub mod fate;
pub mod forecast;
pub mod hold;
pub mod need;
pub mod pace;
pub mod restore;
pub mod retain_rule;
pub mod retention;
pub mod schedule;
pub mod select;
pub mod stock;
pub mod tags;
