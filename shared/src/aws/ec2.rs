//! EC2 in one account and Region.

mod holds;
mod probe;
mod snapshots;
mod volumes;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, Filter, VolumeState};
use aws_smithy_runtime::client::retries::RetryPartition;
use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt, stream};

pub use self::probe::Allowed;
use super::error::api_error;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::inventory::{AttachedVolume, Attachment, Instance, Tags, Volume};
use crate::vocabulary::selection::TagMatch;

/// EC2 in one account and Region.
#[derive(Debug, Clone)]
pub struct Ec2 {
    reads: Client,
    changes: Client,
    region: String,
}

/// The largest page that Describe calls give.
const PAGE: i32 = 1000;
/// EC2 takes at most so many values in a filter, and so many characters in a value:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>
const MOST_VALUES: usize = 200;
const LONGEST_VALUE: usize = 255;
const MOST_FILTERS: usize = 40;
/// A call that changes something and has no answer for so long is looked for instead.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

impl Ec2 {
    /// The SDK keeps one retry budget for all accounts of a Region unless it is told otherwise; and `CreateSnapshot`
    /// has no client token, so that the SDK must never send it twice by itself. Throttled calls that change something
    /// come back to the lane, which slows down.
    pub(super) fn new(config: &SdkConfig, owner: &str, region: &str) -> Self {
        let partition = |action: &str| RetryPartition::new(format!("ec2-{owner}-{region}-{action}"));
        let base = aws_sdk_ec2::config::Builder::from(config);
        let reads =
            base.clone().retry_config(RetryConfig::standard().with_max_attempts(8)).retry_partition(partition("read"));
        let timeouts =
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(4)).operation_timeout(CHANGE_TIMEOUT).build();
        let changes =
            base.retry_config(RetryConfig::disabled()).timeout_config(timeouts).retry_partition(partition("change"));
        Self {
            reads: Client::from_conf(reads.build()),
            changes: Client::from_conf(changes.build()),
            region: region.into(),
        }
    }

    /// The Regions that are enabled in the account.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html>
    pub async fn enabled_regions(&self) -> Result<Vec<String>, ApiError> {
        let answer = self.reads.describe_regions().send().await;
        let answer = answer.map_err(|error| api_error("list the account's Regions", error))?;
        Ok(answer.regions.unwrap_or_default().into_iter().filter_map(|region| region.region_name).collect())
    }

    /// The instances with `tags` that are not terminated, page by page. EC2 filters as far as its filters reach; who
    /// gets an instance looks again.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>
    pub fn instances(&self, tags: &TagMatch) -> impl Stream<Item = Result<Vec<Instance>, ApiError>> + use<> {
        let living = ["pending", "running", "shutting-down", "stopping", "stopped"].map(String::from);
        let request = self
            .reads
            .describe_instances()
            .max_results(PAGE)
            .set_filters(Some(tag_filters(tags)))
            .filters(filter("instance-state-name", living));
        let operation = format!("list instances in {}", self.region);
        stream::unfold(request.into_paginator().send(), |mut pages| async { Some((pages.next().await?, pages)) })
            .map_ok(|page| {
                let reservations = page.reservations.unwrap_or_default().into_iter();
                reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()).map(instance).collect()
            })
            .map_err(move |error| api_error(&operation, error))
    }

    /// The volumes with `tags`, or only those attached to something, page by page; filtered as instances are.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html>
    pub fn volumes(
        &self,
        tags: &TagMatch,
        state: Option<&str>,
    ) -> impl Stream<Item = Result<Vec<Volume>, ApiError>> + use<> {
        let mut filters = tag_filters(tags);
        filters.extend(state.map(|state| filter("status", [state.into()])));
        let request = self.reads.describe_volumes().max_results(PAGE).set_filters(Some(filters));
        let operation = format!("list volumes in {}", self.region);
        stream::unfold(request.into_paginator().send(), |mut pages| async { Some((pages.next().await?, pages)) })
            .map_ok(|page| page.volumes.unwrap_or_default().into_iter().map(volume).collect())
            .map_err(move |error| api_error(&operation, error))
    }

    /// One volume, and the instances that have it; `None` if it is not there.
    pub async fn volume(&self, id: &str) -> Result<Option<(Volume, Vec<Instance>)>, ApiError> {
        let request = self.reads.describe_volumes().include_managed_resources(true).max_results(PAGE);
        let answer = request.filters(filter("volume-id", [literal(id)])).send().await;
        let answer = answer.map_err(|error| api_error(&format!("look for {id} in {}", self.region), error))?;
        let Some(found) = answer.volumes.unwrap_or_default().into_iter().next().map(volume) else { return Ok(None) };
        let request = self.reads.describe_instances().max_results(PAGE);
        let request = request.filters(filter("block-device-mapping.volume-id", [literal(id)]));
        let answer = request.send().await;
        let operation = format!("look for the instances of {id} in {}", self.region);
        let reservations = answer.map_err(|error| api_error(&operation, error))?.reservations.unwrap_or_default();
        let instances = reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
        Ok(Some((found, instances.map(instance).collect())))
    }

    /// Those of `volumes` that are there.
    pub async fn living(&self, volumes: &BTreeSet<String>) -> Result<BTreeSet<String>, ApiError> {
        let volumes: Vec<String> = volumes.iter().cloned().collect();
        let mut living = BTreeSet::new();
        for chunk in volumes.chunks(MOST_VALUES) {
            living.extend(self.ids_of_volumes(vec![filter("volume-id", chunk.iter().cloned())]).await?);
        }
        Ok(living)
    }

    /// All volumes that are there, those that AWS services manage and that are hidden otherwise among them.
    pub async fn living_volumes(&self) -> Result<BTreeSet<String>, ApiError> {
        self.ids_of_volumes(Vec::new()).await
    }

    async fn ids_of_volumes(&self, filters: Vec<Filter>) -> Result<BTreeSet<String>, ApiError> {
        let request = self.reads.describe_volumes().include_managed_resources(true);
        let request = request.max_results(PAGE).set_filters(Some(filters));
        let mut pages = request.into_paginator().send();
        let mut ids = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| api_error(&format!("list volumes in {}", self.region), error))?;
            let volumes = page.volumes.unwrap_or_default().into_iter();
            let living = volumes.filter(|volume| volume.state != Some(VolumeState::Deleted));
            ids.extend(living.filter_map(|volume| volume.volume_id));
        }
        Ok(ids)
    }
}

