//! Snapshots: found, taken, deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use aws_sdk_ec2::types::{self, Filter, ResourceType, StorageTier, TagSpecification};
use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt, stream};

use super::{Ec2, MOST_VALUES, PAGE, filter, literal, tag_filters, tags_of, time};
use crate::aws::error::api_error;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::inventory::{Snapshot, Tier};
use crate::vocabulary::selection::TagMatch;
use crate::vocabulary::tag;

impl Ec2 {
    /// Our own snapshots that were made by any of `jobs`: all of them, in as few calls as the filter allows.
    pub async fn snapshots_of_jobs(&self, jobs: &BTreeSet<String>) -> Result<Vec<Snapshot>, ApiError> {
        self.snapshots_with(&format!("tag:{}", tag::JOB), jobs.iter(), None).await
    }

    /// Our own snapshots of `volumes` that some policy of ours made, by volume: all of them, each once.
    pub async fn snapshots_of_volumes(
        &self,
        volumes: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<Snapshot>>, ApiError> {
        let ours = filter("tag-key", [tag::POLICY.into()]);
        let mut found = self.snapshots_with("volume-id", volumes.iter(), Some(ours)).await?;
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup_by(|one, other| one.id == other.id);
        let is_archived = |snapshot: &&mut Snapshot| snapshot.tier != Tier::Standard;
        let archived: BTreeSet<String> =
            found.iter_mut().filter(is_archived).map(|snapshot| snapshot.id.clone()).collect();
        if !archived.is_empty() {
            let since = self.archived_since(&archived).await?;
            for snapshot in found.iter_mut().filter(is_archived) {
                snapshot.tier = Tier::Archive(since.get(&snapshot.id).copied());
            }
        }
        let mut of_volumes = BTreeMap::<String, Vec<Snapshot>>::new();
        for snapshot in found {
            of_volumes.entry(snapshot.volume.clone()).or_default().push(snapshot);
        }
        Ok(of_volumes)
    }

    async fn snapshots_with(
        &self,
        filter_name: &str,
        values: impl ExactSizeIterator<Item = &String>,
        and: Option<Filter>,
    ) -> Result<Vec<Snapshot>, ApiError> {
        let values: Vec<String> = values.map(|value| literal(value)).collect();
        let mut found = Vec::new();
        for values in values.chunks(MOST_VALUES) {
            let filters = and.iter().cloned().chain([filter(filter_name, values.iter().cloned())]);
            let mut pages = pin!(self.own_snapshots(filters.collect()));
            while let Some(page) = pages.try_next().await? {
                found.extend(page);
            }
        }
        Ok(found)
    }

    /// A snapshot of our own account, whoever made it.
    pub async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, ApiError> {
        Ok(self.snapshots_with("snapshot-id", std::iter::once(&id.into()), None).await?.into_iter().next())
    }

    /// Our own snapshots that say they were taken of a volume of `instance`, by a policy of ours.
    pub async fn snapshots_of_instance(&self, instance: &str) -> Result<Vec<Snapshot>, ApiError> {
        let (name, ours) = (format!("tag:{}", tag::INSTANCE), filter("tag-key", [tag::POLICY.into()]));
        self.snapshots_with(&name, std::iter::once(&instance.into()), Some(ours)).await
    }

    /// Whether a snapshot of our own is there, whoever made it.
    pub async fn is_there(&self, snapshot: &str) -> Result<bool, ApiError> {
        let found = self.snapshots_with("snapshot-id", std::iter::once(&snapshot.into()), None).await?;
        Ok(!found.is_empty())
    }

    /// Our own snapshots that bear the tag of a policy of ours, page by page.
    pub fn managed_snapshots(&self) -> impl Stream<Item = Result<Vec<Snapshot>, ApiError>> + use<> {
        self.own_snapshots(vec![filter("tag-key", [tag::POLICY.into()])])
    }

    /// All our own snapshots, whoever made them, page by page: those that the Region's quota counts.
    pub fn all_snapshots(&self) -> impl Stream<Item = Result<Vec<Snapshot>, ApiError>> + use<> {
        self.own_snapshots(Vec::new())
    }

    /// Our own snapshots with `tags`, whoever made them, page by page; filtered as instances are.
    pub fn tagged_snapshots(&self, tags: &TagMatch) -> impl Stream<Item = Result<Vec<Snapshot>, ApiError>> + use<> {
        self.own_snapshots(tag_filters(tags))
    }

    /// Without an owner EC2 lists the public ones as well.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html>
    fn own_snapshots(&self, filters: Vec<Filter>) -> impl Stream<Item = Result<Vec<Snapshot>, ApiError>> + use<> {
        let request = self.reads.describe_snapshots().owner_ids("self").max_results(PAGE).set_filters(Some(filters));
        let operation = format!("list snapshots in {}", self.region);
        stream::unfold(request.into_paginator().send(), |mut pages| async { Some((pages.next().await?, pages)) })
            .map_ok(|page| page.snapshots.unwrap_or_default().into_iter().map(snapshot).collect())
            .map_err(move |error| api_error(&operation, error))
    }

    /// When each of these archived snapshots came into the archive, as far as EC2 says.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotTierStatus.html>
    async fn archived_since(&self, snapshots: &BTreeSet<String>) -> Result<BTreeMap<String, DateTime<Utc>>, ApiError> {
        let snapshots: Vec<&String> = snapshots.iter().collect();
        let mut since = BTreeMap::new();
        for chunk in snapshots.chunks(MOST_VALUES) {
            let request = self.reads.describe_snapshot_tier_status().max_results(PAGE);
            let request = request.filters(filter("snapshot-id", chunk.iter().map(|id| String::from(*id))));
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                let operation = format!("list archived snapshots in {}", self.region);
                let page = page.map_err(|error| api_error(&operation, error))?;
                since.extend(
                    page.snapshot_tier_statuses
                        .unwrap_or_default()
                        .into_iter()
                        .filter_map(|status| Some((status.snapshot_id?, time(status.archival_complete_time)?))),
                );
            }
        }
        Ok(since)
    }

