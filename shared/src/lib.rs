//! The language of the pipeline: what planner, worker, notifier and the operator's tool say to one another.
//!
//! - [`vocabulary`]: the words, as plain values. A policy, a job, a report, what EC2 told us.
//! - [`rules`]: pure functions of those values. No I/O, no clock, not async.
//! - [`aws`]: thin adapters, and the only place that knows the AWS SDK.
//! - [`config`]: the only place that reads the environment.
//! - [`stdout`]: metrics on their way to CloudWatch.
//!
//! Rules and adapters know the vocabulary; neither knows the other.

pub mod aws;
pub mod config;
pub mod rules;
pub mod stdout;
pub mod vocabulary;
