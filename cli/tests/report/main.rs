//! The report's page in a real browser: that it opens, filters, obeys the keyboard, can be read aloud, and runs nothing
//! that a tag says.
//!
//! `cargo test -p cli --test report screenshots -- --ignored` makes the pictures, in `target/tmp/report`.

#![expect(clippy::unwrap_used, reason = "in a story, what cannot happen fails the test")]

mod chromium;
mod fleet;

mod access;
mod hostile;
mod opening;
mod pictures;
mod using;
