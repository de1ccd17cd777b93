//! The words of the pipeline, as plain values: no I/O, no clock, no SDK.

pub mod api_error;
mod body;
pub mod class;
pub mod inventory;
pub mod job;
pub mod metric;
pub mod orphans;
pub mod policy;
pub mod problem;
pub mod report;
pub mod restore;
pub mod retain;
pub mod schedule;
pub mod selection;
pub mod slot;
pub mod tag;
