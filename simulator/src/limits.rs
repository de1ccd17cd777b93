//! EC2's token buckets: one for each account, Region and action.
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::text::{Text, text};

/// The buckets of one Region: by account and name of the bucket.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: HashMap<(Text, Text), Bucket>,
}

/// How many calls a bucket holds, and how many come back each second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The bucket's maximum capacity.
    pub capacity: f64,
    /// The refill rate per second.
    pub refill: f64,
}

/// The limit of an action, other than EC2's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLimit {
    /// Such as `CreateSnapshot`, or `*`.
    pub action: String,
    /// In this account; without it, in all.
    #[serde(default)]
    pub account: Option<String>,
    /// In this Region; without it, in all.
    #[serde(default)]
    pub region: Option<String>,
    /// The bucket's maximum capacity.
    pub capacity: f64,
    /// The refill rate per second.
    pub refill: f64,
}

/// A neighbour in the same account who makes so many calls of the same action, all the time or in bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbour {
    pub calls_per_second: f64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How long a burst lasts, and from the beginning of one to the beginning of the next, in seconds. Without it,
    /// one burst that does not end.
    pub bursts: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: DateTime<Utc>,
}

impl Limit {
    /// EC2's default for `action`, as its developer guide lists it. A Describe call that is neither filtered nor
    /// paginated is not `is_narrow`, and has a smaller bucket of its own.
    pub fn default_of(action: &str, is_narrow: bool) -> Self {
        let (capacity, refill) = match action {
            _ if has_own_bucket(action) && matches!(action, "CreateTags" | "DeleteTags") => (100.0, 10.0),
            _ if has_own_bucket(action) => (100.0, 5.0),
            "DescribeInstances" | "DescribeVolumes" | "DescribeSnapshots" if !is_narrow => (50.0, 10.0),
            _ if is_read(action) => (100.0, 20.0),
            _ => (50.0, 5.0),
        };
        Self { capacity, refill }
    }
}

/// The name of the bucket that a call takes from.
pub(crate) fn bucket(action: &str, is_narrow: bool, share_mutating: bool) -> Text {
    match action {
        "DescribeInstances" | "DescribeVolumes" | "DescribeSnapshots" if !is_narrow => {
            text(&format!("{action} unfiltered"))
        }
        _ if share_mutating && !is_read(action) && !has_own_bucket(action) => text("mutating"),
        _ => text(action),
    }
}

fn is_read(action: &str) -> bool {
    ["Describe", "List", "Get", "Search"].iter().any(|verb| action.starts_with(verb))
}

/// The actions that the developer guide lists as uncategorized.
fn has_own_bucket(action: &str) -> bool {
    matches!(
        action,
        "CreateSnapshot"
            | "CreateSnapshots"
            | "DeleteSnapshot"
            | "ModifySnapshotAttribute"
            | "CreateVolume"
            | "DeleteVolume"
            | "DeregisterImage"
            | "CreateTags"
            | "DeleteTags"
    )
}

impl Buckets {
    /// Takes a token for a call of `account` from the bucket `name`, or says that there is none. A refused call
    /// takes nothing: whether it does in EC2 is not documented. Neighbours take theirs first.
    pub(crate) fn take(
        &mut self,
        account: &Text,
        name: Text,
        limit: Limit,
        now: DateTime<Utc>,
        neighbours: &[Neighbour],
    ) -> bool {
        let key = (account.clone(), name);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: limit.capacity, at: now });
        let seconds = (now - bucket.at).as_seconds_f64().max(0.0);
        let drained: f64 = neighbours.iter().map(|neighbour| neighbour.calls_between(bucket.at, now)).sum();
        bucket.tokens = (bucket.tokens + seconds * limit.refill - drained).clamp(0.0, limit.capacity);
        bucket.at = now;
        let is_allowed = bucket.tokens >= 1.0;
        if is_allowed {
            bucket.tokens -= 1.0;
        }
        is_allowed
    }
}

impl Neighbour {
    /// How many calls it made between two instants.
    fn calls_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let since = |time: DateTime<Utc>| (time - self.since).as_seconds_f64().max(0.0);
        self.calls_per_second * (self.busy_until(since(to)) - self.busy_until(since(from))).max(0.0)
    }

    /// How many of the first so many seconds lie in a burst.
    fn busy_until(&self, seconds: f64) -> f64 {
        match self.bursts {
            None => seconds,
            Some((lasting, every)) => {
                let whole = (seconds / every).floor();
                whole * lasting + (seconds - whole * every).min(lasting)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_bucket_gives_its_capacity_and_then_what_it_refills() {
        let mut buckets = Buckets::default();
        let limit = Limit::default_of("CreateSnapshot", true);
        let mut taken = |now| {
            let take = |_: &i32| buckets.take(&text("me"), text("CreateSnapshot"), limit, now, &[]);
            (0..1000).filter(take).count()
        };
        assert_eq!(taken(START), 100);
        assert_eq!(taken(START), 0);
        assert_eq!(taken(START + TimeDelta::seconds(10)), 50);
        assert_eq!(taken(START + TimeDelta::hours(1)), 100, "never more than the capacity");
    }

    #[test]
    fn each_account_and_action_has_its_own_bucket_unless_the_mutating_ones_share() {
        let mut buckets = Buckets::default();
        let limit = Limit { capacity: 1.0, refill: 0.0 };
        let mut take = |account: &str, bucket| buckets.take(&text(account), bucket, limit, START, &[]);
        assert!(take("me", bucket("CreateSnapshot", true, false)));
        assert!(!take("me", bucket("CreateSnapshot", true, false)));
        assert!(take("you", bucket("CreateSnapshot", true, false)));
        assert!(take("me", bucket("CopySnapshot", true, true)));
        assert!(!take("me", bucket("LockSnapshot", true, true)));
        assert!(take("me", bucket("LockSnapshot", true, false)));
        assert!(take("me", bucket("DescribeSnapshots", false, true)));
        assert!(take("me", bucket("DescribeSnapshots", true, true)));
    }

    #[test]
    fn a_neighbours_bursts_drain_the_bucket() {
        let neighbour = Neighbour { calls_per_second: 10.0, since: START, bursts: Some((2.0, 10.0)) };
        let between =
            |from, to| neighbour.calls_between(START + TimeDelta::seconds(from), START + TimeDelta::seconds(to));
        assert_eq!(
            [between(0, 1), between(0, 5), between(5, 9), between(9, 13), between(0, 30)],
            [10., 20., 0., 20., 60.]
        );
    }
}
