//! A Lambda function as Lambda runs it: a real program, and the Runtime API that it polls.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::Result;
use crate::process::Usage;

/// What a function is: a program, what it is told, and how long it may take.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its environment, besides Lambda's own.
    pub environment: Vec<(String, String)>,
    /// What it prints goes here.
    pub log: PathBuf,
    /// The function's time-out.
    pub timeout: Duration,
}

/// One environment of a function: it answers one invocation at a time. It is killed when this is dropped.
#[derive(Debug)]
pub struct Environment {
    invocations: mpsc::Sender<Invocation>,
    process: Mutex<Child>,
    process_id: u32,
    server: JoinHandle<()>,
    timeout: Duration,
    billed: Lock<Duration>,
    /// From the start of the process to its first poll.
    pub cold_start: Duration,
    /// What it had used by its first poll.
    pub at_first_poll: Usage,
}

/// An answer, or the error that the function failed with.
pub type Answer = std::result::Result<Value, Value>;

#[derive(Debug)]
struct Invocation {
    event: Value,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug)]
struct Runtime {
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
    first_poll: Mutex<Option<oneshot::Sender<Instant>>>,
    timeout: Duration,
}

impl Environment {
    /// Starts the program, and waits for its first poll.
    pub async fn start(recipe: &Recipe) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (invocations, receiver) = mpsc::channel(1);
        let (first_poll, polled) = oneshot::channel();
        let runtime = Arc::new(Runtime {
            invocations: Mutex::new(receiver),
            answer: Mutex::default(),
            first_poll: Mutex::new(Some(first_poll)),
            timeout: recipe.timeout,
        });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .layer(DefaultBodyLimit::disable())
            .with_state(runtime);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the Runtime API stopped: {error}");
            }
        });
        let log = File::options().create(true).append(true).open(&recipe.log)?;
        let started = Instant::now();
        let process = Command::new(&recipe.program)
            .args(&recipe.arguments)
            .env_clear()
            .envs(recipe.environment.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let process_id = process.id().ok_or("the process has ended at once")?;
        let polled = timeout(Duration::from_secs(60), polled).await;
        let polled = polled.map_err(|_| format!("{:?} did not poll within a minute", recipe.program))??;
        Ok(Self {
            invocations,
            process: Mutex::new(process),
            process_id,
            server,
            timeout: recipe.timeout,
            billed: Lock::default(),
            cold_start: polled - started,
            at_first_poll: Usage::of(process_id),
        })
    }

    /// Invokes the function, and waits for its answer. One that runs into its time-out is killed, as Lambda does.
    pub async fn invoke(&self, event: Value) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        let began = Instant::now();
        self.invocations.send(Invocation { event, answer }).await.ok()?;
        let answered = timeout(self.timeout, answered).await;
        *self.billed.lock().unwrap_or_else(PoisonError::into_inner) += began.elapsed();
        match answered {
            Ok(answer) => answer.ok(),
            Err(_) => {
                let _ = self.process.lock().await.kill().await;
                None
            }
        }
    }

    /// What it has used until now.
    pub fn usage(&self) -> Usage {
        Usage::of(self.process_id)
    }

    /// How long its invocations took, in all.
    pub fn billed(&self) -> Duration {
        *self.billed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "this is Lambda: it says when the deadline is")]
async fn next(State(runtime): State<Arc<Runtime>>) -> Response<Body> {
    if let Some(first_poll) = runtime.first_poll.lock().await.take() {
        let _ = first_poll.send(Instant::now());
    }
    let Some(Invocation { event, answer }) = runtime.invocations.lock().await.recv().await else {
        // The measurement is over: the function waits for an event that never comes, until it is killed.
        return std::future::pending().await;
    };
    *runtime.answer.lock().await = Some(answer);
    let deadline = (SystemTime::now() + runtime.timeout).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut response = Response::new(Body::from(event.to_string()));
    let headers = [
        ("lambda-runtime-aws-request-id", "00000000-0000-0000-0000-000000000001".to_string()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:bench".into()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".into()),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn response(State(runtime): State<Arc<Runtime>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&runtime, Ok(serde_json::from_slice(&body).unwrap_or_default())).await
}

async fn error(State(runtime): State<Arc<Runtime>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&runtime, Err(serde_json::from_slice(&body).unwrap_or_default())).await
}

async fn answer(runtime: &Runtime, answer: Answer) -> StatusCode {
    if let Some(waiting) = runtime.answer.lock().await.take() {
        let _ = waiting.send(answer);
    }
    StatusCode::ACCEPTED
}
