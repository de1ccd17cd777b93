//! An event source mapping: it receives batches, scales the function out, and deletes what the function does not give
//! back. A whole invocation that fails deletes nothing.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Result;
use crate::lambda::{Environment, Recipe};
use crate::process::Usage;
use crate::sqs::{Delivery, Sqs};

/// A queue with a function behind it. It ends when this is dropped.
#[derive(Debug)]
pub struct Mapping {
    function: Arc<Function>,
    pollers: Vec<JoinHandle<()>>,
}

/// The environments of a function, made as they are needed. One that is free is used again before another is made, the
/// one that was used last first.
#[derive(Debug)]
struct Function {
    recipe: Recipe,
    environments: Mutex<Environments>,
}

#[derive(Debug, Default)]
struct Environments {
    all: Vec<Arc<Environment>>,
    idle: Vec<Arc<Environment>>,
    /// Those that were killed have no `/proc` any more.
    killed: Vec<Usage>,
    invocations: u64,
}

/// What the environments of a function have used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Total {
    /// How many there were.
    pub environments: usize,
    /// Invocations that were begun.
    pub invocations: u64,
    /// Seconds of processor time, without what they had used by their first poll.
    pub cpu: f64,
    /// The most memory that one of them took, in MB.
    pub peak_mb: f64,
    /// How long their invocations took.
    pub billed: Duration,
}

impl Mapping {
    /// Polls `queue`, with at most `concurrency` invocations at once: for a FIFO queue, as many as there are message
    /// groups. <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
    pub fn start(sqs: &Arc<Sqs>, queue: &str, recipe: Recipe, concurrency: usize) -> Self {
        let function = Arc::new(Function { recipe, environments: Mutex::default() });
        let poller = |_| {
            let (sqs, function, queue) = (Arc::clone(sqs), Arc::clone(&function), queue.to_string());
            tokio::spawn(async move {
                loop {
                    let batch = sqs.receive(&queue).await;
                    if batch.is_empty() {
                        continue;
                    }
                    match function.invoke(&batch).await {
                        Ok(settled) if settled.is_empty() => {}
                        Ok(settled) => sqs.delete(&queue, &settled).await,
                        Err(error) => eprintln!("a batch of {queue} comes again: {error}"),
                    }
                }
            })
        };
        let pollers = (0..concurrency).map(poller).collect();
        Self { function, pollers }
    }

    /// What the function has used until now.
    pub fn total(&self) -> Total {
        let environments = self.function.environments();
        let used = environments.all.iter().map(|environment| {
            let (now, before) = (environment.usage(), environment.at_first_poll);
            Usage { cpu: now.cpu - before.cpu, peak_mb: now.peak_mb }
        });
        let used: Vec<Usage> = used.chain(environments.killed.iter().copied()).collect();
        Total {
            environments: used.len(),
            invocations: environments.invocations,
            cpu: used.iter().map(|usage| usage.cpu.max(0.0)).sum(),
            peak_mb: used.iter().map(|usage| usage.peak_mb).fold(0.0, f64::max),
            billed: environments.all.iter().map(|environment| environment.billed()).sum(),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.pollers.iter().for_each(JoinHandle::abort);
    }
}

impl Function {
    fn environments(&self) -> MutexGuard<'_, Environments> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the handles of the messages that are settled.
    async fn invoke(&self, batch: &[Delivery]) -> Result<Vec<String>> {
        let environment = self.free().await?;
        let records: Vec<&Value> = batch.iter().map(|delivery| &delivery.record).collect();
        let before = environment.usage();
        let answer = environment.invoke(json!({"Records": records})).await;
        let mut environments = self.environments();
        environments.invocations += 1;
        match answer {
            Some(answer) => {
                environments.idle.push(environment);
                Ok(answer.map(|answer| settled(batch, &answer)).unwrap_or_default())
            }
            None => {
                environments.all.retain(|known| !Arc::ptr_eq(known, &environment));
                environments.killed.push(before);
                Ok(Vec::new())
            }
        }
    }

    async fn free(&self) -> Result<Arc<Environment>> {
        let idle = self.environments().idle.pop();
        if let Some(idle) = idle {
            return Ok(idle);
        }
        let made = Arc::new(Environment::start(&self.recipe).await?);
        self.environments().all.push(Arc::clone(&made));
        Ok(made)
    }
}

fn settled(batch: &[Delivery], answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed: BTreeSet<&str> = failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str()).collect();
    let is_settled =
        |delivery: &&Delivery| !delivery.record["messageId"].as_str().is_some_and(|id| failed.contains(id));
    batch.iter().filter(is_settled).map(|delivery| delivery.handle.clone()).collect()
}
