//! Message attributes: subscriptions filter by them without reading the text.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>

use std::collections::BTreeSet;

use shared::aws::sns::{Attribute, Value};
use shared::vocabulary::job::{is_account, is_region};
use shared::vocabulary::report::Report;

use super::section::Severity;
use super::text::plain;
use super::{Alarm, EbsFailure, Subject};

/// The accounts and Regions that a message is about.
#[derive(Debug, Default)]
pub(super) struct Places {
    accounts: BTreeSet<String>,
    regions: BTreeSet<String>,
}

/// More than AWS has, and far from filling a message.
const MOST_REGIONS: usize = 200;
/// An organization of more than these filters by policy. They take 75 KB.
const MOST_ACCOUNTS: usize = 5000;

impl Places {
    pub fn add(&mut self, subject: &Subject) {
        if let Subject::Report(Report::Coverage(coverage)) = subject {
            coverage.volumes.iter().for_each(|volume| self.add_place(&volume.account, &volume.region));
        }
        if let Some((account, region)) = place(subject) {
            self.add_place(account, region);
        }
    }

    fn add_place(&mut self, account: &str, region: &str) {
        if is_account(account) && self.accounts.len() < MOST_ACCOUNTS {
            self.accounts.insert(account.into());
        }
        if is_region(region) && self.regions.len() < MOST_REGIONS {
            self.regions.insert(region.into());
        }
    }
}

/// The attributes of a message; none of them is empty, for SNS would refuse the message.
pub(super) fn attributes(policy: &str, severity: Severity, places: Places) -> Vec<Attribute> {
    let policy = Some(plain(policy, 127)).filter(|policy| !policy.trim().is_empty());
    let list = |values: BTreeSet<String>| (!values.is_empty()).then(|| Value::List(values.into_iter().collect()));
    let values = [
        ("severity", Some(Value::Text(severity.name().into()))),
        ("policy", policy.map(Value::Text)),
        ("account", list(places.accounts)),
        ("region", list(places.regions)),
    ];
    values.into_iter().filter_map(|(name, value)| Some(Attribute { name, value: value? })).collect()
}

fn place(subject: &Subject) -> Option<(&str, &str)> {
    Some(match subject {
        Subject::Report(Report::DeadLetter(letter)) => (&letter.account, &letter.region),
        Subject::Report(Report::LaneHeld(held)) => (&held.account, &held.region),
        Subject::Report(Report::LaneResumed(resumed)) => (&resumed.account, &resumed.region),
        Subject::Report(Report::Resolved(resolved)) => (&resolved.account, &resolved.region),
        Subject::Report(Report::Retention(retention)) => (&retention.account, &retention.region),
        Subject::Ebs(EbsFailure { account, region, .. }) | Subject::Alarm(Alarm { account, region, .. }) => {
            (account, region)
        }
        Subject::Report(Report::Drill(drill)) => {
            let failure = drill.failed.first()?;
            (&failure.account, &failure.region)
        }
        Subject::Report(Report::Planning(_) | Report::Coverage(_) | Report::Dropped(_) | Report::Unreadable(_))
        | Subject::Unreadable(_) => return None,
    })
}
