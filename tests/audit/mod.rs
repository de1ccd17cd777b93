//! The audit, held against a truth that is known otherwise.

mod command;
mod mass;
mod month;
mod report;
