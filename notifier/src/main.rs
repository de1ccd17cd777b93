//! The notifier as a Lambda function.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use notifier::Notifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let notifier = &Notifier::from_env().await?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| async move { notifier.handle(event.payload).await })).await
}
