//! EC2's token buckets: one for each account, Region and action.
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>

use std::collections::HashMap;

use chrono::{DateTime, Utc};

/// The buckets of one account and Region.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: HashMap<String, Bucket>,
}

/// How many calls a bucket holds, and how many come back each second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The bucket's maximum capacity.
    pub capacity: f64,
    /// The refill rate per second.
    pub refill: f64,
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
            "CreateSnapshot"
            | "CreateSnapshots"
            | "DeleteSnapshot"
            | "ModifySnapshotAttribute"
            | "CreateVolume"
            | "DeleteVolume"
            | "DeregisterImage" => (100.0, 5.0),
            "CreateTags" | "DeleteTags" => (100.0, 10.0),
            "DescribeInstances" | "DescribeVolumes" | "DescribeSnapshots" if !is_narrow => (50.0, 10.0),
            _ if action.starts_with("Describe") => (100.0, 20.0),
            _ => (50.0, 5.0),
        };
        Self { capacity, refill }
    }
}

impl Buckets {
    /// Takes a token for a call in the bucket `name`, or says that there is none. A refused call takes nothing.
    pub fn take(&mut self, name: &str, limit: Limit, now: DateTime<Utc>) -> bool {
        let bucket = self.buckets.entry(name.into()).or_insert(Bucket { tokens: limit.capacity, at: now });
        let seconds = (now - bucket.at).as_seconds_f64().max(0.0);
        bucket.tokens = (bucket.tokens + seconds * limit.refill).min(limit.capacity);
        bucket.at = now;
        let is_allowed = bucket.tokens >= 1.0;
        if is_allowed {
            bucket.tokens -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_bucket_gives_its_capacity_and_then_what_it_refills() {
        let (mut buckets, start) = (Buckets::default(), DateTime::UNIX_EPOCH);
        let limit = Limit::default_of("CreateSnapshot", true);
        let mut taken = |now| (0..1000).filter(|_| buckets.take("CreateSnapshot", limit, now)).count();
        assert_eq!(taken(start), 100);
        assert_eq!(taken(start), 0);
        assert_eq!(taken(start + TimeDelta::seconds(10)), 50);
        assert_eq!(taken(start + TimeDelta::hours(1)), 100, "never more than the capacity");
    }

    #[test]
    fn each_action_has_its_own_bucket() {
        let (mut buckets, now) = (Buckets::default(), DateTime::UNIX_EPOCH);
        let limit = Limit { capacity: 1.0, refill: 0.0 };
        assert!(buckets.take("CreateSnapshot", limit, now));
        assert!(!buckets.take("CreateSnapshot", limit, now));
        assert!(buckets.take("DeleteSnapshot", limit, now));
    }
}
