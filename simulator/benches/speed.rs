//! How fast the simulator is with a large fleet in one Region. It is never to be the bottleneck of what is measured
//! on it.
//!
//! ```sh
//! cargo bench -p simulator
//! ```
//!
//! Client and simulator share the machine, over loopback HTTP, without an SDK: the figures are what is left of it.

#![expect(clippy::unwrap_used, reason = "what cannot happen ends the measurement")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use simulator::fleet::Fleet;
use simulator::limits::Limit;
use simulator::server::Server;
use simulator::text::tags;
use simulator::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";
const VOLUMES: usize = 100_000;
const SNAPSHOTS_PER_VOLUME: usize = 10;
const CONNECTIONS: usize = 8;
const CALLS: usize = 50_000;

#[tokio::main]
async fn main() {
    let started = now();
    let world = world();
    println!(
        "{VOLUMES} volumes and {} snapshots of ten tags each, built in {:.1} s: {} MB",
        VOLUMES * SNAPSHOTS_PER_VOLUME,
        started.elapsed().as_secs_f64(),
        memory("VmRSS")
    );
    let volumes: Vec<String> = world.region(REGION, |region| region.volumes.iter().map(|v| v.id.to_string()).collect());
    let server = Server::start_local(world).await.unwrap();
    let address = server.url.trim_start_matches("http://").to_string();

    let pages = measure(&address, 3000, move |_, token| match token {
        None => "Action=DescribeSnapshots&Owner.1=self&MaxResults=1000".into(),
        Some(token) => format!("Action=DescribeSnapshots&Owner.1=self&MaxResults=1000&NextToken={token}"),
    });
    report("full pages of DescribeSnapshots, walked", pages.await);

    let by_volume = volumes.clone();
    let found = measure(&address, CALLS, move |n, _| {
        let volume = &by_volume[n % by_volume.len()];
        format!(
            "Action=DescribeSnapshots&Owner.1=self&MaxResults=1000&Filter.1.Name=volume-id&Filter.1.Value.1={volume}"
        )
    });
    report("DescribeSnapshots by volume-id", found.await);

    let by_tag = volumes.clone();
    let found = measure(&address, CALLS, move |n, _| {
        let job = format!("job-{}-{}", by_tag[n % by_tag.len()], n % SNAPSHOTS_PER_VOLUME);
        format!(
            "Action=DescribeSnapshots&Owner.1=self&MaxResults=1000&Filter.1.Name=tag:snapkeep:job&Filter.1.Value.1={job}"
        )
    });
    report("DescribeSnapshots by a tag that one snapshot has", found.await);

    // Each volume once: the limits of one volume stay as they are.
    let made = measure(&address, VOLUMES, move |n, _| {
        let mut form =
            format!("Action=CreateSnapshot&VolumeId={}&Description=of+a+measurement", volumes[n % volumes.len()]);
        form.push_str("&TagSpecification.1.ResourceType=snapshot");
        form.push_str(&format!("&TagSpecification.1.Tag.1.Key=snapkeep:job&TagSpecification.1.Tag.1.Value=new-{n}"));
        for tag in 2..=10 {
            form.push_str(&format!("&TagSpecification.1.Tag.{tag}.Key=key-{tag}&TagSpecification.1.Tag.{tag}.Value=v"));
        }
        form
    });
    report("CreateSnapshot with ten tags", made.await);
    println!("memory: {} MB now, {} MB at the most", memory("VmRSS"), memory("VmHWM"));
}

/// The fleet of the issue, and no limit that stands in the way of a measurement.
fn world() -> World {
    let world = World::default();
    world.set(|settings| {
        settings.quotas.snapshots_per_region = u64::MAX;
        settings.quotas.concurrent_snapshots = u64::MAX;
        settings.quotas.seconds_between_snapshots = 0;
    });
    world.set_limit("*", None, Limit { capacity: 1e9, refill: 1e9 });
    let mut fleet = Fleet::new(ACCOUNT, REGION, VOLUMES);
    fleet.snapshots_per_volume = SNAPSHOTS_PER_VOLUME;
    fleet.snapshot.tags = tags(&[
        ("snapkeep:policy", "daily"),
        ("snapkeep:job", "job-{volume}-{n}"),
        ("snapkeep:slot", "2026-11-{n}T02:00:00Z"),
        ("snapkeep:volume", "{volume}"),
        ("snapkeep:device", "/dev/xvda"),
        ("snapkeep:retain", "7d"),
        ("snapkeep:time-zone", "UTC"),
        ("DeleteOn", "2026-11-{n}"),
        ("Name", "server of {volume}"),
        ("Backup", "true"),
    ]);
    fleet.build(&world);
    world
}

/// Answers in all, failures among them, bytes, and seconds.
struct Measured {
    calls: u64,
    refused: u64,
    bytes: u64,
    seconds: f64,
}

fn report(what: &str, measured: Measured) {
    let Measured { calls, refused, bytes, seconds } = measured;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (rate, size) = (calls as f64 / seconds, bytes as f64 / 1024.0 / calls.max(1) as f64);
    println!("{what}: {rate:.0} a second, {size:.1} KiB each, {refused} refused");
    assert_eq!(refused, 0, "what is refused is no measure");
}

/// So many calls, which follow each other on each of the connections. `form` gets the number of the call, and the
/// token of the connection's last answer.
async fn measure(
    address: &str,
    calls: usize,
    form: impl Fn(usize, Option<&str>) -> String + Clone + Send + 'static,
) -> Measured {
    let numbers = Arc::new(AtomicUsize::new(0));
    let (refused, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (numbers, refused, bytes) = (numbers.clone(), refused.clone(), bytes.clone());
        let (mut stream, form) = (TcpStream::connect(address).await.unwrap(), form.clone());
        stream.set_nodelay(true).unwrap();
        tasks.push(tokio::spawn(async move {
            let (mut buffer, mut token) = (vec![0; 4 << 20], None::<String>);
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    break;
                }
                let answer = call(&mut stream, &mut buffer, &form(number, token.as_deref())).await;
                refused.fetch_add(u64::from(!answer.starts_with(b"HTTP/1.1 200")), Ordering::Relaxed);
                bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
                token = token_of(answer);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    Measured {
        calls: calls as u64,
        refused: refused.load(Ordering::Relaxed),
        bytes: bytes.load(Ordering::Relaxed),
        seconds: started.elapsed().as_secs_f64(),
    }
}

async fn call<'a>(stream: &mut TcpStream, buffer: &'a mut [u8], form: &str) -> &'a [u8] {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: simulator\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={ACCOUNT}/20261120/{REGION}/ec2/aws4_request\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = 0;
    loop {
        let count = stream.read(&mut buffer[read..]).await.unwrap();
        assert!(count > 0, "the simulator hung up");
        read += count;
        let head = find(&buffer[..read.min(1024)], b"\r\n\r\n");
        if head.is_some_and(|head| read >= head + 4 + content_length(&buffer[..head])) {
            return &buffer[..read];
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    length.parse().unwrap()
}

/// It stands at the end of a page.
fn token_of(answer: &[u8]) -> Option<String> {
    let end = &answer[answer.len().saturating_sub(200)..];
    let start = find(end, b"<nextToken>")? + 11;
    let length = find(&end[start..], b"<")?;
    Some(String::from_utf8(end[start..start + length].to_vec()).unwrap())
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}

/// In MB, of 1,000,000 bytes.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024 / 1_000_000
}

#[expect(clippy::disallowed_methods, reason = "a measurement measures time")]
fn now() -> Instant {
    Instant::now()
}
