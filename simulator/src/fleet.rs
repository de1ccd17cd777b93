//! Fleets: instances, volumes, snapshots and images, made by the thousand or one by one. What a fleet makes was
//! always there: it takes no time, no token and no quota.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use crate::text::tags;
use crate::text::{Tags, Text, text};
use crate::world::image::{Image, ImageDevice};
use crate::world::instance::{Instance, InstanceState, Mapping};
use crate::world::snapshot::{Rare, Snapshot, SnapshotState};
use crate::world::volume::{Attachment, Volume, VolumeState, VolumeType};
use crate::world::{ALWAYS, Region, World};

/// A fleet of like instances, the same in each of its Regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The account that owns it.
    pub account: String,
    /// Where it is.
    pub regions: Vec<String>,
    /// How many volumes it has in each Region, in all.
    pub volumes: usize,
    /// How many of them each instance has; the first is its boot volume. 0 makes volumes that are attached to nothing.
    #[serde(default = "two")]
    pub volumes_per_instance: usize,
    /// The tags of its instances, or of its volumes if it has no instances. Instances are named `server-1` and so on
    /// besides.
    #[serde(default)]
    pub tags: Tags,
    /// Whether its instances are `running` or `stopped`.
    #[serde(default)]
    pub state: InstanceState,
    /// Whether its instances boot from an instance store, so that none of its volumes is a boot volume.
    #[serde(default)]
    pub instance_store_root: bool,
    /// The AWS service that manages its instances and volumes: they are hidden unless somebody asks for them.
    #[serde(default)]
    pub managed_by: Option<String>,
    /// What its volumes are like.
    #[serde(default)]
    pub volume: VolumePlan,
    /// How many snapshots each volume has.
    #[serde(default)]
    pub snapshots_per_volume: usize,
    /// What these snapshots are like.
    #[serde(default)]
    pub snapshot: SnapshotPlan,
}

/// What a fleet's volumes are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumePlan {
    /// Their type.
    #[serde(rename = "type")]
    pub kind: VolumeType,
    /// In GiB.
    pub size: u32,
    /// Provisioned operations a second, of io1, io2 (1000, unless it says so) and gp3.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s, of gp3.
    pub throughput: Option<u32>,
    /// The KMS key that they are encrypted with.
    pub key: Option<String>,
    /// The Outpost that they are on.
    pub outpost: Option<String>,
    /// Whether they can be attached to more than one instance.
    pub multi_attach: bool,
    /// Their tags.
    pub tags: Tags,
}

/// What a fleet's snapshots are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotPlan {
    /// Seconds between two of them; the newest is as old.
    pub every_seconds: i64,
    /// Their tags. `{n}` is the snapshot's number, `{volume}` its volume.
    pub tags: Tags,
    /// Whether anybody may create volumes from them.
    pub public: bool,
    /// Whether the newest of each instance's boot volume belongs to an image.
    pub image: ImagePlan,
}

/// Whether there are images of a fleet's snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImagePlan {
    /// No image.
    #[default]
    None,
    /// One that can be launched.
    Available,
    /// One that is deprecated.
    Deprecated,
    /// One that is disabled.
    Disabled,
}

/// The devices that volumes are attached as, in their order; the first is the root device.
const DEVICES: [&str; 4] = ["/dev/xvda", "/dev/sdf", "/dev/sdg", "/dev/sdh"];

fn two() -> usize {
    2
}

impl Default for VolumePlan {
    fn default() -> Self {
        Self {
            kind: VolumeType::Gp3,
            size: 8,
            iops: None,
            throughput: None,
            key: None,
            outpost: None,
            multi_attach: false,
            tags: Tags::new(),
        }
    }
}

impl Default for SnapshotPlan {
    fn default() -> Self {
        Self { every_seconds: 86_400, tags: Tags::new(), public: false, image: ImagePlan::None }
    }
}

impl Fleet {
    /// A running fleet with two volumes for each instance, tagged `Backup=true`.
    pub fn new(account: &str, region: &str, volumes: usize) -> Self {
        Self {
            account: account.into(),
            regions: vec![region.into()],
            volumes,
            volumes_per_instance: 2,
            tags: tags(&[("Backup", "true")]),
            state: InstanceState::Running,
            instance_store_root: false,
            managed_by: None,
            volume: VolumePlan::default(),
            snapshots_per_volume: 0,
            snapshot: SnapshotPlan::default(),
        }
    }

