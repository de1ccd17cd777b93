//! What AWS itself tells: snapshots that EBS could not complete, and alarms of CloudWatch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::section::{Section, Severity};
use super::text::{LONGEST_REASON, command, counted, line, name, named, plain, time, word};

/// A snapshot that failed after EC2 had taken the order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the event")]
pub struct EbsFailure {
    pub event: String,
    pub cause: String,
    pub snapshot: String,
    pub source: String,
    pub region: String,
    pub account: String,
}

/// An alarm of CloudWatch that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it is now.
    pub state: AlarmState,
    /// Why, in CloudWatch's words.
    pub reason: String,
    /// The Region, by its code where CloudWatch says it.
    pub region: String,
    /// The account.
    pub account: String,
    /// Since when, where that can be read.
    pub at: Option<DateTime<Utc>>,
}

/// What an alarm says.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-concepts.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmState {
    /// The threshold is crossed.
    Alarm,
    /// Nothing is there to go by.
    InsufficientData,
    /// All is well.
    Ok,
}

/// Snapshots that are no backups.
pub(super) fn ebs(failures: &[EbsFailure]) -> Option<Section> {
    let EbsFailure { region, snapshot, .. } = failures.first()?;
    let headline = format!("{} failed in EBS", counted(failures.len(), "snapshot"));
    let mut text = String::from("EBS could not complete snapshots that it had begun. They are no backups.\n\n");
    text.push_str(&named(failures, |EbsFailure { event, cause, snapshot, source, region, account }| {
        let text = format!("{snapshot} of {source} in {region}, account {account} ({event}): {cause}");
        plain(&text, LONGEST_REASON)
    }));
    let (region, snapshot) = (word(region, "REGION"), word(snapshot, "SNAPSHOT"));
    command(&mut text, &format!("Look: aws ec2 describe-snapshots --region {region} --snapshot-ids {snapshot}"));
    text.push_str("The policy's next run takes another.\n");
    Some(Section { severity: Severity::Error, headline, text })
}

/// Alarms by what they say now: one that came and went is over.
pub(super) fn alarms(changes: &[Alarm]) -> Vec<Section> {
    let mut last = BTreeMap::<(&str, &str, &str), &Alarm>::new();
    for change in changes {
        let alarm = last.entry((&change.account, &change.region, &change.name)).or_insert(change);
        if change.at >= alarm.at {
            *alarm = change;
        }
    }
    let mut states = BTreeMap::<AlarmState, Vec<&Alarm>>::new();
    last.into_values().for_each(|alarm| states.entry(alarm.state).or_default().push(alarm));
    states.into_iter().map(|(state, alarms)| of_state(state, &alarms)).collect()
}

fn of_state(state: AlarmState, alarms: &[&Alarm]) -> Section {
    let (severity, one, more, head) = match state {
        AlarmState::Alarm => (Severity::Error, "", "", "CloudWatch raises these alarms"),
        AlarmState::InsufficientData => {
            (Severity::Warning, " has no data", " have no data", "CloudWatch has no data for these alarms")
        }
        AlarmState::Ok => (Severity::Info, " is over", " are over", "Good news: these alarms are over"),
    };
    let headline = match alarms {
        [alarm] => format!("alarm {}{one}", plain(&alarm.name, 60)),
        alarms => format!("{}{more}", counted(alarms.len(), "alarm")),
    };
    let mut text = format!("{head}.\n\n{}", named(alarms, |alarm| change(alarm)));
    if let Some(alarm) = alarms.first().filter(|_| state != AlarmState::Ok) {
        let (region, name) = (word(&alarm.region, "REGION"), name(&alarm.name, "ALARM"));
        let history = format!("aws cloudwatch describe-alarm-history --region {region} --alarm-name {name}");
        command(&mut text, &format!("Look: {history}"));
    }
    Section { severity, headline, text }
}

fn change(Alarm { name, reason, region, account, at, .. }: &Alarm) -> String {
    let since = at.map(|at| format!(", since {}", time(at))).unwrap_or_default();
    let alarm = line(&format!("{name} in {region}, account {account}{since}"));
    format!("{alarm}: {}", plain(reason, LONGEST_REASON))
}