    /// Deletes a snapshot. Repeating it is harmless.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html>
    pub async fn delete_snapshot(&self, snapshot: &str) -> Result<(), ApiError> {
        let answer = self.changes.delete_snapshot().snapshot_id(snapshot).send().await;
        answer.map(drop).map_err(|error| api_error(&format!("delete {snapshot} in {}", self.region), error))
    }

    /// Adds tags to a snapshot that is there: only when a person adopts it.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>
    pub async fn add_tags(&self, snapshot: &str, tags: Vec<(String, String)>) -> Result<(), ApiError> {
        let answer = self.reads.create_tags().resources(snapshot).set_tags(Some(sdk_tags(tags))).send().await;
        answer.map(drop).map_err(|error| api_error(&format!("tag {snapshot} in {}", self.region), error))
    }

    /// Takes a snapshot with all its tags in the one call, and gives its id. The SDK never sends it twice.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html>
    pub async fn create_snapshot(
        &self,
        volume: &str,
        description: &str,
        tags: Vec<(String, String)>,
    ) -> Result<String, ApiError> {
        let tags = Some(sdk_tags(tags));
        let tags = TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(tags);
        let request = self.changes.create_snapshot().volume_id(volume).description(description);
        let answer = request.tag_specifications(tags.build()).send().await;
        let operation = format!("create a snapshot of {volume} in {}", self.region);
        Ok(answer.map_err(|error| api_error(&operation, error))?.snapshot_id.unwrap_or_default())
    }
}

fn snapshot(snapshot: types::Snapshot) -> Snapshot {
    Snapshot {
        id: snapshot.snapshot_id.unwrap_or_default(),
        volume: snapshot.volume_id.unwrap_or_default(),
        owner: snapshot.owner_id.unwrap_or_default(),
        started: time(snapshot.start_time),
        state: snapshot.state.map(|state| state.as_str().into()).unwrap_or_default(),
        state_message: snapshot.state_message.filter(|message| !message.is_empty()),
        volume_gib: snapshot.volume_size.and_then(|size| u32::try_from(size).ok()).unwrap_or_default(),
        is_encrypted: snapshot.encrypted.unwrap_or_default(),
        is_copy: snapshot.transfer_type.is_some(),
        tier: match snapshot.storage_tier {
            None | Some(StorageTier::Standard) => Tier::Standard,
            Some(_) => Tier::Archive(None),
        },
        tags: tags_of(snapshot.tags),
    }
}

pub(super) fn sdk_tags(tags: Vec<(String, String)>) -> Vec<types::Tag> {
    tags.into_iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect()
}
