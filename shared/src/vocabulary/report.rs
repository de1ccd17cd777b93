//! A report: something that a person should hear of. The message on the reports queue, version 1.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::body::body;
use super::class::Class;
use super::job::{Action, Failure, Job};
use super::slot::Slot;
use super::tag;

/// The version of the report message that this program writes.
pub const VERSION: u64 = 1;

/// Something that a person should hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// A job went to the dead-letter queue.
    DeadLetter(DeadLetter),
    /// A message on the jobs queue could not be read; it went to the dead-letter queue as it is.
    Unreadable(Unreadable),
    /// A run could not be planned, or not everywhere.
    Planning(Planning),
    /// A run that prunes has found what a person must look at.
    Retention(Retention),
    /// An audit has found what is not covered, or what nobody knows.
    Coverage(Coverage),
    /// A lane waits until a person has mended its configuration.
    LaneHeld(LaneHeld),
    /// A lane that waited goes on.
    LaneResumed(LaneResumed),
    /// A job that people were told had failed has succeeded after all.
    Resolved(Resolved),
    /// A person has dropped dead letters.
    Dropped(Dropped),
    /// A drill has tried to restore snapshots.
    Drill(Drill),
}

/// A job that went to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// [`VERSION`].
    pub version: u64,
    /// What was to be done; left out, it was a snapshot.
    #[serde(default)]
    pub action: Action,
    /// The job id.
    pub job: String,
    /// The policy's name.
    pub policy: String,
    /// The run's slot.
    pub slot: Slot,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// `vol-…`
    pub volume: String,
    /// `i-…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The snapshot's `Name`, to be recognised by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why, and since when.
    pub failure: Failure,
}

/// A lane whose jobs wait, because no retry mends what EC2 or STS says, and it is not about one volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHeld {
    /// [`VERSION`].
    pub version: u64,
    /// What the lane's jobs do.
    #[serde(default)]
    pub action: Action,
    /// The policy of the job that ran into it. Jobs of others may wait behind it.
    pub policy: String,
    /// That job's slot.
    pub slot: Slot,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The class of the error.
    pub class: Class,
    /// AWS's error code.
    pub code: String,
    /// What could not be done, and AWS's message.
    pub message: String,
    /// AWS's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When the lane's jobs give up, if nothing is mended: the first of them that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_at: Option<DateTime<Utc>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A lane that waited and goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneResumed {
    /// [`VERSION`].
    pub version: u64,
    /// What the lane's jobs do.
    #[serde(default)]
    pub action: Action,
    /// The policy of the job that found the lane mended.
    pub policy: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Since when it had waited.
    pub since: DateTime<Utc>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A job that people were told had failed, and that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// [`VERSION`].
    pub version: u64,
    /// What was to be done.
    #[serde(default)]
    pub action: Action,
    /// The job id.
    pub job: String,
    /// The policy's name.
    pub policy: String,
    /// The run's slot.
    pub slot: Slot,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// `vol-…`
    pub volume: String,
    /// The snapshot's `Name`, to be recognised by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it came to: `snapshot snap-0abc`.
    pub outcome: String,
    /// When the first attempt had failed.
    pub failed: DateTime<Utc>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Dead letters that a person has dropped: nobody will do what they ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// [`VERSION`].
    pub version: u64,
    /// The policy's name; none for letters that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The person's words.
    pub reason: String,
    /// Who, as the operating system says.
    pub by: String,
    /// How many.
    pub count: usize,
    /// The first of the job ids, or of the message ids where a letter cannot be read.
    pub jobs: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A drill: snapshots of one policy that were made into volumes, to see whether they can be, and deleted again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// [`VERSION`].
    pub version: u64,
    /// The policy's name.
    pub policy: String,
    /// The drill's id.
    pub drill: String,
    /// What decided which snapshots were drawn.
    pub seed: String,
    /// Of how many snapshots the volume became available.
    pub succeeded: usize,
    /// The others.
    #[serde(default)]
    pub failed: Vec<DrillFailure>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A snapshot that did not become a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillFailure {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// `snap-…`
    pub snapshot: String,
    /// The volume that it was taken of.
    pub volume: String,
    /// What went wrong.
    pub reason: String,
}

/// A message on the jobs queue that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// [`VERSION`].
    pub version: u64,
    /// The SQS message id.
    pub message_id: String,
    /// What is wrong with it: field, value and what is allowed.
    pub problem: String,
    /// When it was read.
    pub at: DateTime<Utc>,
}

