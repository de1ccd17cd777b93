//! The simulator over HTTP: `/` is EC2 and STS, `/_simulator/…` is the simulator itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;
use axum::serve::ListenerExt;
use futures::stream;
use tokio::net::TcpListener;

use crate::answer::{Refusal, refused, success};
use crate::faults::{Cut, Strike, Target};
use crate::history::Entry;
use crate::query::Call;
use crate::text::{Text, text};
use crate::world::World;
use crate::{calls, control, limits};

/// A simulator that listens. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:40123`.
    pub url: String,
    /// What it serves.
    pub world: Arc<World>,
    task: tokio::task::JoinHandle<()>,
}

/// What is sent, and how.
pub(crate) struct Reply {
    pub status: u16,
    pub xml: String,
    request_id: Text,
    strike: Strike,
}

/// The most that a request may hold. EC2's largest calls have some hundred kilobytes.
const LARGEST_REQUEST: usize = 4 << 20;

/// How long half an answer is given to leave.
const UNDER_WAY: Duration = Duration::from_millis(20);

/// In how many drops a slow answer comes.
const DROPS: usize = 10;

impl Server {
    /// Serves `world` on `address`; port 0 takes a free one.
    pub async fn start(world: Arc<World>, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new()
            .route("/", any(respond))
            .route("/_simulator/{*path}", any(steer))
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .with_state(Arc::clone(&world));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
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

async fn steer(
    State(world): State<Arc<World>>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response<Body> {
    let (status, json) = control::answer(&world, method.as_str(), &path, &query.unwrap_or_default(), &body);
    response(status, "application/json", json.into())
}

async fn respond(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response<Body> {
    let reply = answer(&world, &headers, &query.unwrap_or_default(), &body);
    // The shortest sleep of tokio's is a millisecond.
    if !reply.strike.delay.is_zero() {
        tokio::time::sleep(reply.strike.delay).await;
    }
    let (half, drop) = (reply.xml.len() / 2, reply.xml.len() / DROPS + 1);
    let body = match (reply.strike.cut, reply.strike.slow_body) {
        (Some(Cut::Before | Cut::After), _) => cut_after(Bytes::new()),
        (Some(Cut::Middle), _) => cut_after(Bytes::from(reply.xml).slice(..half)),
        (_, Some(slow)) => drip(Bytes::from(reply.xml), drop, slow / u32::try_from(DROPS).unwrap_or(1)),
        _ => reply.xml.into(),
    };
    let mut response = response(reply.status, "text/xml;charset=UTF-8", body);
    // The request id stands in the header as well as in the body; the SDKs read the header.
    if let Ok(id) = HeaderValue::from_str(&reply.request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// Does what a request of EC2's or STS's asks for, as far as limits and faults let it, and writes it into the history.
pub(crate) fn answer(world: &World, headers: &HeaderMap, query: &str, body: &[u8]) -> Reply {
    let request_id = world.new_id("req");
    let mut call = match Call::read(world, headers, query, body) {
        Ok(call) => call,
        Err(refusal) => {
            let xml = refused("ec2", &refusal, &request_id);
            return Reply { status: refusal.status, xml, request_id, strike: Strike::default() };
        }
    };
    let resources = call.resources();
    let target = Target { action: &call.action, account: &call.account, region: &call.region, resources: &resources };
    let is_let_through = &*call.service != "ec2" || takes_token(world, &call, &target);
    let strike = match is_let_through {
        true => world.faults().strike(&target, world.settings().seed),
        false => Strike::default(),
    };
    call.ends_in_error = strike.ends_in_error.clone();
    let answer = match (&strike.refusal, strike.cut) {
        _ if !is_let_through => Err(Refusal::new(503, "RequestLimitExceeded", "Request limit exceeded.")),
        (Some(refusal), _) => Err(refusal.clone()),
        // Nobody will read this answer.
        (None, Some(Cut::Before)) => Err(Refusal::new(503, "ConnectionCut", "")),
        (None, _) => calls::perform(world, &call),
    };
    world.history().add(Entry {
        number: 0,
        at: call.now,
        account: call.account.clone(),
        region: call.region.clone(),
        service: call.service.clone(),
        action: call.action.clone(),
        caller: call.caller.clone(),
        role: call.role.clone(),
        outcome: answer.as_ref().err().map_or_else(|| text("ok"), |refusal| text(&refusal.code)),
        faulted: strike.is_any(),
        throttled: !is_let_through,
        request_id: request_id.clone(),
        resources,
    });
    let (status, xml) = match answer {
        Ok(xml) => (200, success(&call.service, &call.action, &request_id, &xml.0)),
        Err(refusal) => (refusal.status, refused(&call.service, &refusal, &request_id)),
    };
    Reply { status, xml, request_id, strike }
}

/// Whether the call's token bucket has a token for it. A throttled call does nothing, and no fault strikes it.
fn takes_token(world: &World, call: &Call, target: &Target<'_>) -> bool {
    let settings = world.settings();
    let is_narrow = call.params.is_narrow();
    let limit = settings.limit(&call.action, &call.account, &call.region, is_narrow);
    let bucket = limits::bucket(&call.action, is_narrow, settings.share_mutating_bucket);
    let neighbours = world.faults().neighbours(target, call.now);
    world.region(&call.region, |region| region.buckets.take(&call.account, bucket, limit, call.now, &neighbours))
}

fn response(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The beginning of an answer, and then the connection breaks. Where there is a beginning, it is on its way by then;
/// where there is none, not even the head of the answer leaves: the server keeps it until there is a body to send.
fn cut_after(beginning: Bytes) -> Body {
    let is_begun = !beginning.is_empty();
    Body::from_stream(stream::unfold(beginning, move |rest| async move {
        if !rest.is_empty() {
            return Some((Ok(rest), Bytes::new()));
        }
        if is_begun {
            tokio::time::sleep(UNDER_WAY).await;
        }
        Some((Err(std::io::Error::other("cut on purpose")), rest))
    }))
}

/// An answer in drops of so many bytes, with a pause before each.
fn drip(whole: Bytes, drop: usize, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(drop.min(rest.len()));
        Some((Ok::<_, std::io::Error>(next), rest))
    }))
}
