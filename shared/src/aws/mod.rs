//! Thin adapters: the only place that knows the AWS SDK. They turn its shapes into ours and decide nothing.

pub mod ec2;
mod error;
pub mod quotas;
pub mod scheduler;
pub mod sns;
pub mod sqs;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::{Mutex, OnceCell};

use self::ec2::Ec2;
use self::quotas::Quotas;
use self::scheduler::ScheduleGroup;
use self::sns::Topic;
use self::sqs::Queue;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::policy::{Account, Role};

/// The clients of one process, made once and kept: one connection pool for all of them, and one set of
/// credentials for each account.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    own_account: OnceCell<String>,
    assumed: Mutex<HashMap<Role, Arc<OnceCell<SharedCredentialsProvider>>>>,
    regional: Mutex<HashMap<(Option<Role>, String), Ec2>>,
}

/// Where STS and `DescribeRegions` are asked when the environment names no Region: one that every account of the
/// commercial partition has enabled.
const DEFAULT_REGION: &str = "us-east-1";

impl Aws {
    /// The clients that the environment describes: profile, credentials, Region, `AWS_ENDPOINT_URL` and the rest.
    pub async fn from_env() -> Self {
        Self::load(aws_config::defaults(BehaviorVersion::v2026_01_12())).await
    }

    /// Clients whose every call goes to one address, as one account: the simulator's.
    pub async fn at_endpoint(url: &str, account: &str) -> Self {
        let credentials = Credentials::new(account, "simulator", None, None, "simulator");
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(url)
            .credentials_provider(credentials)
            .region(Region::from_static(DEFAULT_REGION));
        Self::load(loader).await
    }

    async fn load(loader: ConfigLoader) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(4))
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        // Credentials are kept by their provider, so that thirty Regions of an account ask for them once.
        let loader = loader.identity_cache(IdentityCache::lazy().build());
        let config = loader.http_client(http_client()).timeout_config(timeouts).load().await;
        let region = config.region().cloned().unwrap_or(Region::from_static(DEFAULT_REGION));
        Self {
            config: config.into_builder().region(region).build(),
            own_account: OnceCell::new(),
            assumed: Mutex::default(),
            regional: Mutex::default(),
        }
    }

    /// The twelve digits of `account`.
    pub async fn account_id(&self, account: &Account) -> Result<String, ApiError> {
        match account {
            Account::Assumed(role) => Ok(role.account().into()),
            Account::Own => self.own_account.get_or_try_init(|| self.caller_account()).await.cloned(),
        }
    }

    async fn caller_account(&self) -> Result<String, ApiError> {
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer = answer.map_err(|error| error::api_error("ask STS whose credentials these are", error))?;
        Ok(answer.account.unwrap_or_default())
    }

    /// EC2 in `region`, in the account of `role`, or in our own.
    pub async fn ec2(&self, role: Option<&Role>, region: &str) -> Result<Ec2, ApiError> {
        let key = (role.cloned(), String::from(region));
        if let Some(ec2) = self.regional.lock().await.get(&key) {
            return Ok(ec2.clone());
        }
        let owner = role.map_or("own", Role::account);
        let ec2 = Ec2::new(&self.regional_config(role, region).await?, owner, region);
        Ok(self.regional.lock().await.entry(key).or_insert(ec2).clone())
    }

    /// The service quotas of `region`, in the account of `role`, or in our own.
    pub async fn quotas(&self, role: Option<&Role>, region: &str) -> Result<Quotas, ApiError> {
        Ok(Quotas::new(&self.regional_config(role, region).await?, region))
    }

    async fn regional_config(&self, role: Option<&Role>, region: &str) -> Result<SdkConfig, ApiError> {
        let config = self.config.to_builder().region(Region::new(String::from(region)));
        let config = match role {
            None => config,
            Some(role) => config.credentials_provider(self.credentials(role).await?),
        };
        Ok(config.build())
    }

    /// The credentials of `role`: one provider for all Regions, and a role that STS is slow about holds up no other.
    async fn credentials(&self, role: &Role) -> Result<SharedCredentialsProvider, ApiError> {
        let cell = Arc::clone(self.assumed.lock().await.entry(role.clone()).or_default());
        cell.get_or_try_init(|| self.assume(role)).await.cloned()
    }

    /// Asked for once at the start, so that a role that cannot be assumed is told apart from an EC2 that fails.
    async fn assume(&self, role: &Role) -> Result<SharedCredentialsProvider, ApiError> {
        let mut provider = AssumeRoleProvider::builder(&role.arn).session_name("snapkeep").configure(&self.config);
        if let Some(external_id) = &role.external_id {
            provider = provider.external_id(external_id);
        }
        let provider = provider.build().await;
        let credentials = provider.provide_credentials().await;
        credentials.map_err(|error| error::credentials_error(&format!("assume {}", role.arn), &error))?;
        Ok(SharedCredentialsProvider::new(provider))
    }

    /// The Region that the environment names, for what is not tied to a policy's Regions.
    pub fn home_region(&self) -> &str {
        self.config.region().map_or(DEFAULT_REGION, |region| region.as_ref())
    }

    /// The queue at `url`.
    pub fn queue(&self, url: &str) -> Queue {
        Queue::new(&self.config, url)
    }

    /// The schedules of the group `name`, in the Region that the environment names.
    pub fn schedule_group(&self, name: &str) -> ScheduleGroup {
        ScheduleGroup::new(&self.config, name)
    }

    /// The topic `arn`.
    pub fn topic(&self, arn: &str) -> Topic {
        Topic::new(&self.config, arn)
    }
}

/// One client for all Regions and services. Left to itself, each service's configuration makes its own and reads
/// the machine's certificates again, which a cold start with thirty Regions would feel.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}
