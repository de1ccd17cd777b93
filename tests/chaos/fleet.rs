//! The volumes of two accounts in three Regions, some of them sick, and snapshots that nobody may touch.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::faults::Fault;
use simulator::fleet::{Fleet, SnapshotPlan, tags};
use simulator::world::World;

use crate::prune::there;
use crate::stack::ACCOUNT;

pub(super) const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];
pub(super) const OTHER_ACCOUNT: &str = "210987654321";
const STRANGER: &str = "333333333333";
const ROLE: &str = "arn:aws:iam::210987654321:role/snapkeep";
/// What the sick volumes are dead-lettered with: no retry mends it.
pub(super) const SICKNESS: &str = "TagLimitExceeded";
/// One volume of so many is sick.
const SICK: usize = 33;
/// The most jobs that are planned at once: a send to the emulator takes the longer, the more messages there are.
const WAVE: usize = 2400;

/// What there was before anything was done.
#[derive(Debug)]
pub(super) struct Ground {
    pub healthy: BTreeSet<String>,
    pub sick: BTreeSet<String>,
    /// Snapshots of strangers, of people, and of the run of yesterday.
    pub snapshots: BTreeSet<String>,
    waves: usize,
    /// Today: of backups that are past their date nothing is pruned.
    slot: String,
}

impl Ground {
    /// About so many volumes, evenly in the lanes.
    pub fn build(world: &World, jobs: usize) -> Self {
        let (waves, lanes) = (jobs.div_ceil(WAVE), REGIONS.len() * 2);
        let volumes = jobs.div_ceil(waves * lanes);
        let mut all = Vec::new();
        for region in REGIONS {
            for wave in 0..waves {
                let wave = wave.to_string();
                let selected = tags(&[("Backup", "true"), ("Wave", &wave)]);
                let fleet = |account, snapshot| Fleet {
                    tags: selected.clone(),
                    snapshots_per_volume: 1,
                    snapshot,
                    ..Fleet::new(account, region, volumes)
                };
                all.extend(fleet(ACCOUNT, made_by_hand()).build(world));
                all.extend(fleet(OTHER_ACCOUNT, made_yesterday(world)).build(world));
            }
            let strange =
                Fleet { snapshots_per_volume: 2, snapshot: made_yesterday(world), ..Fleet::new(STRANGER, region, 5) };
            strange.build(world);
        }
        let (sick, healthy): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(number, _)| number % SICK == 0);
        let ids = |volumes: Vec<(usize, String)>| volumes.into_iter().map(|(_, id)| id).collect();
        Self {
            healthy: ids(healthy),
            sick: ids(sick),
            snapshots: there(world),
            waves,
            slot: world.clock.now().format("%Y-%m-%dT%H:%M:00Z").to_string(),
        }
    }

    /// Volumes, sick ones too.
    pub fn volumes(&self) -> impl Iterator<Item = &String> {
        self.healthy.iter().chain(&self.sick)
    }

    /// The sick volumes fall ill.
    pub fn make_sick(&self, world: &World) {
        for volume in &self.sick {
            let fault = Fault::on("CreateSnapshot", 400, SICKNESS, "The maximum number of tags has been reached.");
            world.faults().set(fault.for_resource(volume));
        }
    }

    /// The policy wave by wave, each in parts of one lane. The emulator hands out messages as they come, where SQS gives
    /// those of one group together: sent in turns, a batch would hold all lanes.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html>
    pub fn policies(&self) -> Vec<Vec<Value>> {
        let wave = |wave: usize| {
            let part = |region: &str, accounts: &Value| {
                json!({
                    "action": "snapshot", "policy": "daily", "retain": "7d", "regions": [region], "accounts": accounts,
                    "select": {"tags": {"Backup": ["true"], "Wave": [wave.to_string()]}},
                    "scheduled_time": self.slot,
                })
            };
            let accounts = [Value::Null, json!([ROLE])];
            let lanes = REGIONS.iter().flat_map(|region| accounts.iter().map(|accounts| part(region, accounts)));
            lanes.map(without_nulls).collect()
        };
        (0..self.waves).map(wave).collect()
    }
}

/// The policies that prune both accounts.
pub(super) fn prune_policies() -> Vec<Value> {
    let policy = |accounts| {
        without_nulls(json!({
            "action": "prune", "regions": REGIONS, "accounts": accounts, "scheduled_time": "2026-11-20T03:00:00Z",
        }))
    };
    vec![policy(Value::Null), policy(json!([ROLE]))]
}

/// A field that is not there: the own account.
fn without_nulls(mut policy: Value) -> Value {
    policy.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    policy
}

fn made_by_hand() -> SnapshotPlan {
    SnapshotPlan {
        tags: tags(&[("Name", "before the upgrade"), ("DeleteOn", "2020-01-01")]),
        ..SnapshotPlan::default()
    }
}

/// Ours, of another job, and young enough to stay.
fn made_yesterday(world: &World) -> SnapshotPlan {
    let due = (world.clock.now() + chrono::TimeDelta::days(6)).date_naive().to_string();
    let ours = [
        ("snapkeep:policy", "daily"),
        ("snapkeep:job", "{volume}-{n}"),
        ("snapkeep:volume", "{volume}"),
        ("snapkeep:retain", "7d"),
        ("DeleteOn", due.as_str()),
    ];
    SnapshotPlan { tags: tags(&ours), ..SnapshotPlan::default() }
}
