//! The notifier as a Lambda function.

use std::time::SystemTime;

use aws_lambda_events::sqs::SqsEvent;
use chrono::Utc;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use notifier::Notifier;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let notifier = &Notifier::from_env().await?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        let remaining = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        notifier.handle(event.payload, Utc::now(), remaining).await
    }))
    .await
}
