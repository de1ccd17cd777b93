//! Volumes: looked at in full, made of snapshots, attached, deleted. Only a restore comes here.

use aws_sdk_ec2::types::{self, Filter, ResourceType, TagSpecification, VolumeAttachmentState, VolumeType};

use super::snapshots::sdk_tags;
use super::{Ec2, MOST_VALUES, PAGE, filter, instance, literal, time, volume};
use crate::aws::error::api_error;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::restore::{InstanceDetails, NewVolume, Shape, VolumeDetails};

impl Ec2 {
    /// Those of `volumes` that are there.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html>
    pub async fn volumes_by_id(&self, volumes: &[String]) -> Result<Vec<VolumeDetails>, ApiError> {
        let mut found = Vec::new();
        for chunk in volumes.chunks(MOST_VALUES) {
            found.extend(self.volumes_in_full(filter("volume-id", chunk.iter().map(|id| literal(id)))).await?);
        }
        Ok(found)
    }

    /// The volumes with this tag, whatever its value where none is said.
    pub async fn volumes_with_tag(&self, key: &str, value: Option<&str>) -> Result<Vec<VolumeDetails>, ApiError> {
        self.volumes_in_full(match value {
            Some(value) => filter(&format!("tag:{key}"), [literal(value)]),
            None => filter("tag-key", [literal(key)]),
        })
        .await
    }

    async fn volumes_in_full(&self, filter: Filter) -> Result<Vec<VolumeDetails>, ApiError> {
        let request = self.reads.describe_volumes().include_managed_resources(true);
        let mut pages = request.filters(filter).max_results(PAGE).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| api_error(&format!("look at volumes in {}", self.region), error))?;
            found.extend(page.volumes.unwrap_or_default().into_iter().map(details));
        }
        Ok(found)
    }

    /// An instance, if it is there: one that is terminated is shown for an hour, without its volumes.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>
    pub async fn instance(&self, id: &str) -> Result<Option<InstanceDetails>, ApiError> {
        let request = self.reads.describe_instances().include_managed_resources(true).max_results(PAGE);
        let answer = request.filters(filter("instance-id", [literal(id)])).send().await;
        let answer = answer.map_err(|error| api_error(&format!("look for {id} in {}", self.region), error))?;
        let reservations = answer.reservations.unwrap_or_default().into_iter();
        let found = reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()).next();
        Ok(found.map(|found| InstanceDetails {
            state: found
                .state
                .as_ref()
                .and_then(|state| state.name.as_ref())
                .map(|name| name.as_str().into())
                .unwrap_or_default(),
            zone: found
                .placement
                .as_ref()
                .and_then(|placement| placement.availability_zone.clone())
                .unwrap_or_default(),
            instance: instance(found),
        }))
    }

    /// Makes a volume of a snapshot with all its tags in the one call. Sent again after a lost answer, `token` makes it
    /// the same volume, so that here the SDK may try again.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
    pub async fn create_volume(&self, new: &NewVolume, token: &str) -> Result<VolumeDetails, ApiError> {
        let Shape { kind, gib, iops, throughput, is_multi_attach, outpost } = &new.shape;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let tags =
            TagSpecification::builder().resource_type(ResourceType::Volume).set_tags(Some(sdk_tags(new.tags.clone())));
        let request = self.reads.create_volume().snapshot_id(&new.snapshot).availability_zone(&new.zone);
        let request = request.volume_type(VolumeType::from(kind.as_str())).size(number(*gib));
        let request = request.set_iops(iops.map(number)).set_throughput(throughput.map(number));
        let request =
            request.set_multi_attach_enabled(is_multi_attach.then_some(true)).set_outpost_arn(outpost.clone());
        let answer = request.tag_specifications(tags.build()).client_token(token).send().await;
        let operation = format!("create a volume of {} in {}", new.snapshot, new.zone);
        let made = answer.map_err(|error| api_error(&operation, error))?;
        let made = types::Volume::builder()
            .set_volume_id(made.volume_id)
            .set_state(made.state)
            .set_availability_zone(made.availability_zone)
            .set_volume_type(made.volume_type)
            .set_size(made.size)
            .set_iops(made.iops)
            .set_throughput(made.throughput)
            .set_kms_key_id(made.kms_key_id)
            .set_create_time(made.create_time)
            .set_tags(made.tags);
        Ok(details(made.build()))
    }

    /// Attaches a volume. One that is attached already, such as after a lost answer, is `VolumeInUse`: look whose it is.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html>
    pub async fn attach_volume(&self, volume: &str, instance: &str, device: &str) -> Result<(), ApiError> {
        let request = self.reads.attach_volume().volume_id(volume).instance_id(instance).device(device);
        let operation = format!("attach {volume} to {instance} as {device}");
        request.send().await.map(drop).map_err(|error| api_error(&operation, error))
    }

    /// Deletes a volume. Repeating it is harmless.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVolume.html>
    pub async fn delete_volume(&self, volume: &str) -> Result<(), ApiError> {
        let answer = self.reads.delete_volume().volume_id(volume).send().await;
        answer.map(drop).map_err(|error| api_error(&format!("delete {volume} in {}", self.region), error))
    }
}

fn details(found: types::Volume) -> VolumeDetails {
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let is_attached = |each: &types::VolumeAttachment| each.state == Some(VolumeAttachmentState::Attached);
    VolumeDetails {
        zone: found.availability_zone.clone().unwrap_or_default(),
        shape: Shape {
            kind: found.volume_type.as_ref().map(|kind| kind.as_str().into()).unwrap_or_default(),
            gib: number(found.size).unwrap_or_default(),
            iops: number(found.iops),
            throughput: number(found.throughput),
            is_multi_attach: found.multi_attach_enabled.unwrap_or_default(),
            outpost: found.outpost_arn.clone().filter(|arn| !arn.is_empty()),
        },
        key: found.kms_key_id.clone(),
        created: time(found.create_time),
        is_attached: found.attachments.as_ref().is_some_and(|attachments| attachments.iter().any(is_attached)),
        volume: volume(found),
    }
}
