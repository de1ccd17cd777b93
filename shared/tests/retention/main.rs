//! Retention, shown: awkward cases in a form that a person can read, and properties of a great many random ones.
//!
//! A million random cases: `PROPTEST_CASES=1000000 cargo test --workspace --test retention properties`.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot happen fails it")]

mod golden;
mod interlocks;
mod naive;
mod properties;
