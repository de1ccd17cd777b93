//! The planner as a Lambda function.

use chrono::Utc;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use planner::Planner;
use serde_json::Value;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
#[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let planner = &Planner::from_env().await?;
    run(service_fn(|event: LambdaEvent<Value>| async move { planner.handle(&event.payload, Utc::now()).await })).await
}
