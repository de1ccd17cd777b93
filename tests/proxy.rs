//! Between the functions and SQS, or EC2: every call goes through, until something is to go wrong with it.
//!
//! What goes wrong is a rule ([`Proxy::fail`]) or chance ([`Proxy::chaos`], [`Proxy::double`]). Chance depends on the
//! seed, the action, the queue and how often the two were called together so far, so that a run is as repeatable as the
//! order of its calls is.

mod call;
mod chance;
mod mood;
mod receipts;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, Uri};
use futures::stream;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::call::{Call, Protocol, caller};
pub(crate) use self::chance::Chance;
use self::mood::{Mood, Rule, Trouble};
use self::receipts::Receipts;

/// A proxy in front of an emulator. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub url: String,
    wire: Arc<Wire>,
    task: JoinHandle<()>,
}

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that came.
    pub calls: u64,
    /// Calls with which something went wrong: refused, cut, or answered late.
    pub troubled: u64,
    /// Messages that were sent a second time.
    pub doubled: u64,
    /// Messages that were settled after somebody else had received them: their visibility timeout had run out.
    pub overtaken: u64,
}

#[derive(Debug)]
struct Wire {
    upstream: String,
    client: Client<HttpConnector, Body>,
    mood: Mutex<Mood>,
    callers: Mutex<BTreeMap<(String, String), u64>>,
    calls: AtomicU64,
    troubled: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
    receipts: Mutex<Receipts>,
}

impl Proxy {
    /// A proxy in front of `upstream` that lets everything through.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // A connection that the emulator closes while it is idle would be a fault that nobody has asked for.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let wire = Arc::new(Wire {
            upstream: upstream.into(),
            client,
            mood: Mutex::default(),
            callers: Mutex::default(),
            calls: AtomicU64::default(),
            troubled: AtomicU64::default(),
            doubled: AtomicU64::default(),
            overtaken: AtomicU64::default(),
            receipts: Mutex::default(),
        });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&wire));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, wire, task }
    }

    /// The next `times` calls of `action` to a queue whose URL contains `resource`, or of the volume with this id, are
    /// answered with `code`, and nothing is done. The status is 500 or 503 for the codes of a service that fails, and 400
    /// for all others.
    pub fn fail(&self, action: &str, resource: &str, code: &str, times: usize) {
        let rule = Rule { action: action.into(), resource: resource.into(), code: code.into(), times };
        self.wire.mood.lock().unwrap().rules.push(rule);
    }

    /// Nothing is refused by rule any more.
    pub fn clear(&self) {
        self.wire.mood.lock().unwrap().rules.clear();
    }

    /// From now on a `share` of all calls goes wrong, in one way or another; none with a share of 0.
    pub fn chaos(&self, seed: u64, share: f64) {
        let mut mood = self.wire.mood.lock().unwrap();
        (mood.seed, mood.share) = (seed, share);
    }

    /// From now on a `share` of the messages that are sent to jobs queues is sent once more, as messages that SQS cannot
    /// know: with another deduplication id, and every second one outside its group.
    pub fn double(&self, share: f64) {
        self.wire.mood.lock().unwrap().double = share;
    }

    /// Who has called what so far, and how often: the application's name in the user agent, and the IAM action. A batch is
    /// one call.
    pub fn callers(&self) -> BTreeMap<(String, String), u64> {
        self.wire.callers.lock().unwrap().clone()
    }

    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Wire { calls, troubled, doubled, overtaken, .. } = self.wire.as_ref();
        Counts { calls: read(calls), troubled: read(troubled), doubled: read(doubled), overtaken: read(overtaken) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    State(wire): State<Arc<Wire>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    wire.calls.fetch_add(1, Ordering::Relaxed);
    if let Some(caller) = caller(&headers, &body) {
        *wire.callers.lock().unwrap().entry(caller).or_default() += 1;
    }
    let call = Call::read(&headers, &body);
    let (trouble, doubles) = call.as_ref().map(|call| wire.mood.lock().unwrap().strike(call)).unwrap_or_default();
    wire.troubled.fetch_add(trouble.is_some().into(), Ordering::Relaxed);
    match &trouble {
        Some(Trouble::Refused(code)) => return refused(code, call.as_ref().map(|call| call.protocol)),
        Some(Trouble::Cut) => return cut(),
        Some(Trouble::Late(time)) => tokio::time::sleep(*time).await,
        Some(Trouble::AnswerLost) | None => {}
    }
    let answer = wire.forward(method, &uri, &headers, body).await;
    if let (Some(call), Some(answer)) = (&call, &answer) {
        let overtaken = wire.receipts.lock().unwrap().overtaken(call, answer.body());
        wire.overtaken.fetch_add(overtaken, Ordering::Relaxed);
    }
    for double in doubles {
        wire.send_again(&uri, &headers, &double).await;
    }
    match answer {
        Some(answer) if trouble != Some(Trouble::AnswerLost) => answer.map(Body::from),
        _ => cut(),
    }
}

impl Wire {
    /// The upstream's answer, read whole; none where it does not answer.
    async fn forward(&self, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Option<Response<Bytes>> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.upstream).parse().unwrap();
        *request.headers_mut() = end_to_end(headers);
        let answer = self.client.request(request).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.ok()?;
        let mut answer = Response::new(body);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = end_to_end(&head.headers);
        Some(answer)
    }

    async fn send_again(&self, uri: &Uri, headers: &HeaderMap, message: &Value) {
        let mut headers = headers.clone();
        headers.insert("x-amz-target", "AmazonSQS.SendMessage".parse().unwrap());
        let body = Bytes::from(message.to_string());
        if self.forward(Method::POST, uri, &headers, body).await.is_some_and(|answer| answer.status().is_success()) {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The headers that are not about one connection: <https://www.rfc-editor.org/rfc/rfc9110#name-connection>
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const OF_A_CONNECTION: [&str; 4] = ["connection", "content-length", "transfer-encoding", "keep-alive"];
    let is_end_to_end = |name: &HeaderName| !OF_A_CONNECTION.contains(&name.as_str());
    let headers = headers.iter().filter(|(name, _)| is_end_to_end(name));
    headers.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn refused(code: &str, protocol: Option<Protocol>) -> Response<Body> {
    let (status, fault) = match code {
        "InternalError" | "InternalFailure" => (500, "Receiver"),
        "ServiceUnavailable" | "Unavailable" => (503, "Receiver"),
        _ => (400, "Sender"),
    };
    match protocol {
        Some(Protocol::Query) => refused_in_xml(code, status),
        Some(Protocol::Json) | None => refused_in_json(code, status, fault),
    }
}

/// An error as EC2 writes it: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
fn refused_in_xml(code: &str, status: u16) -> Response<Body> {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>refused on purpose</Message></Error></Errors>\
         <RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
    );
    Response::builder().status(status).header("content-type", "text/xml").body(Body::from(body)).unwrap()
}

/// An error as SQS writes it: SDKs take the code from the header, if it is there.
/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>
fn refused_in_json(code: &str, status: u16, fault: &str) -> Response<Body> {
    let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "refused on purpose"});
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amzn-query-error", format!("{code};{fault}"))
        .header("x-amzn-requestid", "00000000-0000-0000-0000-000000000000")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// No answer: the head of an answer leaves only with its body, and this one breaks before.
fn cut() -> Response<Body> {
    let broken = async { Err::<Bytes, _>(std::io::Error::other("cut on purpose")) };
    Response::new(Body::from_stream(stream::once(broken)))
}