    /// What no type can say: sizes that a machine can hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        let allow = |field: &str, value: i128, allowed: std::ops::RangeInclusive<i128>| match allowed.contains(&value) {
            true => Ok(()),
            false => Err(format!("fleet.{field} is {value}; allowed: {} to {}", allowed.start(), allowed.end())),
        };
        let (sizes, every) = (self.volume.kind.sizes(), self.snapshot.every_seconds);
        allow("volumes", self.volumes as i128, 0..=1_000_000)?;
        allow("snapshots_per_volume", self.snapshots_per_volume as i128, 0..=10_000)?;
        allow("snapshot.every_seconds", every.into(), 1..=31_536_000)?;
        allow("volume.size", self.volume.size.into(), (*sizes.start()).into()..=(*sizes.end()).into())
    }

    /// Makes the fleet, and gives the ids of its volumes.
    pub fn build(&self, world: &World) -> Vec<String> {
        let now = world.clock.now();
        let of_region = |name: &String| world.region(name, |region| self.build_in(world, region, name, now));
        self.regions.iter().flat_map(of_region).map(|id| String::from(&*id)).collect()
    }

    fn build_in(&self, world: &World, region: &mut Region, name: &str, now: DateTime<Utc>) -> Vec<Text> {
        let mut made = Vec::with_capacity(self.volumes);
        let mut number = 0;
        while made.len() < self.volumes {
            number += 1;
            let count = self.volumes_per_instance.clamp(1, self.volumes - made.len());
            let ids: Vec<Text> = (0..count).map(|_| world.new_id("vol")).collect();
            let instance = (self.volumes_per_instance > 0).then(|| {
                let mut tags = shared(&self.tags);
                tags.entry(text("Name")).or_insert_with(|| text(&format!("server-{number}")));
                self.instance(world, name, tags, &ids, now)
            });
            self.add(world, region, name, instance, &ids, now);
            made.extend(ids);
        }
        made
    }

    /// Adds an instance and its volumes, or volumes that are attached to nothing.
    fn add(
        &self,
        world: &World,
        region: &mut Region,
        name: &str,
        instance: Option<Instance>,
        volumes: &[Text],
        now: DateTime<Utc>,
    ) {
        for (place, id) in volumes.iter().enumerate() {
            let volume = self.plan(name, id, instance.as_ref(), place, now);
            self.add_snapshots(world, region, &volume, place == 0 && instance.is_some(), now);
            region.volumes.insert(volume, ALWAYS);
        }
        if let Some(instance) = instance {
            region.instances.insert(instance, ALWAYS);
        }
    }

    fn instance(&self, world: &World, region: &str, tags: Tags, volumes: &[Text], now: DateTime<Utc>) -> Instance {
        let mapping = |(place, volume): (usize, &Text)| Mapping {
            device: device(place + usize::from(self.instance_store_root)),
            volume: volume.clone(),
            delete_on_termination: place == 0,
        };
        Instance {
            id: world.new_id("i"),
            owner: text(&self.account),
            state: self.state,
            tags,
            kind: text("m5.large"),
            image: text("ami-00000000000000000"),
            zone: zone(region),
            launched: now - TimeDelta::days(30),
            root_device: text(DEVICES[0]),
            is_instance_store: self.instance_store_root,
            volumes: volumes.iter().enumerate().map(mapping).collect(),
            managed_by: self.managed_by.as_deref().map(text),
        }
    }

    fn plan(&self, region: &str, id: &Text, instance: Option<&Instance>, place: usize, now: DateTime<Utc>) -> Volume {
        let attachment = |instance: &Instance| Attachment {
            instance: instance.id.clone(),
            device: instance.volumes[place].device.clone(),
            delete_on_termination: place == 0,
            since: instance.launched,
        };
        let plan = &self.volume;
        let mut tags = shared(&plan.tags);
        if instance.is_none() {
            tags.extend(shared(&self.tags));
        }
        Volume {
            id: id.clone(),
            owner: text(&self.account),
            state: if instance.is_some() { VolumeState::InUse } else { VolumeState::Available },
            tags,
            attachments: instance.map(attachment).into_iter().collect(),
            size: plan.size,
            kind: plan.kind,
            iops: plan.iops.or(plan.kind.is_provisioned().then_some(1000)),
            throughput: plan.throughput,
            zone: zone(region),
            snapshot: None,
            key: plan.key.as_deref().map(text),
            outpost: plan.outpost.as_deref().map(text),
            is_multi_attach: plan.multi_attach,
            managed_by: self.managed_by.as_deref().map(text),
            created: now - TimeDelta::days(30),
        }
    }

    fn add_snapshots(&self, world: &World, region: &mut Region, volume: &Volume, is_boot: bool, now: DateTime<Utc>) {
        let plan = &self.snapshot;
        for number in 0..self.snapshots_per_volume {
            let age = TimeDelta::seconds(plan.every_seconds * (number as i64 + 1));
            let value = |value: &Text| value.replace("{n}", &number.to_string()).replace("{volume}", &volume.id);
            let restorable_by = plan.public.then(|| text("all")).into_iter().collect();
            let rare = Rare { key: volume.key.clone(), restorable_by, ..Rare::default() };
            let snapshot = Snapshot {
                id: world.new_id("snap"),
                volume: volume.id.clone(),
                owner: volume.owner.clone(),
                tags: plan.tags.iter().map(|(key, tag)| (text(key), text(&value(tag)))).collect(),
                description: text("of a fleet"),
                size: volume.size,
                started: now - age,
                settles: now - age + TimeDelta::minutes(1).min(age),
                state: SnapshotState::Completed,
                state_message: None,
                rare: (rare.key.is_some() || plan.public).then(|| Box::new(rare)),
            };
            if number == 0 && is_boot && plan.image != ImagePlan::None {
                region.images.insert(image(world, &snapshot, plan.image, now), ALWAYS);
            }
            region.add_snapshot(snapshot, ALWAYS);
        }
    }
}

