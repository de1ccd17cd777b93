//! Getting volumes back, told with the real command.

mod attach;
mod commands;
mod drill;
mod interrupted;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use simulator::fleet::tags;
use simulator::server::Server;
use simulator::text::text;
use simulator::world::World;
use simulator::world::volume::{Volume, VolumeState, VolumeType};

use crate::stack::ACCOUNT;
use crate::typed::{Said, snapkeep};

const REGION: &str = "eu-central-1";
const SLOTS: [&str; 3] = ["2026-11-18T02:00:00Z", "2026-11-19T02:00:00Z", "2026-11-20T02:00:00Z"];

/// An instance with a boot volume and a data volume, both backed up in three slots.
struct Scene {
    server: Server,
    instance: String,
    /// The boot volume and the data volume.
    volumes: Vec<String>,
    /// By slot, the snapshots of both.
    snapshots: Vec<Vec<String>>,
}

impl Scene {
    async fn new() -> Self {
        let world = World::default();
        let (instance, volumes) = world.add_instance(ACCOUNT, REGION, tags(&[("Name", "db"), ("Backup", "true")]), 2);
        world.region(REGION, |region| {
            region.volumes.change(&volumes[1], |volume| {
                (volume.kind, volume.size, volume.iops) = (VolumeType::Io2, 20, Some(2000));
                volume.tags = tags(&[("Name", "data"), ("Backup", "true"), ("aws:cloudformation:stack-name", "x")]);
            });
        });
        let snapshots = SLOTS.map(|slot| {
            let devices = ["/dev/xvda", "/dev/sdf"];
            let of = volumes.iter().zip(devices).map(|(volume, device)| add(&world, &instance, volume, device, slot));
            of.collect()
        });
        let server = Server::start_local(world).await.unwrap();
        Self { server, instance, volumes, snapshots: snapshots.into() }
    }

    async fn type_in(&self, line: &str) -> Said {
        snapkeep(&self.server.url, line, "").await
    }

    /// What it said in JSON.
    async fn told(&self, line: &str) -> Value {
        let said = self.type_in(&format!("{line} --output json")).await;
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
    }

    /// The volumes that a restore has made and that are not on their way out.
    fn restored(&self) -> Vec<Volume> {
        self.server.world.region(REGION, |region| {
            let made = region.volumes.iter().filter(|volume| volume.tags.contains_key("snapkeep:restore"));
            made.filter(|volume| volume.state != VolumeState::Deleting).cloned().collect()
        })
    }

    /// The snapshots that the restored volumes say they are of.
    fn restored_from(&self) -> BTreeSet<String> {
        self.restored().iter().map(|volume| volume.tags["snapkeep:restored-from"].to_string()).collect()
    }

    fn lose(&self, volume: &str) {
        let world = &self.server.world;
        world.region(REGION, |region| {
            region.volumes.remove(volume, world.clock.now());
            let of = self.instance.clone();
            region.instances.change(&of, |instance| instance.volumes.retain(|each| &*each.volume != volume));
        });
    }

    fn change(&self, snapshot: &str, change: impl FnOnce(&mut simulator::world::snapshot::Snapshot)) {
        self.server.world.region(REGION, |region| region.snapshots.change(snapshot, change));
    }
}

fn add(world: &World, instance: &str, volume: &str, device: &str, slot: &str) -> String {
    let tags = tags(&[
        ("snapkeep:policy", "daily"),
        ("snapkeep:slot", slot),
        ("snapkeep:volume", volume),
        ("snapkeep:instance", instance),
        ("snapkeep:device", device),
        ("snapkeep:retain", "7d"),
        ("DeleteOn", "2026-11-27"),
        ("Team", "storage"),
    ]);
    let started: DateTime<Utc> = slot.parse().unwrap();
    world.add_snapshot(ACCOUNT, REGION, volume, tags, started + chrono::TimeDelta::milliseconds(7250))
}

fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

/// The id of the restore that was printed.
fn id_in(said: &Said) -> String {
    let text = format!("{}{}", said.err, said.out);
    let at = text.find("restore r-").map(|at| at + "restore ".len()).filter(|at| text.len() >= at + 14);
    at.map(|at| text[at..at + 14].into()).unwrap_or_else(|| panic!("no id in {text}"))
}

/// The command that was printed to go on, without its first word.
fn command_in(said: &Said) -> String {
    let line = said.err.lines().find_map(|line| line.strip_prefix("  snapkeep "));
    line.map(Into::into).unwrap_or_else(|| panic!("no command in {}", said.err))
}

fn has_tags(volume: &Volume, pairs: &[(&str, &str)]) -> bool {
    pairs.iter().all(|(key, value)| volume.tags.get(*key) == Some(&text(value)))
}
