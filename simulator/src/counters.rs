//! Who was called how often.

use std::collections::BTreeMap;

use serde::Serialize;

/// Calls by account, Region and action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<(String, String, String), Count>);

/// Calls, and how many of them were refused by a limit or a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All calls.
    pub calls: u64,
    /// Those answered with `RequestLimitExceeded` because a token bucket was empty.
    pub throttled: u64,
    /// Those that a fault was set for.
    pub faulted: u64,
}

impl Counters {
    /// The count to add to.
    pub fn of(&mut self, account: &str, region: &str, action: &str) -> &mut Count {
        self.0.entry((account.into(), region.into(), action.into())).or_default()
    }

    /// All calls of `action`, in every account and Region.
    pub fn action(&self, action: &str) -> Count {
        self.sum(|(_, _, found)| found == action)
    }

    /// All calls of `action` in `region`, in every account.
    pub fn region(&self, region: &str, action: &str) -> Count {
        self.sum(|(_, place, found)| place == region && found == action)
    }

    /// All calls by action.
    pub fn by_action(&self) -> BTreeMap<String, Count> {
        let mut sums = BTreeMap::<String, Count>::new();
        for ((_, _, action), count) in &self.0 {
            sums.entry(action.clone()).or_default().add(*count);
        }
        sums
    }

    fn sum(&self, wanted: impl Fn(&(String, String, String)) -> bool) -> Count {
        let mut sum = Count::default();
        self.0.iter().filter(|(key, _)| wanted(key)).for_each(|(_, count)| sum.add(*count));
        sum
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.throttled += other.throttled;
        self.faulted += other.faulted;
    }
}
