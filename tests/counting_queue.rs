//! An SQS that counts, keeps nothing, and can be in a bad mood: MiniStack takes time for each message that lies in a
//! FIFO queue already, and takes every message.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::lambda::Function;
use crate::stack::environment;

/// What a queue takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Everything.
    Good,
    /// Every message, but each third one only when it comes again.
    Moody,
    /// Nothing for this message group.
    Refuses(&'static str),
}

/// A queue that listens. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct CountingQueue {
    url: String,
    state: Arc<Mutex<Counted>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Counted {
    mood: Mood,
    calls: usize,
    entries: usize,
    refused: HashSet<String>,
    /// Deduplication ids.
    taken: HashSet<String>,
    /// Bodies of single messages.
    reports: Vec<String>,
}

impl CountingQueue {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            Counted { mood, calls: 0, entries: 0, refused: HashSet::new(), taken: HashSet::new(), reports: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let app = Router::new().route("/", post(answer)).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, state, task }
    }

    /// A planner that sends to this queue, with EC2 at `ec2`.
    pub async fn planner(&self, ec2: &str) -> Function {
        let mut environment = environment(&self.url, ec2);
        environment.push(("SNAPKEEP_JOBS_QUEUE_URL", format!("{}/jobs.fifo", self.url)));
        environment.push(("SNAPKEEP_REPORTS_QUEUE_URL", format!("{}/reports", self.url)));
        Function::start("planner", &environment, Duration::from_secs(900)).await
    }

    /// How many `SendMessageBatch` calls there were, and the deduplication ids of the messages taken.
    pub fn taken(&self) -> (usize, HashSet<String>) {
        let state = self.state.lock().unwrap();
        (state.calls, state.taken.clone())
    }

    pub fn reports(&self) -> Vec<String> {
        self.state.lock().unwrap().reports.clone()
    }
}

impl Drop for CountingQueue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `SendMessageBatch` and `SendMessage`. A batch of which some messages are refused is answered with success:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
async fn answer(State(state): State<Arc<Mutex<Counted>>>, body: String) -> String {
    let request: Value = serde_json::from_str(&body).unwrap();
    let mut state = state.lock().unwrap();
    let Some(entries) = request["Entries"].as_array() else {
        state.reports.push(request["MessageBody"].as_str().unwrap().into());
        return json!({"MessageId": "m", "MD5OfMessageBody": ""}).to_string();
    };
    state.calls += 1;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match state.takes(entry) {
            true => successful.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""})),
            false => failed
                .push(json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false, "Message": "later"})),
        }
    }
    json!({"Successful": successful, "Failed": failed}).to_string()
}

impl Counted {
    fn takes(&mut self, entry: &Value) -> bool {
        self.entries += 1;
        let id = entry["MessageDeduplicationId"].as_str().unwrap().to_string();
        let takes = match self.mood {
            Mood::Good => true,
            Mood::Moody => !self.entries.is_multiple_of(3) || !self.refused.insert(id.clone()),
            Mood::Refuses(group) => entry["MessageGroupId"] != group,
        };
        if takes {
            assert!(self.taken.insert(id), "a message that was taken was sent again");
        }
        takes
    }
}