/// A run that could not be planned, or not everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planning {
    /// [`VERSION`].
    pub version: u64,
    /// The policy's name, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The run's slot, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// What went wrong, a sentence each.
    pub problems: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What a person must look at before anything more is pruned in one Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// [`VERSION`].
    pub version: u64,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The run's slot.
    pub slot: Slot,
    /// More would have expired than the cap allows, so that nothing is deleted: what, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped: Option<String>,
    /// What would have been deleted, volume by volume: the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_delete: Vec<String>,
    /// Volumes of which nothing is deleted because their backups have stopped, tags that cannot be read, lists that
    /// could not be had: a sentence each, the first fifty.
    #[serde(default)]
    pub findings: Vec<String>,
    /// How many findings there are.
    #[serde(default)]
    pub count: usize,
    /// When.
    pub at: DateTime<Utc>,
}

/// What an audit has found: one report, however many volumes it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// [`VERSION`].
    pub version: u64,
    /// The policy's name.
    pub policy: String,
    /// The audit's own scheduled time.
    pub slot: Slot,
    /// How old a backup may be, such as `26h`.
    pub rpo: String,
    /// Volumes that are covered.
    pub covered: usize,
    /// Volumes that are not.
    pub uncovered: usize,
    /// No run of the policy was seen within the RPO.
    #[serde(default)]
    pub no_run: bool,
    /// The policy selects no volume anywhere.
    #[serde(default)]
    pub selects_nothing: bool,
    /// The first of the volumes that are not covered, the worst of each place first.
    #[serde(default)]
    pub volumes: Vec<Uncovered>,
    /// Places that could not be read whole, so that their volumes are unknown, and why.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// Snapshots in `error`, and snapshots that do not come to their end: the first.
    #[serde(default)]
    pub findings: Vec<String>,
    /// How many there are.
    #[serde(default)]
    pub finding_count: usize,
    /// Of volumes that no policy selects, the first.
    #[serde(default)]
    pub unselected: Vec<String>,
    /// How many there are.
    #[serde(default)]
    pub unselected_count: usize,
    /// Jobs that were enqueued again.
    #[serde(default)]
    pub enqueued: usize,
    /// Jobs that the queue would not take, and why.
    #[serde(default)]
    pub unsent: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A volume that is not covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncovered {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// `vol-…`
    pub volume: String,
    /// `i-…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Its name, to be recognised by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `failed`, `never` or `stale`.
    pub verdict: String,
    /// Why, in words.
    pub why: String,
    /// When the newest snapshot was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

impl DeadLetter {
    /// The report on `job`, which failed for the last time as `failure` says.
    pub fn of(job: &Job, failure: &Failure) -> Self {
        Self {
            version: VERSION,
            action: job.action,
            job: job.id.clone(),
            policy: job.policy.clone(),
            slot: job.slot,
            account: job.account.clone(),
            region: job.region.clone(),
            volume: job.volume.clone(),
            instance: job.instance.clone(),
            name: job.tags.get(tag::NAME).cloned(),
            attempts: job.attempt,
            failure: failure.clone(),
        }
    }
}

impl LaneHeld {
    /// The report on the lane of `job`, which ran into `failure`.
    pub fn of(job: &Job, failure: &Failure, at: DateTime<Utc>) -> Self {
        Self {
            version: VERSION,
            action: job.action,
            policy: job.policy.clone(),
            slot: job.slot,
            account: job.account.clone(),
            region: job.region.clone(),
            class: failure.class.unwrap_or(Class::Configuration),
            code: failure.code.clone(),
            message: failure.message.clone(),
            request_id: failure.request_id.clone(),
            give_up_at: job.give_up_at,
            at,
        }
    }
}

impl LaneResumed {
    /// The report on the lane of `job`, which found it mended.
    pub fn of(job: &Job, since: DateTime<Utc>, at: DateTime<Utc>) -> Self {
        Self {
            version: VERSION,
            action: job.action,
            policy: job.policy.clone(),
            account: job.account.clone(),
            region: job.region.clone(),
            since,
            at,
        }
    }
}

impl Resolved {
    /// The report on `job`, which failed before as `failure` says, and came to `outcome`.
    pub fn of(job: &Job, failure: &Failure, outcome: String, at: DateTime<Utc>) -> Self {
        Self {
            version: VERSION,
            action: job.action,
            job: job.id.clone(),
            policy: job.policy.clone(),
            slot: job.slot,
            account: job.account.clone(),
            region: job.region.clone(),
            volume: job.volume.clone(),
            name: job.tags.get(tag::NAME).cloned(),
            outcome,
            failed: failure.first,
            at,
        }
    }
}

impl Report {
    /// The message body.
    pub fn body(&self) -> String {
        body(self)
    }
}
