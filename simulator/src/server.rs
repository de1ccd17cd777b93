//! The simulator over HTTP: `/` is EC2 and STS, `/_simulator/…` is the simulator itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::{Refusal, refused, success};
use crate::faults::{Cut, Strike, Target};
use crate::history::Entry;
use crate::query::Call;
use crate::text::{Text, text};
use crate::world::World;
use crate::{calls, control, limits};

/// A simulator that listens. It stops when this is dropped, and cuts its connections.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:40123`.
    pub url: String,
    /// What it serves.
    pub world: Arc<World>,
    task: tokio::task::JoinHandle<()>,
}

/// What is sent, and how.
struct Reply {
    status: u16,
    xml: String,
    request_id: Text,
    strike: Strike,
}

type Body = BoxBody<Bytes, Broken>;

/// The connection breaks here, on purpose.
#[derive(Debug)]
struct Broken;

/// The most that a request may hold. EC2's largest calls have some hundred kilobytes.
const LARGEST_REQUEST: usize = 4 << 20;

/// In how many drops a slow answer comes.
const DROPS: usize = 10;

impl Server {
    /// Serves `world` on `address`; port 0 takes a free one.
    pub async fn start(world: Arc<World>, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(accept(listener, Arc::clone(&world)));
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

/// Connections end with the set that holds them.
async fn accept(listener: TcpListener, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, Arc::clone(&world)));
            }
            // Out of file handles, most likely: those that are open go on.
            Err(error) => {
                eprintln!("the simulator cannot take a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// How a connection ended is the client's affair: it broke, or we broke it on purpose.
async fn serve(stream: TcpStream, world: Arc<World>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(Arc::clone(&world), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let Ok(body) = http_body_util::Limited::new(body, LARGEST_REQUEST).collect().await else {
        return Ok(response(413, "text/plain", full("the request is too large, or broke off")));
    };
    let body = body.to_bytes();
    if let Some(path) = parts.uri.path().strip_prefix("/_simulator/") {
        let (status, json) = control::answer(&world, parts.method.as_str(), path, query, &body);
        return Ok(response(status, "application/json", full(json)));
    }
    let reply = answer(&world, &parts.headers, query, &body);
    // The shortest sleep of tokio's is a millisecond.
    if !reply.strike.delay.is_zero() {
        tokio::time::sleep(reply.strike.delay).await;
    }
    let broken = [Cut::Before, Cut::After].map(Some).contains(&reply.strike.cut);
    if broken {
        return Err(Broken);
    }
    let (half, drop) = (reply.xml.len() / 2, reply.xml.len() / DROPS + 1);
    let body = match (reply.strike.cut, reply.strike.slow_body) {
        (Some(Cut::Middle), _) => cut_after(Bytes::from(reply.xml).slice(..half)),
        (_, Some(slow)) => drip(Bytes::from(reply.xml), drop, slow / u32::try_from(DROPS).unwrap_or(1)),
        _ => full(reply.xml),
    };
    let mut response = response(reply.status, "text/xml;charset=UTF-8", body);
    // The request id stands in the header as well as in the body; the SDKs read the header.
    if let Ok(id) = HeaderValue::from_str(&reply.request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    Ok(response)
}

/// Does what a request of EC2's or STS's asks for, as far as limits and faults let it, and writes it into the history.
fn answer(world: &World, headers: &HeaderMap, query: &str, body: &[u8]) -> Reply {
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

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// The beginning of an answer, and then the connection breaks; not before the beginning is on its way.
fn cut_after(beginning: Bytes) -> Body {
    let pieces = stream::unfold(Some(beginning), |beginning| async move {
        match beginning {
            Some(beginning) if !beginning.is_empty() => Some((Ok(Frame::data(beginning)), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(Broken), None))
            }
            None => None,
        }
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

/// An answer in drops of so many bytes, with a pause before each.
fn drip(whole: Bytes, drop: usize, pause: Duration) -> Body {
    let drops = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(drop.min(rest.len()));
        Some((Ok(Frame::data(next)), rest))
    });
    BodyExt::boxed(StreamBody::new(drops))
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Fleet, ImagePlan};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use quick_xml::events::Event;

    const ACCOUNT: &str = "123456789012";
    const REGION: &str = "eu-central-1";

    /// A world with one of each, in which there is time for everything to settle.
    fn world() -> World {
        let world = World::new(crate::world::Settings::default());
        let mut fleet = Fleet::new(ACCOUNT, REGION, 2);
        (fleet.snapshots_per_volume, fleet.snapshot.image) = (1, ImagePlan::Deprecated);
        fleet.build(&world);
        world
    }

    fn headers(authorization: &[u8]) -> HeaderMap {
        let value = HeaderValue::from_bytes(authorization);
        value.map(|value| [(hyper::header::AUTHORIZATION, value)].into_iter().collect()).unwrap_or_default()
    }

    fn signed(service: &str) -> HeaderMap {
        headers(format!("AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261120/{REGION}/{service}/aws4_request").as_bytes())
    }

    /// Whatever is answered is XML, and nothing of it is a failure of ours.
    fn check(world: &World, headers: &HeaderMap, query: &str, body: &[u8]) -> Result<(), TestCaseError> {
        let reply = answer(world, headers, query, body);
        prop_assert!(reply.status < 500 || reply.xml.contains("RequestLimitExceeded"), "{}", reply.xml);
        let mut reader = quick_xml::Reader::from_str(&reply.xml);
        loop {
            match reader.read_event() {
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{error} in {}", reply.xml),
            }
        }
        prop_assert!(!reply.xml.contains(|c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r')));
        Ok(())
    }

    /// What can stand behind the first word of a parameter.
    const ENDS: [&str; 17] = [
        "",
        ".1",
        ".2",
        ".1.Name",
        ".1.Value.1",
        ".1.Key",
        ".1.Value",
        ".1.ResourceType",
        ".1.Tag.1.Key",
        ".1.Tag.1.Value",
        ".InstanceId",
        ".ExcludeBootVolume",
        ".ExcludeDataVolumeId.1",
        ".1.DeviceName",
        ".1.Ebs.VolumeSize",
        ".Add.1.UserId",
        ".AvailabilityZone",
    ];

    /// A call of each kind that does something, so that what is tried in its surroundings does too.
    const GOOD: [&str; 18] = [
        "Action=AttachVolume&VolumeId={vol}&InstanceId={i}&Device=/dev/sdz",
        "Action=CopySnapshot&SourceRegion=eu-central-1&SourceSnapshotId={snap}",
        "Action=CreateSnapshot&VolumeId={vol}",
        "Action=CreateSnapshots&InstanceSpecification.InstanceId={i}",
        "Action=CreateTags&ResourceId.1={snap}&Tag.1.Key=a&Tag.1.Value=b",
        "Action=CreateVolume&AvailabilityZone=eu-central-1a&SnapshotId={snap}",
        "Action=DeleteSnapshot&SnapshotId={snap}",
        "Action=DeleteTags&ResourceId.1={vol}",
        "Action=DeleteVolume&VolumeId={vol}",
        "Action=DescribeSnapshots&Owner.1=self&MaxResults=5",
        "Action=DescribeSnapshotAttribute&SnapshotId={snap}&Attribute=createVolumePermission",
        "Action=LockSnapshot&SnapshotId={snap}&LockMode=compliance&LockDuration=1",
        "Action=ModifySnapshotAttribute&SnapshotId={snap}&OperationType=add&UserId.1=210987654321",
        "Action=ModifySnapshotTier&SnapshotId={snap}&StorageTier=archive",
        "Action=RestoreSnapshotFromRecycleBin&SnapshotId={snap}",
        "Action=RunInstances&ImageId={ami}&MinCount=1&MaxCount=2",
        "Action=TerminateInstances&InstanceId.1={i}",
        "Action=UnlockSnapshot&SnapshotId={snap}",
    ];

    /// The ids of what is there now.
    fn ids(world: &World) -> Vec<String> {
        world.region(REGION, |region| {
            let volumes = region.volumes.iter().map(|volume| volume.id.to_string());
            let snapshots = region.snapshots.iter().map(|snapshot| snapshot.id.to_string());
            let instances = region.instances.iter().map(|instance| instance.id.to_string());
            let images = region.images.iter().map(|image| image.id.to_string());
            volumes.chain(snapshots).chain(instances).chain(images).collect()
        })
    }

    #[derive(Debug, Clone)]
    struct Param {
        name: prop::sample::Index,
        end: &'static str,
        value: String,
        id: prop::sample::Index,
    }

    fn param() -> impl Strategy<Value = Param> {
        let parts =
            (any::<prop::sample::Index>(), prop::sample::select(&ENDS[..]), value(), any::<prop::sample::Index>());
        parts.prop_map(|(name, end, value, id)| Param { name, end, value, id })
    }

    /// A value that some call takes, that is just not one, or anything.
    fn value() -> impl Strategy<Value = String> {
        let words = [
            "true",
            "false",
            "self",
            "all",
            "amazon",
            "1",
            "5",
            "1000",
            "-1",
            "0",
            "99999999999999999999",
            "snapshot",
            "volume",
            "instance",
            "gp3",
            "io2",
            "st1",
            "archive",
            "governance",
            "compliance",
            "add",
            "remove",
            "createVolumePermission",
            "tag:Name",
            "tag-key",
            "status",
            "volume-id",
            "progress",
            "start-time",
            ".seen-by",
            "*",
            "?",
            "\\",
            "eu-central-1",
            "eu-central-1a",
            "alias/x",
            "/dev/sdf",
            "2030-01-01T00:00:00Z",
            "",
            "arn:aws:iam::123456789012:role/x",
            "arn:aws:iam:::role",
            "vol-",
            "snap-ffffffff",
            "vol-\u{e9}0000000",
        ];
        let known = prop::sample::select(words.map(String::from).to_vec());
        prop_oneof![6 => known, 1 => ".{0,40}", 1 => "[\\x00-\\x1f<>&\"']{1,10}"]
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(
            body in vec(any::<u8>(), 0..300),
            authorization in vec(any::<u8>(), 0..120),
            query in ".{0,60}",
        ) {
            check(&world(), &headers(&authorization), &query, &body)?;
            check(&world(), &signed("ec2"), &query, &body)?;
            let credential = [b"AWS4-HMAC-SHA256 Credential=", authorization.as_slice()].concat();
            check(&world(), &headers(&credential), "Action=DescribeVolumes", &body)?;
        }

        #[test]
        fn no_calls_of_any_kind_make_it_panic(
            calls in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(param(), 0..4)), 1..40),
        ) {
            let world = world();
            for (good, one, params) in calls {
                let ids = ids(&world);
                let mut form = String::from(*good.get(&GOOD));
                for kind in ["vol", "snap", "i", "ami"] {
                    let of_kind: Vec<&String> = ids.iter().filter(|id| id.split('-').next() == Some(kind)).collect();
                    let id = if of_kind.is_empty() { "none" } else { one.get(&of_kind) };
                    form = form.replace(&format!("{{{kind}}}"), id);
                }
                let action = form.split('&').next().unwrap_or_default().trim_start_matches("Action=").to_string();
                let names = calls::known().find(|(name, _)| *name == action).map_or(&[][..], |(_, names)| names);
                let mut form = form_urlencoded::Serializer::new(form);
                for Param { name, end, value, id } in &params {
                    let name = names[name.index(names.len())];
                    let value = if name.ends_with("Id") && id.index(4) > 0 { id.get(&ids) } else { value };
                    form.append_pair(&format!("{name}{end}"), value);
                }
                check(&world, &signed("ec2"), "", form.finish().as_bytes())?;
                world.clock.advance(chrono::TimeDelta::minutes(90));
            }
        }

        #[test]
        fn no_list_of_any_kind_makes_it_panic(
            calls in vec((any::<prop::sample::Index>(), vec(param(), 0..6)), 1..20),
        ) {
            let world = world();
            let actions: Vec<_> = calls::known().chain([("AssumeRole", &["RoleArn", "RoleSessionName"][..])]).collect();
            for (action, params) in calls {
                let (action, names) = actions[action.index(actions.len())];
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("Action", action);
                for Param { name, end, value, .. } in &params {
                    form.append_pair(&format!("{}{end}", names[name.index(names.len())]), value);
                }
                let service = if action == "AssumeRole" { "sts" } else { "ec2" };
                check(&world, &signed(service), "", form.finish().as_bytes())?;
            }
        }
    }
}
