//! Where a policy stands: in a file, or in a deployed schedule; and when it runs.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::rules::schedule::{Rhythm, rhythm};
use shared::vocabulary::policy::{Account, Audit, Input, Policy, Prune, Regions};
use shared::vocabulary::problem::Problem;
use shared::vocabulary::schedule::{Deployed, Schedule};

use crate::Error;
use crate::policy::of_file;

/// A policy, where it stands, and when it runs.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file's name, or `schedule GROUP/NAME`.
    pub origin: String,
    /// What is wrong with it, where it cannot be read.
    pub input: Result<Input, Problem>,
    /// The slot as it is written down, unread.
    pub scheduled_time: Option<String>,
    /// When it runs; `None` where nobody said, as a file does not.
    pub schedule: Option<Schedule>,
    /// An expression of which nobody knows what it means.
    pub unread_schedule: Option<Problem>,
    /// Whether it comes from a schedule that is deployed.
    pub is_deployed: bool,
}

impl Source {
    /// A policy in a file, and the schedule that somebody typed for it.
    pub fn of_file(file: &Path, schedule: Option<&str>, now: DateTime<Utc>) -> Result<Self, Error> {
        Self::of_event(&file.display().to_string(), &of_file(file)?, schedule, now)
    }

    /// The same, of what stands in the file.
    pub fn of_event(origin: &str, event: &Value, schedule: Option<&str>, now: DateTime<Utc>) -> Result<Self, Error> {
        let input = Input::parse(&with_slot(event, now), now)?;
        let schedule = schedule.map(Schedule::typed).transpose();
        Ok(Self {
            origin: origin.into(),
            input: Ok(input),
            scheduled_time: scheduled_time(event),
            schedule: schedule.map_err(|problem| Error::Usage(format!("{origin}: {problem}")))?,
            unread_schedule: None,
            is_deployed: false,
        })
    }

    /// A schedule as Scheduler has it.
    pub fn of_schedule(group: &str, deployed: &Deployed, now: DateTime<Utc>) -> Self {
        const OBJECT: &str = "a policy as JSON, such as {\"action\": \"snapshot\", …}";
        let event = serde_json::from_str(&deployed.input);
        let input = match &event {
            Ok(event) => Input::parse(&with_slot(event, now), now),
            Err(_) => Err(Problem::value("input", &deployed.input, OBJECT)),
        };
        let schedule = Schedule::read(deployed);
        Self {
            origin: format!("schedule {group}/{}", deployed.name),
            input,
            scheduled_time: event.ok().as_ref().and_then(scheduled_time),
            unread_schedule: schedule.as_ref().err().cloned(),
            schedule: schedule.ok(),
            is_deployed: true,
        }
    }

    /// The policy, if it takes snapshots.
    pub fn policy(&self) -> Option<&Policy> {
        match &self.input {
            Ok(Input::Snapshot(policy)) => Some(policy),
            _ => None,
        }
    }

    /// The policy, if it audits.
    pub fn audit(&self) -> Option<&Audit> {
        match &self.input {
            Ok(Input::Audit(audit)) => Some(audit),
            _ => None,
        }
    }

    /// The policy, if it prunes.
    pub fn prune(&self) -> Option<&Prune> {
        match &self.input {
            Ok(Input::Prune(prune)) => Some(prune),
            _ => None,
        }
    }

    /// Where it looks: its accounts and its Regions, if it says which.
    pub fn places(&self) -> Option<(&[Account], Option<&Regions>)> {
        let of_policy = self.policy().map(|policy| (policy.accounts.as_slice(), policy.regions.as_ref()));
        of_policy.or_else(|| self.prune().map(|prune| (prune.accounts.as_slice(), prune.regions.as_ref())))
    }

    /// How it comes again; `None` where nobody said, or it does not.
    pub fn rhythm(&self, now: DateTime<Utc>) -> Option<Rhythm> {
        rhythm(self.schedule.as_ref()?, now)
    }

    /// How long a job of it may wait after its slot.
    pub fn give_up_after(&self) -> Option<TimeDelta> {
        self.policy().map(|policy| policy.give_up_at - policy.slot.time())
    }
}

/// The policy of a run that would be planned now.
fn with_slot(event: &Value, now: DateTime<Utc>) -> Value {
    let mut event = event.clone();
    let is_envelope = event.get("detail-type").is_some();
    let policy = if is_envelope { event.get_mut("detail") } else { Some(&mut event) };
    if let Some(fields) = policy.and_then(Value::as_object_mut) {
        fields.insert("scheduled_time".into(), json!(now.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
    }
    event
}

fn scheduled_time(event: &Value) -> Option<String> {
    let policy = event.get("detail").filter(|_| event.get("detail-type").is_some()).unwrap_or(event);
    policy.get("scheduled_time").and_then(Value::as_str).map(String::from)
}
