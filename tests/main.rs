//! Stories of the whole pipeline, told with the real binaries.
//!
//! The three Lambdas run as processes under a Lambda Runtime API that [`lambda`] speaks; SQS and SNS are MiniStack,
//! an emulator that nobody here wrote ([`emulator`]); EC2 is the simulator. [`stack`] puts them together, and is the
//! only place that knows that AWS is not there. Nothing here calls anything but this machine.

#![expect(clippy::unwrap_used, reason = "in a story, what cannot happen fails the test")]

mod at_once;
mod counting_queue;
mod emulator;
mod hostile;
mod lambda;
mod proxy;
mod python;
mod stack;
mod turns;
mod typed;

mod alerts;
mod audit;
mod backup;
mod boto3;
mod chaos;
mod circuit;
mod cli;
mod crosscheck;
mod deployed;
mod dlq;
mod doctor;
mod ec2;
mod edges;
mod failures;
mod fates;
mod figures;
mod moto;
mod prune;
mod restore;
mod runbook;
mod tidy;
mod verdicts;
mod work;
