//! An EC2 that runs on a laptop, with EC2's limits and failures: its Query API over HTTP, so that the real SDK
//! clients, boto3 and the AWS CLI talk to it. Development only: nothing that is deployed imports it.
//!
//! - [`world`]: what there is, in every account and Region, and what is yet to happen
//! - [`scenario`], [`fleet`]: how a test, a file or the command line fills it
//! - `calls/`: one file for each kind of resource, one function for each call
//! - [`table`], [`filter`]: resources with EC2's paging and filters
//! - [`limits`], [`faults`], [`clock`], [`history`]: what makes it hostile, and how to see it
//! - `query`, `answer`, [`server`], `control`: EC2's Query protocol, and how the simulator itself is spoken to
//!
//! What it does not model is listed in its README.

mod answer;
mod calls;
pub mod clock;
mod control;
pub mod faults;
pub mod filter;
pub mod fleet;
#[cfg(test)]
mod fuzz;
pub mod history;
pub mod limits;
mod query;
pub mod scenario;
pub mod server;
pub mod table;
pub mod text;
pub mod world;
