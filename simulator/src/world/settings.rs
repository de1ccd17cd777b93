//! What a world is like: its Regions, its quotas, how long things take, and how pages are cut. Times are in seconds
//! where they are written down.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::limits::{Limit, SetLimit};

/// What a world is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The Regions that every account has.
    pub regions: Vec<String>,
    /// The Regions that an account must opt into, and the accounts that did. Any other account gets `AuthFailure`.
    pub opt_in_regions: BTreeMap<String, BTreeSet<String>>,
    /// How long a snapshot is `pending`, whatever its size.
    #[serde(with = "seconds")]
    pub completes_after: TimeDelta,
    /// How much longer for each GiB of the volume.
    #[serde(with = "seconds")]
    pub completes_after_per_gib: TimeDelta,
    /// How long a volume is `creating`, an instance `pending` or `shutting-down`, a volume `deleting`, a snapshot
    /// `recovering`, and a fast restore `enabling` or `disabling`.
    #[serde(with = "seconds")]
    pub changes_after: TimeDelta,
    /// How long it takes to archive a snapshot.
    #[serde(with = "seconds")]
    pub archives_after: TimeDelta,
    /// By how much Describe lags behind what came and went.
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
    #[serde(with = "seconds")]
    pub lag: TimeDelta,
    /// The same for one caller: the ARN of a role or of a session, or an account.
    #[serde(with = "seconds_of_each")]
    pub lag_of: BTreeMap<String, TimeDelta>,
    /// How pages are cut.
    pub paging: Paging,
    /// The service quotas of every account.
    pub quotas: Quotas,
    /// Token buckets other than EC2's defaults; the last that matches counts.
    pub limits: Vec<SetLimit>,
    /// Whether the mutating actions that have no bucket of their own share one. AWS says that each API has its own:
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>; the EBS CSI driver's source says
    /// that default accounts share.
    pub share_mutating_bucket: bool,
    /// The code that `DeleteSnapshot` has for a locked snapshot. AWS documents none.
    pub locked_snapshot_code: String,
    /// Whether `DeleteSnapshot` refuses a snapshot that is enabled for fast restores: rebuy-de/aws-nuke#453, in 2020.
    /// The user guide says that deleting it disables them, and a test in hashicorp/terraform-provider-aws#35211, in
    /// 2024, that it is deleted: <https://docs.aws.amazon.com/ebs/latest/userguide/manage-fsr-enable.html>
    pub refuses_fast_restored: bool,
    /// What `GetEbsEncryptionByDefault` says, in every account and Region. It encrypts nothing: say so of the volumes.
    pub encrypts_by_default: bool,
    /// KMS keys that cannot be used any more, as they stand on volumes and snapshots.
    pub revoked_keys: BTreeSet<String>,
    /// What sets apart one repeatable run from another: ids and faults that strike a share of the calls.
    pub seed: u64,
}

/// How pages are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paging {
    /// How many rows that do not match a page looks at before it gives what it has, and a token; never less than
    /// `MaxResults`. EC2 gives short and even empty pages where filters are set: boto/boto3#1776,
    /// amazon-archives/aws-sdk-core-ruby#196. 1 is the most hostile.
    pub examined: usize,
    /// Whether a last page that is full has a token nevertheless, and an empty page follows: aws/aws-sdk-js#939.
    pub empty_last_page: bool,
    /// How old a token may be. EC2 says only that they expire; other services of AWS say 24 hours.
    #[serde(with = "seconds")]
    pub token_lifetime: TimeDelta,
}

/// Service quotas: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Snapshots of an account in a Region. Those in the Recycle Bin are counted: whether EC2 does is not documented.
    pub snapshots_per_region: u64,
    /// Snapshots of one volume that are `pending` or in `error`.
    pub concurrent_snapshots: u64,
    /// The same for st1 and sc1 volumes.
    pub concurrent_snapshots_hdd: u64,
    /// `pending` snapshots of an account in a Region. AWS has an error code for it, and publishes no number.
    pub pending_snapshots: Option<u64>,
    /// Copies at once to a destination Region.
    pub concurrent_copies: u64,
    /// Snapshots of an account that are being archived at once.
    pub archives_in_progress: u64,
    /// Archived snapshots of a volume.
    pub archived_per_volume: u64,
    /// Snapshots of an account that are enabled for fast restores in a Region, in however many zones.
    pub fast_restored_snapshots: u64,
    /// Seconds between two snapshots of a volume, of the error `SnapshotCreationPerVolumeRateExceeded`:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
    pub seconds_between_snapshots: i64,
}

