//! What all scenarios stand on: the place where they run, and an EC2 with its limits and latencies.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use simulator::faults::{Effect, Fault, Latency, NeighbourPlan};
use simulator::fleet::{Fleet, VolumePlan, tags};
use simulator::limits::Limit;
use simulator::world::World;

use crate::lambda::Recipe;
use crate::{Result, binaries, python};

/// The account that owns all.
pub const ACCOUNT: &str = "123456789012";
/// The Region of the stack, and of a single lane.
pub const REGION: &str = "eu-central-1";
/// What EC2's bucket of CreateSnapshot and of DeleteSnapshot holds, and how many calls come back each second.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>
pub const CAPACITY: f64 = 100.0;
/// See [`CAPACITY`].
pub const REFILL: f64 = 5.0;
/// How long an answer of SQS takes: an assumption, AWS publishes none.
pub const SQS_LATENCY: Duration = Duration::from_millis(10);
/// The median of EC2's latencies; one answer of a hundred takes longer than [`LATENCY_P99`]. Nearly all of them lie between
/// 63 and 300 ms. An assumption, AWS publishes none.
pub const LATENCY_MEDIAN: f64 = 0.08;
/// See [`LATENCY_MEDIAN`].
pub const LATENCY_P99: f64 = 0.3;

/// Where binaries, Python and results are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The shipped binaries.
    pub binaries: PathBuf,
    /// The programs of the peers' Python.
    pub python: PathBuf,
    /// Where results go.
    pub results: PathBuf,
    /// How often each measurement is made.
    pub runs: u32,
    logs: PathBuf,
}

/// EC2's limits, and how fast time goes.
#[derive(Debug, Clone, Copy)]
pub struct Ec2 {
    /// All rates so many times as high and all times as short as in life; a bucket holds as much.
    pub speed: f64,
    /// Calls a second of life that another program makes.
    pub neighbour: f64,
}

impl Place {
    /// Finds or builds what is needed.
    pub fn prepare(given: Option<PathBuf>, results: PathBuf, runs: u32) -> Result<Self> {
        let python = python::bin()?;
        let binaries = binaries::folder(given)?;
        let logs = python.join("../../bench-logs");
        std::fs::create_dir_all(&logs)?;
        Ok(Self { binaries, python, results, runs, logs })
    }

    /// A shipped binary.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// One of our functions.
    pub fn ours(&self, name: &str, environment: Vec<(String, String)>, timeout: Duration) -> Recipe {
        Recipe { program: self.binary(name), arguments: Vec::new(), environment, log: self.log(name), timeout }
    }

    /// A Python function with boto3: the module `name` of the peers.
    pub fn boto3(&self, name: &str, mut environment: Vec<(String, String)>, timeout: Duration) -> Recipe {
        environment.push(("PYTHONDONTWRITEBYTECODE".into(), "1".into()));
        let arguments = vec![python::peers().join("bootstrap.py").display().to_string(), name.into()];
        Recipe { program: self.python.join("python"), arguments, environment, log: self.log(name), timeout }
    }

    /// Where a program's output goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

impl Ec2 {
    /// EC2 as it is, so many times as fast.
    pub fn at(speed: f64) -> Self {
        Self { speed, neighbour: 0.0 }
    }

    /// A time of life as it is here.
    pub fn scaled(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }

    /// A world with these limits, and latencies between 50 and 300 ms.
    pub fn world(&self) -> World {
        let world = World::default();
        for action in ["CreateSnapshot", "DeleteSnapshot"] {
            world.set_limit(action, None, Limit { capacity: CAPACITY, refill: REFILL * self.speed });
        }
        for action in READS {
            world.set_limit(action, None, Limit { capacity: 100.0, refill: 20.0 * self.speed });
        }
        let latency = Latency::LongTailed { median: LATENCY_MEDIAN / self.speed, p99: LATENCY_P99 / self.speed };
        world.faults().set(Fault::new("*", Effect::Latency(latency)));
        if self.neighbour > 0.0 {
            let calls_per_second = self.neighbour * self.speed;
            let plan = NeighbourPlan { calls_per_second, lasting: None, every: None };
            world.faults().set(Fault::new("CreateSnapshot", Effect::Neighbour(plan)));
        }
        world.set(|settings| {
            settings.quotas.seconds_between_snapshots =
                TimeDelta::seconds(15).num_seconds().div_euclid(self.speed as i64);
        });
        world
    }

    /// In how many seconds of life so many calls of one lane can be made at best: the bucket is full, and what it refills
    /// is there at once.
    pub fn floor(&self, calls: usize) -> f64 {
        (calls as f64 - CAPACITY).max(0.0) / (REFILL - self.neighbour)
    }
}

const READS: [&str; 8] = [
    "DescribeInstances",
    "DescribeVolumes",
    "DescribeSnapshots",
    "DescribeRegions",
    "DescribeImages",
    "DescribeLockedSnapshots",
    "DescribeFastSnapshotRestores",
    "DescribeSnapshotTierStatus",
];

/// So many volumes of a Region, two to an instance; both kinds bear all the tags that somebody selects by.
pub fn fleet(world: &World, region: &str, volumes: usize) -> Vec<String> {
    let tags = tags(&[("Backup", "true"), ("Keep", "7")]);
    let volume = VolumePlan { tags: tags.clone(), ..VolumePlan::default() };
    Fleet { tags, volume, ..Fleet::new(ACCOUNT, region, volumes) }.build(world)
}

/// What every program is told: credentials, and where AWS is. One that is not told would call the real one.
pub fn environment(ec2: &str, sqs: &str) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ENDPOINT_URL", sqs),
        ("AWS_ENDPOINT_URL_EC2", ec2),
        ("AWS_ENDPOINT_URL_STS", ec2),
    ];
    pairs.map(|(name, value)| (name.into(), value.into())).to_vec()
}
