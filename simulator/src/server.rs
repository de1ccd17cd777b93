//! The simulator over HTTP: `POST /` is EC2 and STS, `GET /_simulator/counters` says who was called how often.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, header};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::answer::{Refusal, cut, refused, success};
use crate::calls;
use crate::faults::Effect;
use crate::query::Call;
use crate::world::World;

/// A simulator that listens. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:40123`.
    pub url: String,
    /// What it serves.
    pub world: Arc<World>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves `world` on `address`; port 0 takes a free one.
    pub async fn start(world: Arc<World>, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new()
            .route("/", post(answer))
            .route("/_simulator/counters", get(counters))
            .with_state(Arc::clone(&world));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the simulator stopped: {error}");
            }
        });
        Ok(Self { url, world, task })
    }

    /// Serves `world` on a free port of this machine.
    pub async fn start_local(world: World) -> std::io::Result<Self> {
        Self::start(Arc::new(world), SocketAddr::from(([127, 0, 0, 1], 0))).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request_id = world.new_id("req");
    let call = match Call::read(&headers, &body) {
        Ok(call) => call,
        Err(refusal) => return refused(&refusal, "ec2", &request_id),
    };
    let effect = admit(&world, &call);
    let answer = match &effect {
        Some(Effect::Refuse(refusal)) => Err(refusal.clone()),
        Some(Effect::LoseAnswer) | None => calls::perform(&world, &call, &request_id),
    };
    match answer {
        Ok(_) if matches!(effect, Some(Effect::LoseAnswer)) => cut(),
        Ok(xml) => success(xml, &request_id),
        Err(refusal) => refused(&refusal, &call.service, &request_id),
    }
}

/// Counts the call, and gives what strikes it: its empty token bucket, or a fault that is set. A throttled call does
/// nothing, and no fault strikes it.
fn admit(world: &World, call: &Call) -> Option<Effect> {
    let (account, region, action) = (call.account.as_str(), call.region.as_str(), call.action.as_str());
    let is_narrow = call.params.is_narrow();
    let limit = world.limit(action, region, is_narrow);
    let bucket = if is_narrow { action.into() } else { format!("{action} unfiltered") };
    let now = world.clock.now();
    let is_let_through =
        call.service != "ec2" || world.region(account, region, |region| region.buckets.take(&bucket, limit, now));
    let effect = match is_let_through {
        true => world.faults().strike(action, region, call.params.text("VolumeId")),
        false => Some(Effect::Refuse(Refusal::new(503, "RequestLimitExceeded", "Request limit exceeded."))),
    };
    let mut counters = world.counters();
    let count = counters.of(account, region, action);
    count.calls += 1;
    count.throttled += u64::from(!is_let_through);
    count.faulted += u64::from(is_let_through && effect.is_some());
    effect
}

async fn counters(State(world): State<Arc<World>>) -> Response<Body> {
    let json = serde_json::to_string_pretty(&world.counters().by_action()).unwrap_or_default();
    let mut response = Response::new(Body::from(json));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
