//! What happens when everything that can go wrong does.

mod common_wiring;
mod counts;
mod crew;
mod fleet;
mod story;
mod troubles;