/// Regions that every account has.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Some of those that must be opted into.
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>
const OPT_IN_REGIONS: [&str; 4] = ["af-south-1", "ap-east-1", "eu-central-2", "me-south-1"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            regions: REGIONS.map(String::from).to_vec(),
            opt_in_regions: OPT_IN_REGIONS.map(|region| (region.into(), BTreeSet::new())).into(),
            completes_after: TimeDelta::seconds(60),
            completes_after_per_gib: TimeDelta::zero(),
            changes_after: TimeDelta::seconds(2),
            archives_after: TimeDelta::hours(24),
            lag: TimeDelta::zero(),
            lag_of: BTreeMap::new(),
            paging: Paging::default(),
            quotas: Quotas::default(),
            limits: Vec::new(),
            share_mutating_bucket: false,
            locked_snapshot_code: "OperationNotPermitted".into(),
            refuses_fast_restored: true,
            encrypts_by_default: false,
            revoked_keys: BTreeSet::new(),
            seed: 0,
        }
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self { examined: 10_000, empty_last_page: false, token_lifetime: TimeDelta::hours(24) }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            snapshots_per_region: 100_000,
            concurrent_snapshots: 5,
            concurrent_snapshots_hdd: 1,
            pending_snapshots: None,
            concurrent_copies: 20,
            archives_in_progress: 25,
            archived_per_volume: 25,
            fast_restored_snapshots: 5,
            seconds_between_snapshots: 15,
        }
    }
}

impl Settings {
    /// The lag of whoever is one of `names`: its session, its role, its account.
    pub(crate) fn lag(&self, names: &[&str]) -> TimeDelta {
        names.iter().find_map(|name| self.lag_of.get(*name)).copied().unwrap_or(self.lag)
    }

    /// The token bucket of an action.
    pub(crate) fn limit(&self, action: &str, account: &str, region: &str, is_narrow: bool) -> Limit {
        let is_it = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let set = self.limits.iter().rev().find(|set| {
            (set.action == action || set.action == "*") && is_it(&set.account, account) && is_it(&set.region, region)
        });
        match set {
            Some(SetLimit { capacity, refill, .. }) => Limit { capacity: *capacity, refill: *refill },
            None => Limit::default_of(action, is_narrow),
        }
    }

    /// What no type can say: a bucket holds something or nothing, and refills forwards.
    pub(crate) fn check(&self) -> Result<(), String> {
        for SetLimit { action, capacity, refill, .. } in &self.limits {
            for (field, value) in [("capacity", *capacity), ("refill", *refill)] {
                if !(0.0..=1e9).contains(&value) {
                    return Err(format!("settings.limits, {action}: {field} is {value}; allowed: 0 to 1e9"));
                }
            }
        }
        Ok(())
    }

    /// The longest lag of any caller.
    pub(crate) fn longest_lag(&self) -> TimeDelta {
        self.lag_of.values().copied().chain([self.lag]).max().unwrap_or_default()
    }
}

/// Durations as seconds, with a fraction if need be.
pub(crate) mod seconds {
    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(time: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_seconds_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        let seconds = f64::deserialize(from)?;
        read(seconds).ok_or_else(|| D::Error::custom(format!("{seconds} seconds; allowed: 0 to 315360000")))
    }

    /// Up to ten years.
    pub(crate) fn read(seconds: f64) -> Option<TimeDelta> {
        #[expect(clippy::cast_possible_truncation, reason = "ten years of milliseconds fit")]
        (0.0..=315_360_000.0).contains(&seconds).then(|| TimeDelta::milliseconds((seconds * 1000.0).round() as i64))
    }
}

mod seconds_of_each {
    use std::collections::BTreeMap;

    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(times: &BTreeMap<String, TimeDelta>, to: S) -> Result<S::Ok, S::Error> {
        times.iter().map(|(name, time)| (name, time.as_seconds_f64())).collect::<BTreeMap<_, _>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, TimeDelta>, D::Error> {
        let times = BTreeMap::<String, f64>::deserialize(from)?;
        let read = |(name, seconds)| {
            let time = super::seconds::read(seconds);
            time.map(|time| (name, time)).ok_or_else(|| D::Error::custom(format!("{seconds} seconds")))
        };
        times.into_iter().map(read).collect()
    }
}
