//! What holds snapshots from outside the rules.

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::types::LockState;

use super::{Ec2, PAGE, filter, time};
use crate::aws::error::api_error;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::inventory::{Hold, Holds};

/// The largest page of `DescribeFastSnapshotRestores`.
const FAST_RESTORES_PAGE: i32 = 200;

impl Ec2 {
    /// What holds our own snapshots, so that EC2 would not delete them: images (deprecated and disabled ones too),
    /// fast snapshot restores and locks; and which of the three could not be listed.
    pub async fn holds(&self) -> (Holds, Vec<ApiError>) {
        let (mut holds, mut errors) = (Holds::new(), Vec::new());
        for listed in [self.images().await, self.fast_restores().await, self.locks().await] {
            match listed {
                Ok(found) => holds.extend(found),
                Err(error) => errors.push(error),
            }
        }
        (holds, errors)
    }

    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
    async fn images(&self) -> Result<Holds, ApiError> {
        let request = self.reads.describe_images().owners("self").max_results(PAGE);
        let mut pages = request.include_deprecated(true).include_disabled(true).into_paginator().send();
        let mut holds = Holds::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| api_error(&format!("list images in {}", self.region), error))?;
            for image in page.images.unwrap_or_default() {
                let id = image.image_id.unwrap_or_default();
                let devices = image.block_device_mappings.unwrap_or_default().into_iter();
                let snapshots = devices.filter_map(|device| device.ebs?.snapshot_id);
                holds.extend(snapshots.map(|snapshot| (snapshot, Hold::Image(id.clone()))));
            }
        }
        Ok(holds)
    }

    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFastSnapshotRestores.html>
    async fn fast_restores(&self) -> Result<Holds, ApiError> {
        let states = ["enabling", "optimizing", "enabled"].map(String::from);
        let (mut holds, mut token) = (Holds::new(), None);
        loop {
            let request = self.reads.describe_fast_snapshot_restores().max_results(FAST_RESTORES_PAGE);
            let request = request.filters(filter("state", states.clone())).set_next_token(token);
            let page = request.customize().config_override(soon_over()).send().await;
            let operation = format!("list fast snapshot restores in {}", self.region);
            let page = page.map_err(|error| api_error(&operation, error))?;
            holds.extend(page.fast_snapshot_restores.unwrap_or_default().into_iter().filter_map(|restore| {
                Some((restore.snapshot_id?, Hold::FastRestore(restore.availability_zone.unwrap_or_default())))
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(holds);
            }
        }
    }

    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLockedSnapshots.html>
    async fn locks(&self) -> Result<Holds, ApiError> {
        let (mut holds, mut token) = (Holds::new(), None);
        loop {
            let request = self.reads.describe_locked_snapshots().max_results(PAGE).set_next_token(token);
            let page = request.customize().config_override(soon_over()).send().await;
            let page = page.map_err(|error| api_error(&format!("list locked snapshots in {}", self.region), error))?;
            holds.extend(page.snapshots.unwrap_or_default().into_iter().filter_map(|lock| {
                let is_over = lock.lock_state == Some(LockState::Expired);
                Some((lock.snapshot_id.filter(|_| !is_over)?, Hold::Lock(time(lock.lock_expires_on))))
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(holds);
            }
        }
    }
}

/// For lists that one can do without, and that some who speak EC2's protocol do not have: a few tries are enough.
fn soon_over() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::config::Builder::new().retry_config(RetryConfig::standard().with_max_attempts(4))
}
