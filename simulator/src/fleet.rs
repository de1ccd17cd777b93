//! Fleets: instances and volumes, made by the thousand or one by one.

use crate::world::{Instance, Tags, Volume, World};

/// A fleet of like instances in one Region.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The account that owns it.
    pub account: String,
    /// Where it is.
    pub region: String,
    /// How many volumes it has in all.
    pub volumes: usize,
    /// How many of them each instance has; the first is its boot volume.
    pub volumes_per_instance: usize,
    /// The tags of its instances. They are named `server-1` and so on besides.
    pub tags: Tags,
}

/// The devices that volumes are attached as, in their order; the first is the root device.
const DEVICES: [&str; 4] = ["/dev/xvda", "/dev/sdf", "/dev/sdg", "/dev/sdh"];

impl Fleet {
    /// A fleet with two volumes for each instance, tagged `Backup=true`.
    pub fn new(account: &str, region: &str, volumes: usize) -> Self {
        Self {
            account: account.into(),
            region: region.into(),
            volumes,
            volumes_per_instance: 2,
            tags: tags(&[("Backup", "true")]),
        }
    }

    /// Makes the fleet, and gives the ids of its volumes.
    pub fn build(&self, world: &World) -> Vec<String> {
        let mut made = Vec::with_capacity(self.volumes);
        let mut number = 0;
        while made.len() < self.volumes {
            number += 1;
            let count = self.volumes_per_instance.min(self.volumes - made.len());
            let mut tags = self.tags.clone();
            tags.entry("Name".into()).or_insert_with(|| format!("server-{number}"));
            made.extend(world.add_instance(&self.account, &self.region, tags, count).1);
        }
        made
    }
}

/// Tags from pairs.
pub fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect()
}

impl World {
    /// Adds a running instance with this many volumes, and gives its id and theirs.
    pub fn add_instance(&self, account: &str, region: &str, tags: Tags, volumes: usize) -> (String, Vec<String>) {
        let id = self.new_id("i");
        let ids: Vec<String> = (0..volumes).map(|_| self.new_id("vol")).collect();
        let devices = (0..volumes).map(|number| match DEVICES.get(number) {
            Some(device) => String::from(*device),
            None => format!("/dev/xvd{number}"),
        });
        let mapping: Vec<(String, String)> = devices.zip(ids.iter().cloned()).collect();
        self.region(account, region, |region| {
            for (device, volume) in &mapping {
                region.volumes.insert(Volume {
                    id: volume.clone(),
                    state: "in-use".into(),
                    attachments: vec![(id.clone(), device.clone())],
                    size: 8,
                    ..Volume::default()
                });
            }
            region.instances.insert(Instance {
                id: id.clone(),
                state: "running".into(),
                tags,
                root_device: DEVICES[0].into(),
                volumes: mapping,
            });
        });
        (id, ids)
    }

    /// Adds a volume that is attached to nothing, and gives its id.
    pub fn add_volume(&self, account: &str, region: &str, tags: Tags) -> String {
        let id = self.new_id("vol");
        let volume = Volume { id: id.clone(), state: "available".into(), tags, size: 8, ..Volume::default() };
        self.region(account, region, |region| region.volumes.insert(volume));
        id
    }

    /// Changes a volume that is there.
    pub fn change_volume(&self, account: &str, region: &str, id: &str, change: impl FnOnce(&mut Volume)) {
        self.region(account, region, |region| {
            if let Some(mut volume) = region.volumes.remove(id) {
                change(&mut volume);
                region.volumes.insert(volume);
            }
        });
    }

    /// Attaches a volume to one more instance, as Multi-Attach does.
    pub fn attach(&self, account: &str, region: &str, volume: &str, instance: &str, device: &str) {
        self.change_volume(account, region, volume, |volume| {
            volume.state = "in-use".into();
            volume.attachments.push((instance.into(), device.into()));
        });
        self.region(account, region, |region| {
            if let Some(mut found) = region.instances.remove(instance) {
                found.volumes.push((device.into(), volume.into()));
                region.instances.insert(found);
            }
        });
    }
}
