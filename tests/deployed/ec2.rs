//! The EC2 behind a deployed stack: the simulator, or moto, which nobody here wrote. A story sees both with the SDK only.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Filter, InstanceType, ResourceType, Snapshot, Tag, TagSpecification,
};
use simulator::fleet::Fleet;
use simulator::server::Server;
use simulator::world::World;

use super::REGION;
use crate::emulator::Emulator;
use crate::prune::add_daily;
use crate::stack::{ACCOUNT, config, config_of};

/// An EC2 that is running.
#[derive(Debug)]
pub(super) struct Ec2 {
    pub url: String,
    client: aws_sdk_ec2::Client,
    behind: Behind,
}

#[derive(Debug)]
enum Behind {
    Simulator(Server),
    Moto(#[expect(dead_code, reason = "it runs until it is dropped")] Emulator),
}

impl Ec2 {
    pub async fn simulator() -> Self {
        let server = Server::start_local(World::default()).await.unwrap();
        Self::new(server.url.clone(), Behind::Simulator(server)).await
    }

    pub async fn moto() -> Self {
        let emulator = Emulator::start_moto().await;
        Self::new(emulator.url.clone(), Behind::Moto(emulator)).await
    }

    async fn new(url: String, behind: Behind) -> Self {
        let client = aws_sdk_ec2::Client::new(&config(&url).await);
        Self { url, client, behind }
    }

    /// The simulated world; none where EC2 is moto.
    pub fn world(&self) -> Option<&World> {
        match &self.behind {
            Behind::Simulator(server) => Some(&server.world),
            Behind::Moto(_) => None,
        }
    }

    async fn client_of(&self, account: &str) -> aws_sdk_ec2::Client {
        let config = config_of(&self.url, account).await;
        aws_sdk_ec2::Client::new(&config)
    }

    /// So many volumes of running instances with the tag `Backup=true`, and the ids of all of them.
    pub async fn volumes(&self, account: &str, count: usize) -> Vec<String> {
        match &self.behind {
            Behind::Simulator(server) => Fleet::new(account, REGION, count).build(&server.world),
            Behind::Moto(_) => self.launch(account, count).await,
        }
    }

    /// One volume for each instance: launch mappings beyond the root volume are not to be relied on.
    async fn launch(&self, account: &str, count: usize) -> Vec<String> {
        let client = self.client_of(account).await;
        let images = client.describe_images().send().await.unwrap();
        let image = images.images()[0].image_id().unwrap();
        let tag = Tag::builder().key("Backup").value("true").build();
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag).build();
        let disk = EbsBlockDevice::builder().volume_size(8).build();
        let root = BlockDeviceMapping::builder().device_name("/dev/sda1").ebs(disk).build();
        let number = i32::try_from(count).unwrap();
        let request = client.run_instances().image_id(image).min_count(number).max_count(number);
        let request = request.instance_type(InstanceType::T3Micro).block_device_mappings(root).tag_specifications(tags);
        let made = request.send().await.unwrap();
        let ids = made.instances().iter().map(|instance| String::from(instance.instance_id().unwrap()));
        let attached = Filter::builder().name("attachment.instance-id").set_values(Some(ids.collect())).build();
        let volumes = client.describe_volumes().filters(attached).send().await.unwrap();
        let ids: Vec<_> = volumes.volumes().iter().map(|volume| volume.volume_id().unwrap().into()).collect();
        assert_eq!(ids.len(), count);
        ids
    }

    /// So many daily snapshots of `volume` under `rule`. moto knows no time: there they are of one day.
    pub async fn daily(&self, volume: &str, count: i64, rule: &str) {
        match &self.behind {
            Behind::Simulator(server) => drop(add_daily(&server.world, volume, count, rule)),
            Behind::Moto(_) => {
                let pairs = [("snapkeep:policy", "daily"), ("snapkeep:volume", volume), ("snapkeep:retain", rule)];
                let tags = pairs.map(|(key, value)| Tag::builder().key(key).value(value).build());
                let tags =
                    TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags.into()));
                for _ in 0..count {
                    let request = self.client.create_snapshot().volume_id(volume);
                    request.tag_specifications(tags.clone().build()).send().await.unwrap();
                }
            }
        }
    }

    /// A snapshot that snapkeep has nothing to do with.
    pub async fn foreign(&self, volume: &str) {
        self.client.create_snapshot().volume_id(volume).send().await.unwrap();
    }

    /// Our own snapshots of `policy` in `account`.
    pub async fn of_policy(&self, account: &str, policy: &str) -> Vec<Snapshot> {
        let is_ours = Filter::builder().name("tag:snapkeep:policy").values(policy).build();
        let request = self.client_of(account).await.describe_snapshots().owner_ids("self").filters(is_ours);
        request.send().await.unwrap().snapshots.unwrap_or_default()
    }

    /// All of the home account's snapshots of `volume`.
    pub async fn of_volume(&self, volume: &str) -> usize {
        let is_of = Filter::builder().name("volume-id").values(volume).build();
        let request = self.client.describe_snapshots().owner_ids(ACCOUNT).filters(is_of);
        request.send().await.unwrap().snapshots().len()
    }

    /// Archives the oldest snapshot of `volume`, where EC2 can.
    pub async fn archive_oldest(&self, volume: &str) -> bool {
        let Some(world) = self.world() else { return false };
        world.set(|settings| settings.archives_after = chrono::TimeDelta::zero());
        let mut snapshots = self.of_policy(ACCOUNT, "daily").await;
        snapshots.retain(|snapshot| snapshot.volume_id() == Some(volume));
        snapshots.sort_by_key(|snapshot| snapshot.start_time().map(|time| time.secs()));
        let oldest = snapshots[0].snapshot_id().unwrap();
        self.client.modify_snapshot_tier().snapshot_id(oldest).storage_tier("archive".into()).send().await.unwrap();
        true
    }
}

/// A tag of a snapshot.
pub(super) fn tag<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a str> {
    snapshot.tags().iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}