/// The filters that EC2 can hold. What it cannot hold is left out: it only makes the pages shorter.
fn tag_filters(tags: &TagMatch) -> Vec<Filter> {
    let filters = tags.0.iter().filter_map(|(key, values)| {
        let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
        let fits = |text: &String| text.chars().count() <= LONGEST_VALUE;
        match values.len() {
            0 => Some(filter("tag-key", [literal(key)])),
            1..=MOST_VALUES if values.iter().all(fits) => Some(filter(&format!("tag:{key}"), values)),
            _ => None,
        }
    });
    filters.take(MOST_FILTERS).collect()
}

fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

/// `*`, `?` and `\` stand for themselves.
fn literal(value: &str) -> String {
    let escaped = value.chars().flat_map(|c| matches!(c, '*' | '?' | '\\').then_some('\\').into_iter().chain([c]));
    escaped.collect()
}

fn instance(instance: types::Instance) -> Instance {
    let mappings = instance.block_device_mappings.unwrap_or_default().into_iter();
    let volumes = mappings.filter_map(|mapping| {
        let id = mapping.ebs?.volume_id?;
        Some(AttachedVolume { id, device: mapping.device_name.unwrap_or_default() })
    });
    Instance {
        id: instance.instance_id.unwrap_or_default(),
        tags: tags_of(instance.tags),
        root_device: instance.root_device_name,
        volumes: volumes.collect(),
    }
}

fn volume(volume: types::Volume) -> Volume {
    let attachments = volume.attachments.unwrap_or_default().into_iter();
    let attachments = attachments.filter_map(|attachment| {
        let instance = attachment.instance_id?;
        Some(Attachment { instance, device: attachment.device.unwrap_or_default() })
    });
    Volume {
        id: volume.volume_id.unwrap_or_default(),
        state: volume.state.map(|state| state.as_str().into()).unwrap_or_default(),
        tags: tags_of(volume.tags),
        created: time(volume.create_time),
        attachments: attachments.collect(),
    }
}

fn time(time: Option<aws_smithy_types::DateTime>) -> Option<DateTime<Utc>> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()))
}

fn tags_of(tags: Option<Vec<types::Tag>>) -> Tags {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(tags: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let tags = tags
            .iter()
            .map(|(key, values)| (String::from(*key), values.iter().map(|value| String::from(*value)).collect()));
        let filters = tag_filters(&TagMatch(tags.collect()));
        filters.into_iter().map(|filter| (filter.name.unwrap(), filter.values.unwrap())).collect()
    }

    #[test]
    fn a_wildcard_in_a_tag_is_sent_as_the_character_it_is() {
        let expected = vec![("tag:Backup".into(), vec![r"a\*b\?c\\d".into()])];
        assert_eq!(filters(&[("Backup", &[r"a*b?c\d"])]), expected);
        assert_eq!(filters(&[("Ba*", &[])]), vec![("tag-key".into(), vec![r"Ba\*".into()])]);
    }

    #[test]
    fn a_filter_that_ec2_would_refuse_is_not_sent() {
        assert_eq!(filters(&[("Backup", &["*".repeat(200).as_str()])]), vec![]);
        let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(filters(&[("Backup", &many)]), vec![]);
    }
}
