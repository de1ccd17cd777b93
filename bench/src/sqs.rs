//! An SQS in this process, as far as a jobs queue needs one: FIFO queues whose message groups are handed out one batch
//! at a time, standard queues, visibility, receive counts, redrive, deduplication. MiniStack runs one batch at a time
//! over all groups, so that lanes beside each other cannot be measured with it.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html>

mod http;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub use self::queue::{Delivery, Kind};
use self::queue::{Message, Queue};
use crate::Result;

/// Queues that listen on this machine. They end when this is dropped.
#[derive(Debug)]
pub struct Sqs {
    /// `http://127.0.0.1:40123`
    pub url: String,
    queues: Arc<Queues>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Queues {
    url: String,
    /// How long each call takes.
    latency: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    /// Calls that came over HTTP, and those of the event source mapping: all of them are billed.
    calls: BTreeMap<String, u64>,
}

impl Sqs {
    /// Queues whose every call takes `latency`.
    pub async fn start(latency: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let queues = Arc::new(Queues { url: url.clone(), latency, state: Mutex::default() });
        let app = http::router(Arc::clone(&queues));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the queues stopped: {error}");
            }
        });
        Ok(Self { url, queues, server })
    }

    /// Makes a queue, and gives its URL.
    pub fn create(&self, name: &str, kind: Kind) -> String {
        self.queues.state().queues.insert(name.into(), Queue::new(kind));
        format!("{}/{name}", self.url)
    }

    /// Puts a message there, as somebody did before the measurement began.
    pub fn put(&self, queue: &str, group: &str, body: String) {
        let message = Message::new(body, group.into());
        self.queues.state().queue(queue).add(message, None, Instant::now());
    }

    /// What the event source mapping receives: up to ten messages, when there are some.
    pub async fn receive(&self, queue: &str) -> Vec<Delivery> {
        const LONG_POLL: Duration = Duration::from_secs(20);
        sleep(self.queues.latency).await;
        let until = Instant::now() + LONG_POLL;
        loop {
            let received = self.queues.state().receive(queue, Instant::now());
            if !received.is_empty() || Instant::now() >= until {
                self.queues.state().count("ReceiveMessage");
                return received;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// What the event source mapping deletes.
    pub async fn delete(&self, queue: &str, handles: &[String]) {
        sleep(self.queues.latency).await;
        let mut state = self.queues.state();
        state.count("DeleteMessageBatch");
        handles.iter().for_each(|handle| state.queue(queue).delete(handle));
    }

    /// Messages in a queue, hidden ones too.
    pub fn len(&self, queue: &str) -> usize {
        self.queues.state().queue(queue).len()
    }

    /// All calls, by action.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.queues.state().calls.clone()
    }
}

impl Drop for Sqs {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Queues {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A queue that nobody has made is a standard queue.
    fn queue(&mut self, name: &str) -> &mut Queue {
        self.queues.entry(name.into()).or_insert_with(|| Queue::new(Kind::standard(Duration::from_secs(30))))
    }

    /// What was received too often moves to the dead-letter queue.
    fn receive(&mut self, name: &str, now: Instant) -> Vec<Delivery> {
        let (received, dead) = self.queue(name).receive(10, now);
        let dlq = self.queue(name).kind.dlq.clone();
        for message in dead {
            if let Some((dlq, _)) = &dlq {
                self.queue(dlq).add(message, None, now);
            }
        }
        received
    }

    fn count(&mut self, action: &str) {
        *self.calls.entry(action.into()).or_default() += 1;
    }
}
