//! A Lambda function as Lambda runs it: the real binary, and the Runtime API that it polls.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::python;

/// A function with one environment: it answers one invocation at a time. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Function {
    invocations: mpsc::Sender<Invocation>,
    process: Mutex<Child>,
    process_id: u32,
    server: JoinHandle<()>,
    /// From the start of the process to its first poll.
    pub cold_start: Duration,
}

/// An answer, or the error that the function failed with.
type Answer = Result<Value, Value>;

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

impl Function {
    /// Starts the binary `name` with this environment and nothing else of ours, and waits for its first poll.
    #[expect(clippy::disallowed_methods, reason = "a test measures time")]
    pub async fn start(name: &str, environment: &[(&str, String)], timeout: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, receiver) = mpsc::channel(1);
        let (first_poll, polled) = oneshot::channel();
        let runtime = Arc::new(Runtime {
            invocations: Mutex::new(receiver),
            answer: Mutex::default(),
            first_poll: Mutex::new(Some(first_poll)),
            timeout,
        });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(runtime);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let program = binary(name).await;
        let started = Instant::now();
        let process = Command::new(program)
            .env_clear()
            .envs(environment.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(log(name))
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let polled = tokio::time::timeout(Duration::from_secs(20), polled).await;
        let polled = polled.unwrap_or_else(|_| panic!("{name} did not poll within 20 seconds")).unwrap();
        let process_id = process.id().unwrap();
        Self { invocations, process: Mutex::new(process), process_id, server, cold_start: polled - started }
    }

    /// Invokes the function, and waits for its answer.
    pub async fn invoke(&self, event: Value) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.invocations.send(Invocation { event, answer }).await.unwrap();
        answered.await.unwrap_or_else(|_| panic!("the function ended without an answer"))
    }

    /// SIGKILL, whatever it is doing. Its invocation is never answered.
    pub async fn kill(&self) {
        self.process.lock().await.kill().await.unwrap();
    }

    /// A line of `/proc/PID/status`, in kB: `VmHWM` is the most memory that was ever resident.
    pub fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id)).unwrap();
        let found = status.lines().find(|text| text.starts_with(line)).unwrap();
        found.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The real binary: from the folder that `SNAPKEEP_BINARIES` names, or built here. `cargo test` does not build the binaries of other packages, so this does, once, with the same
/// profile and the same features: what is built already stays.
#[expect(clippy::disallowed_methods, reason = "the one setting of the tests: which binaries are measured")]
pub(crate) async fn binary(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("SNAPKEEP_BINARIES") {
        return PathBuf::from(folder).join(name);
    }
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let folder = BUILT.get_or_init(|| async {
        let folder = python::build_folder();
        let built = folder.clone();
        tokio::task::spawn_blocking(move || build(&built)).await.unwrap();
        folder
    });
    folder.await.join(name)
}

fn build(folder: &std::path::Path) {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    cargo.args(["build", "--quiet", "--workspace", "--bins", "--profile", profile]);
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    python::run(cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
}

/// Where what a program prints is kept.
pub(crate) fn log(name: &str) -> File {
    let folder = python::build_folder().join("e2e-logs");
    std::fs::create_dir_all(&folder).unwrap();
    File::options().create(true).append(true).open(folder.join(format!("{name}.log"))).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "this is Lambda: it says when the deadline is")]
async fn next(State(runtime): State<Arc<Runtime>>) -> Response<Body> {
    if let Some(first_poll) = runtime.first_poll.lock().await.take() {
        let _ = first_poll.send(Instant::now());
    }
    let Some(Invocation { event, answer }) = runtime.invocations.lock().await.recv().await else {
        // The test is over: the function waits for an event that never comes, until it is killed.
        return std::future::pending().await;
    };
    *runtime.answer.lock().await = Some(answer);
    let deadline = (SystemTime::now() + runtime.timeout).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Response::builder()
        .header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000001")
        .header("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:test")
        .header("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")
        .body(Body::from(event.to_string()))
        .unwrap()
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
