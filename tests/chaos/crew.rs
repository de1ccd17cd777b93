//! Workers that are killed at random and started again: Lambda's environments, and `snapkeep work`.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::lambda::{Function, binary, log};
use crate::proxy::Chance;
use crate::stack::{Mapping, Stack, config, event};

/// The workers. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Crew {
    phase: watch::Sender<Phase>,
    kills: Arc<AtomicU64>,
    lambdas: Vec<JoinHandle<()>>,
    processes: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Deadly,
    Calm,
    Over,
}

/// What each worker knows.
#[derive(Debug, Clone)]
struct Station {
    name: String,
    seed: u64,
    environment: Vec<(&'static str, String)>,
    mapping: Mapping,
    phase: watch::Receiver<Phase>,
    kills: Arc<AtomicU64>,
}

const TIMEOUT: Duration = Duration::from_secs(60);
/// This share of the invocations ends with a SIGKILL, within a second and a half.
const KILLED: f64 = 0.06;

impl Crew {
    /// So many environments of the Lambda, and processes of `snapkeep work`, all behind the stack's proxy.
    pub async fn start(stack: &Stack, seed: u64, lambdas: usize, processes: usize) -> Self {
        let (phase, watched) = watch::channel(Phase::Deadly);
        let kills = Arc::new(AtomicU64::default());
        let sqs = aws_sdk_sqs::Client::new(&config(&stack.proxy.url).await);
        let mapping = Mapping { sqs, queue: stack.queues.jobs.clone() };
        let station = |kind: &str, number: usize| Station {
            name: format!("{kind} {number}"),
            seed,
            environment: stack.environment().to_vec(),
            mapping: mapping.clone(),
            phase: watched.clone(),
            kills: Arc::clone(&kills),
        };
        let lambdas = (0..lambdas).map(|number| tokio::spawn(station("lambda", number).serve())).collect();
        let processes = (0..processes).map(|number| tokio::spawn(station("process", number).keep_running())).collect();
        Self { phase, kills, lambdas, processes }
    }

    /// From now on nobody is killed.
    pub fn calm(&self) {
        self.phase.send_replace(Phase::Calm);
    }

    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }

    /// Ends the processes as a container is ended, and fails unless each ends well.
    pub async fn end(mut self) {
        self.phase.send_replace(Phase::Over);
        for process in self.processes.drain(..) {
            process.await.unwrap();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.lambdas.iter().chain(&self.processes).for_each(JoinHandle::abort);
    }
}

impl Station {
    /// A mapping and an environment of the Lambda; another environment when the first is killed.
    async fn serve(self) {
        let mut function = self.lambda().await;
        for invocation in 0.. {
            let messages = self.mapping.receive().await;
            if messages.is_empty() {
                continue;
            }
            let mut chance = Chance::of(self.seed, &[&self.name], invocation);
            let is_doomed = chance.draw() < KILLED && *self.phase.borrow() == Phase::Deadly;
            let end = Duration::from_secs_f64(1.5 * chance.draw());
            tokio::select! {
                answer = function.invoke(event(&messages)) => {
                    if let Ok(answer) = answer {
                        self.mapping.settle(&messages, &answer).await;
                    }
                }
                () = sleep(end), if is_doomed => {
                    function.kill().await;
                    self.kills.fetch_add(1, Ordering::Relaxed);
                    function = self.lambda().await;
                }
            }
        }
    }

    async fn lambda(&self) -> Function {
        Function::start("worker", &self.environment, TIMEOUT).await
    }

    /// `snapkeep work`, killed every 5 to 25 seconds; at the end told to stop.
    async fn keep_running(mut self) {
        for life in 0.. {
            let mut process = self.process().await;
            let end = 5.0 + 20.0 * Chance::of(self.seed, &[&self.name], life).draw();
            let over = tokio::time::timeout(Duration::from_secs_f64(end), reached(&mut self.phase, Phase::Over)).await;
            match over {
                Ok(()) => return stop(process).await,
                Err(_) if *self.phase.borrow() == Phase::Deadly => {
                    process.kill().await.unwrap();
                    self.kills.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    reached(&mut self.phase, Phase::Over).await;
                    return stop(process).await;
                }
            }
        }
    }

    async fn process(&self) -> Child {
        let mut command = Command::new(binary("snapkeep").await);
        command.args(["work", "--batches", "2"]).env_clear().envs(self.environment.iter().cloned());
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.stdout(log("work")).stderr(log("work")).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    }
}

async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Nobody who could end it: the story is over.
    let _ = phase.wait_for(|phase| *phase == wanted).await;
}

/// SIGTERM, and then it has half a minute.
async fn stop(mut process: Child) {
    let id = process.id().expect("it runs");
    Command::new("kill").args(["-TERM", &id.to_string()]).status().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), process.wait()).await;
    let status = ended.expect("snapkeep work did not stop within 30 seconds of SIGTERM").unwrap();
    assert!(status.success(), "snapkeep work ended with {status}");
}
