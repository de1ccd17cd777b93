//! Who called what: every call, and sums of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::text::Text;

/// Every call since the world began or was reset.
#[derive(Debug, Default)]
pub struct History {
    calls: Vec<Entry>,
    counts: BTreeMap<Slot, Count>,
}

/// A second since the epoch, account, Region and action.
type Slot = (i64, Text, Text, Text);

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 0 on.
    pub number: usize,
    /// When it came.
    pub at: DateTime<Utc>,
    /// Whose credentials signed it.
    pub account: Text,
    /// In which Region.
    pub region: Text,
    /// `ec2` or `sts`.
    pub service: Text,
    /// Such as `CreateSnapshot`.
    pub action: Text,
    /// The ARN of whoever called: a session of a role, or the account's root.
    pub caller: Text,
    /// The ARN of the caller's role, if it has one.
    pub role: Option<Text>,
    /// The ids that the call names.
    pub resources: Vec<Text>,
    /// `ok`, or the code that it was refused with.
    pub outcome: Text,
    /// Whether a fault struck it.
    pub faulted: bool,
    /// Whether its token bucket was empty.
    pub throttled: bool,
    /// As it stands in the answer.
    pub request_id: Text,
}

/// Calls, and how many of them were refused by a limit or struck by a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All calls.
    pub calls: u64,
    /// Those answered with `RequestLimitExceeded` because a token bucket was empty.
    pub throttled: u64,
    /// Those that a fault struck.
    pub faulted: u64,
}

/// A line of the counters: the calls of an action in an account and Region, in one second or in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The second in which they came, or nothing for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<DateTime<Utc>>,
    /// Whose calls.
    pub account: Text,
    /// Where.
    pub region: Text,
    /// Of what.
    pub action: Text,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

impl History {
    /// Writes a call down, and numbers it.
    pub(crate) fn add(&mut self, mut entry: Entry) {
        entry.number = self.calls.len();
        let slot = (entry.at.timestamp(), entry.account.clone(), entry.region.clone(), entry.action.clone());
        self.counts.entry(slot).or_default().add(Count {
            calls: 1,
            throttled: entry.throttled.into(),
            faulted: entry.faulted.into(),
        });
        self.calls.push(entry);
    }

    /// The calls from number `from` on.
    pub fn calls_from(&self, from: usize) -> &[Entry] {
        self.calls.get(from..).unwrap_or_default()
    }

    /// All calls of `action`, in every account and Region.
    pub fn action(&self, action: &str) -> Count {
        self.sum(|(_, _, _, found)| &**found == action)
    }

    /// All calls of `action` in `region`, in every account.
    pub fn region(&self, region: &str, action: &str) -> Count {
        self.sum(|(_, _, place, found)| &**place == region && &**found == action)
    }

    /// All calls by action.
    pub fn by_action(&self) -> BTreeMap<Text, Count> {
        let mut sums = BTreeMap::<Text, Count>::new();
        for ((_, _, _, action), count) in &self.counts {
            sums.entry(action.clone()).or_default().add(*count);
        }
        sums
    }

    /// All calls by account, Region and action, and by second where that is wanted.
    pub fn lines(&self, by_second: bool) -> Vec<Line> {
        let mut sums = BTreeMap::<Slot, Count>::new();
        for ((second, account, region, action), count) in &self.counts {
            let second = if by_second { *second } else { 0 };
            sums.entry((second, account.clone(), region.clone(), action.clone())).or_default().add(*count);
        }
        let line = |((second, account, region, action), count)| Line {
            second: DateTime::from_timestamp_secs(second).filter(|_| by_second),
            account,
            region,
            action,
            count,
        };
        sums.into_iter().map(line).collect()
    }

    fn sum(&self, wanted: impl Fn(&Slot) -> bool) -> Count {
        let mut sum = Count::default();
        self.counts.iter().filter(|(slot, _)| wanted(slot)).for_each(|(_, count)| sum.add(*count));
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