fn image(world: &World, snapshot: &Snapshot, plan: ImagePlan, now: DateTime<Utc>) -> Image {
    let id = world.new_id("ami");
    Image {
        name: text(&format!("image-of-{}", snapshot.volume)),
        id,
        owner: snapshot.owner.clone(),
        owner_alias: None,
        tags: Tags::new(),
        is_disabled: plan == ImagePlan::Disabled,
        deprecated: (plan == ImagePlan::Deprecated).then_some(now - TimeDelta::days(1)),
        executable_by: [].into(),
        created: snapshot.settles,
        root_device: text(DEVICES[0]),
        devices: vec![ImageDevice { device: text(DEVICES[0]), snapshot: snapshot.id.clone(), size: snapshot.size }],
    }
}

fn device(place: usize) -> Text {
    DEVICES.get(place).map_or_else(|| text(&format!("/dev/xvd{place}")), |device| text(device))
}

fn zone(region: &str) -> Text {
    text(&format!("{region}a"))
}

/// What was read from a file is not shared yet.
fn shared(tags: &Tags) -> Tags {
    tags.iter().map(|(key, value)| (text(key), text(value))).collect()
}

impl World {
    /// Adds a running instance with this many volumes, and gives its id and theirs.
    pub fn add_instance(&self, account: &str, region: &str, tags: Tags, volumes: usize) -> (String, Vec<String>) {
        let fleet = Fleet::new(account, region, volumes);
        let now = self.clock.now();
        self.region(region, |found| {
            let ids: Vec<Text> = (0..volumes).map(|_| self.new_id("vol")).collect();
            let instance = fleet.instance(self, region, tags, &ids, now);
            let made = (instance.id.to_string(), ids.iter().map(|id| id.to_string()).collect());
            fleet.add(self, found, region, Some(instance), &ids, now);
            made
        })
    }

    /// Adds a volume that is attached to nothing, and gives its id.
    pub fn add_volume(&self, account: &str, region: &str, tags: Tags) -> String {
        let fleet = Fleet { tags, volumes_per_instance: 0, ..Fleet::new(account, region, 1) };
        fleet.build(self).remove(0)
    }

    /// Adds a completed snapshot of a volume, which may be gone, that was begun at `started`, and gives its id.
    pub fn add_snapshot(
        &self,
        account: &str,
        region: &str,
        volume: &str,
        tags: Tags,
        started: DateTime<Utc>,
    ) -> String {
        let snapshot = Snapshot {
            id: self.new_id("snap"),
            volume: text(volume),
            owner: text(account),
            tags,
            description: text("of a fleet"),
            size: 8,
            started,
            settles: started,
            state: SnapshotState::Completed,
            state_message: None,
            rare: None,
        };
        let id = snapshot.id.to_string();
        self.region(region, |region| region.add_snapshot(snapshot, started));
        id
    }

    /// Changes a volume that is there.
    pub fn change_volume(&self, region: &str, id: &str, change: impl FnOnce(&mut Volume)) {
        self.region(region, |region| region.volumes.change(id, change));
    }

    /// Attaches a volume to one more instance, as Multi-Attach does.
    pub fn attach(&self, region: &str, volume: &str, instance: &str, device: &str) {
        let now = self.clock.now();
        self.region(region, |region| region.attach(volume, instance, device, now));
    }
}
