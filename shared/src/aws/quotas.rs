//! Service quotas.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_servicequotas::Client;
use aws_sdk_servicequotas::config::Builder;

use super::error::api_error;
use crate::vocabulary::api_error::ApiError;

/// The quotas of one account and Region.
#[derive(Debug, Clone)]
pub struct Quotas {
    client: Client,
    region: String,
}

/// Snapshots of an account in a Region: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html>
const EBS: &str = "ebs";
const SNAPSHOTS_PER_REGION: &str = "L-309BACF6";

impl Quotas {
    /// One can do without an answer, and then not wait long for it.
    pub(super) fn new(config: &SdkConfig, region: &str) -> Self {
        let config = Builder::from(config).retry_config(RetryConfig::standard().with_max_attempts(2));
        Self { client: Client::from_conf(config.build()), region: region.into() }
    }

    /// How many snapshots the account may have in the Region; `None` where AWS does not say.
    /// <https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html>
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, in AWS's model a double")]
    pub async fn snapshots_per_region(&self) -> Result<Option<usize>, ApiError> {
        let request = self.client.get_service_quota().service_code(EBS).quota_code(SNAPSHOTS_PER_REGION);
        let operation = format!("ask for the quota of snapshots in {}", self.region);
        let answer = request.send().await.map_err(|error| api_error(&operation, error))?;
        let value = answer.quota.and_then(|quota| quota.value).unwrap_or_default();
        Ok((1.0..=1e12).contains(&value).then_some(value as usize))
    }
}
