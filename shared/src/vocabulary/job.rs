//! A job: one volume, one slot. The message on the jobs queue, version 1.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::body::body;
use super::class::Class;
use super::orphans::Orphans;
use super::policy::Role;
use super::problem::{Problem, shortened};
use super::retain::{self, RetainRule};
use super::slot::Slot;

/// The version of the job message that this program writes, and the newest that it reads. It reads all older ones too:
/// messages of the release before are on the queue while it is deployed.
pub const VERSION: u64 = 1;

/// What to do with one volume in one slot. It carries all that the worker needs, so that nothing else
/// holds configuration. An older worker refuses a newer [`VERSION`]; fields may be added within a version
/// only where an older worker may leave them out of account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// [`VERSION`].
    pub version: u64,
    /// What to do.
    pub action: Action,
    /// The job id: the same for the same policy, action, account, Region, volume and slot.
    #[serde(rename = "job")]
    pub id: String,
    /// The policy's name.
    pub policy: String,
    /// The run's slot.
    pub slot: Slot,
    /// The twelve digits of the account that owns the volume.
    pub account: String,
    /// The volume's Region.
    pub region: String,
    /// `vol-…`
    pub volume: String,
    /// `i-…`, where the volume is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The device, where the volume is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The retain rule that the snapshot is made under. A prune job has none: the snapshots bear their rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<RetainRule>,
    /// The key of the tag whose value says how many to keep: only in the keyword event's jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
    /// What becomes of the last snapshot of a volume that is gone: only in prune jobs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub orphans: Orphans,
    /// How many snapshots the planner has counted as expiring, so that the run's cap binds the worker too: it deletes no
    /// more. Left out, there is no bound: only in prune jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// Whose days and weeks the retain rule counts. Left out, it is UTC.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: Tz,
    /// The role to assume in the volume's account. Left out, the worker's own credentials serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Tags for the snapshot besides `snapkeep:*`: chosen and limited by the planner.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether it is one of the first of its run in its lane, which find EC2's bucket full.
    #[serde(default, skip_serializing_if = "is_default")]
    pub burst: bool,
    /// Which attempt this is, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// How often a worker has sent it on: Lambda stops a chain of messages to a function's own queue after about sixteen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sends: u32,
    /// When the planner put it onto the queue; written by the first worker that sends it on, where the planner did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued: Option<DateTime<Utc>>,
    /// When it gives up: what has no verdict by then is dead-lettered, so that the next slot finds a clear way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_at: Option<DateTime<Utc>>,
    /// Not to be tried before this time: set while the job waits under its own message group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// Why the last attempt failed. In the dead-letter queue: why the job is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether people have been told of the failure: they are told too when the job succeeds after all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told: bool,
}

/// What a job does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Take a snapshot of the volume.
    #[default]
    Snapshot,
    /// Delete the snapshots of the volume and policy that no rule keeps. It never names a snapshot: the worker finds
    /// out by itself which those are, so that a forged or stale message deletes nothing that the rules keep.
    Prune,
}

/// How long a job is pursued when neither its policy nor its planner says: until an hour before a daily slot comes
/// again.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(23);

/// Why a job failed, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the last error says about trying again. Messages of older workers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// AWS's error code, or ours for a call without an answer (see `api_error`).
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// AWS's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When the first attempt failed.
    pub first: DateTime<Utc>,
    /// When the last attempt failed.
    pub last: DateTime<Utc>,
    /// The attempts that failed, and the times that it had to wait, the last [`Failure::MOST_ATTEMPTS`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The deadline at which it gave up; none where its attempts ran out, or no retry mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<DateTime<Utc>>,
}

/// An attempt that failed, or found that it must wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which attempt it was, from 1: waiting for a quota does not make it another.
    pub attempt: u32,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// AWS's error code, or ours.
    pub code: String,
    /// AWS's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Failure {
    /// A job that waits for a day must not outgrow a message.
    pub const MOST_ATTEMPTS: usize = 20;
}

/// A lane: the jobs that share one token bucket of EC2. SQS hands out one batch of it at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// What its jobs do.
    pub action: Action,
}

/// The parts of a job's identity.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields of Job, borrowed")]
pub struct Identity<'a> {
    pub policy: &'a str,
    pub action: Action,
    pub account: &'a str,
    pub region: &'a str,
    pub volume: &'a str,
    pub slot: Slot,
}

impl Identity<'_> {
    /// The job id: 20 hexadecimal digits of the SHA-256 of the parts, so that it fits a tag, a message group
    /// and a table, and 10⁹ jobs collide with a chance of one in a million.
    pub fn job_id(&self) -> String {
        let Self { policy, action, account, region, volume, slot } = self;
        let digest = Sha256::digest(format!("{policy}\n{action}\n{account}\n{region}\n{volume}\n{slot}"));
        digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first attempt of the job, which its account's `role` does, and nothing else said.
    pub fn job(&self, role: Option<&Role>) -> Job {
        Job {
            version: VERSION,
            action: self.action,
            id: self.job_id(),
            policy: self.policy.into(),
            slot: self.slot,
            account: self.account.into(),
            region: self.region.into(),
            volume: self.volume.into(),
            instance: None,
            device: None,
            retain: None,
            keyword: None,
            orphans: Orphans::default(),
            most: None,
            time_zone: utc(),
            role: role.cloned(),
            tags: BTreeMap::new(),
            burst: false,
            attempt: first_attempt(),
            sends: 0,
            enqueued: None,
            give_up_at: None,
            not_before: None,
            failure: None,
            told: false,
        }
    }
}

impl Job {
    /// Reads a message body. What cannot be read is refused by the field's name, and never half-read.
    pub fn parse(body: &str) -> Result<Self, Problem> {
        let value: Value = serde_json::from_str(body)
            .map_err(|_| Problem::value("body", &body, "a JSON object, the job message of version 1"))?;
        check_version(&value)?;
        let job = Self::deserialize(&value).map_err(|error| {
            // The error may quote a value, however long that is.
            let error = shortened(&error.to_string(), 500);
            Problem::value("body", &value, &format!("a job message of version 1 ({error})"))
        })?;
        job.check()?;
        Ok(job)
    }

    /// The message body.
    pub fn body(&self) -> String {
        body(self)
    }

    /// The lane that the job's first attempt travels in.
    pub fn lane(&self) -> Lane {
        Lane { account: self.account.clone(), region: self.region.clone(), action: self.action }
    }

    /// What an operator reads first: `vol-0abc in eu-west-1`.
    pub fn place(&self) -> String {
        format!("{} in {}", self.volume, self.region)
    }

    fn check(&self) -> Result<(), Problem> {
        let id_is_plain = self.id.bytes().all(|byte| byte.is_ascii_graphic());
        if self.id.is_empty() || self.id.len() > 100 || !id_is_plain {
            return Err(Problem::value("job", &self.id, "1 to 100 printable ASCII characters"));
        }
        // They become tags of a snapshot, which EC2 would refuse each time anew.
        if self.policy.chars().count() > 256 {
            return Err(Problem::value("policy", &self.policy, "a policy's name of at most 256 characters"));
        }
        if let Some(keyword) = self.keyword.as_deref().filter(|keyword| !(1..=128).contains(&keyword.chars().count())) {
            return Err(Problem::value("keyword", &keyword, "the key of a tag, 1 to 128 characters"));
        }
        if !is_account(&self.account) {
            return Err(Problem::value("account", &self.account, ACCOUNT));
        }
        if !is_region(&self.region) {
            return Err(Problem::value("region", &self.region, REGION));
        }
        if !is_volume(&self.volume) {
            return Err(Problem::value("volume", &self.volume, "a volume id such as vol-0123456789abcdef0"));
        }
        if let Some(instance) = self.instance.as_deref().filter(|id| !is_resource_id(id, "i-")) {
            return Err(Problem::value("instance", &instance, "an instance id such as i-0123456789abcdef0"));
        }
        if self.action == Action::Snapshot && self.retain.is_none() {
            return Err(Problem::missing("retain", retain::ALLOWED));
        }
        if self.attempt == 0 {
            return Err(Problem::value("attempt", &self.attempt, "1 or more"));
        }
        Ok(())
    }
}

/// A newer message is refused, not half-understood: the worker that can read it is still to be deployed.
fn check_version(value: &Value) -> Result<(), Problem> {
    let Some(fields) = value.as_object() else {
        return Err(Problem::value("body", value, "a JSON object, the job message of version 1"));
    };
    match fields.get("version").map(|version| (version.as_u64(), version)) {
        Some((Some(1..=VERSION), _)) => Ok(()),
        Some((_, version)) => {
            let allowed = format!("at most {VERSION}; a newer message needs a newer worker");
            Err(Problem::value("version", version, &allowed))
        }
        None => Err(Problem::missing("version", &format!("at most {VERSION}"))),
    }
}

/// What an account id looks like.
pub const ACCOUNT: &str = "the twelve digits of an AWS account";
/// What a Region looks like.
pub const REGION: &str = "a Region such as eu-central-1";

/// Whether `text` is the twelve digits of an account.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the form of a Region: `eu-central-1`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() <= 32
        && words.len() >= 2
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the form of a volume's id.
pub fn is_volume(text: &str) -> bool {
    is_resource_id(text, "vol-")
}

/// EC2's ids are a prefix and 8 or 17 hexadecimal digits:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>
pub(super) fn is_resource_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (8..=17).contains(&digits.len()) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn utc() -> Tz {
    Tz::UTC
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_utc(time_zone: &Tz) -> bool {
    *time_zone == Tz::UTC
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn first_attempt() -> u32 {
    1
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot => "snapshot",
            Self::Prune => "prune",
        })
    }
}

/// The SQS `MessageGroupId` of the lane.
impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.region, self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of version 1 as the first release wrote it: it must be readable for ever.
    const VERSION_1: &str = r#"{"version":1,"action":"snapshot","job":"2f0c7e1a9b3d4c5e6f70","policy":"daily",
        "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1",
        "volume":"vol-0123456789abcdef0","instance":"i-0123456789abcdef0","device":"/dev/sda1",
        "retain":"7d","tags":{"Name":"db","Interval":"Daily"},"attempt":1}"#;

    #[test]
    fn the_message_of_version_1_is_read() {
        let job = Job::parse(VERSION_1).unwrap();
        assert_eq!(job.lane().to_string(), "123456789012/eu-central-1/snapshot");
        assert_eq!(job.retain, "7d".parse().ok());
        assert_eq!(job.time_zone, Tz::UTC);
        assert_eq!(job.attempt, 1);
    }

    #[test]
    fn a_prune_job_names_a_volume_and_a_policy_and_never_a_snapshot() {
        let body = r#"{"version":1,"action":"prune","job":"j-1","policy":"daily","slot":"2026-11-20T03:00:00Z",
            "account":"123456789012","region":"eu-central-1","volume":"vol-0123456789abcdef0","orphans":"90d"}"#;
        let job = Job::parse(body).unwrap();
        assert_eq!(job.lane().to_string(), "123456789012/eu-central-1/prune", "a lane of its own");
        assert_eq!((job.retain.clone(), job.orphans.to_string()), (None, "90d".into()));
        assert_eq!(Job::parse(&job.body()), Ok(job));
        let forged = body.replace("90d", "everything");
        assert!(Job::parse(&forged).unwrap_err().to_string().contains("keep-last"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut job = Job::parse(VERSION_1).unwrap();
        job.time_zone = Tz::Europe__Zurich;
        job.not_before = Some(job.slot.time());
        assert_eq!(Job::parse(&job.body()), Ok(job));
    }

    #[test]
    fn a_field_added_later_is_left_out_of_account() {
        let newer = VERSION_1.replace(r#""attempt":1"#, r#""attempt":2,"colour":"blue""#);
        assert_eq!(Job::parse(&newer).unwrap().attempt, 2);
    }

    fn check_refused(from: &str, to: &str, field: &str, allowed: &str) {
        let body = VERSION_1.replace(from, to);
        assert_ne!(body, VERSION_1, "{from} is not in the message");
        let problem = Job::parse(&body).unwrap_err();
        assert_eq!(problem.field, field, "{problem}");
        assert!(problem.allowed.contains(allowed), "{problem}");
    }

    #[test]
    fn an_unreadable_message_is_refused_by_its_field() {
        check_refused(r#""version":1"#, r#""version":2"#, "version", "newer worker");
        check_refused(r#""version":1"#, r#""version":"1""#, "version", "newer worker");
        check_refused(r#""version":1"#, r#""version":0"#, "version", "at most 1");
        check_refused(r#""version":1,"#, "", "version", "1");
        check_refused(r#""action":"snapshot""#, r#""action":"destroy""#, "body", "snapshot");
        check_refused("vol-0123456789abcdef0", "vol-*", "volume", "vol-0123456789abcdef0");
        check_refused("vol-0123456789abcdef0", "snap-0123456789abcdef0", "volume", "vol-0123456789abcdef0");
        check_refused("i-0123456789abcdef0", "server", "instance", "i-0123456789abcdef0");
        check_refused("123456789012", "12345", "account", "twelve digits");
        check_refused("eu-central-1", "Frankfurt", "region", "eu-central-1");
        check_refused("eu-central-1", "169.254.169.254", "region", "eu-central-1");
        check_refused(r#""attempt":1"#, r#""attempt":0"#, "attempt", "1 or more");
        check_refused("2f0c7e1a9b3d4c5e6f70", "", "job", "printable");
        check_refused("daily", &"x".repeat(257), "policy", "at most 256 characters");
        check_refused(r#""retain""#, &format!(r#""keyword":"{}","retain""#, "x".repeat(129)), "keyword", "1 to 128");
        check_refused("2026-11-20T02:00:00Z", "yesterday", "body", "2026-11-20T02:00:00Z");
        check_refused(r#""retain":"7d""#, r#""retain":"7 days""#, "body", "forever");
        check_refused(r#""retain":"7d","#, "", "retain", "forever");
        check_refused(r#""policy":"daily","#, "", "body", "missing field `policy`");
    }

    /// What is refused is a report and an attribute of the dead letter, where a body of a mebibyte would not fit.
    #[test]
    fn a_refusal_is_short_however_long_the_message() {
        let long = "x".repeat(100_000);
        for (from, to) in [("\"daily\"", format!("[\"{long}\"]")), ("7d", long.clone()), ("Name", long)] {
            let problem = Job::parse(&VERSION_1.replace(from, &to).replace(":\"db\"", ":1")).unwrap_err();
            assert!(problem.to_string().len() < 1500, "{} bytes", problem.to_string().len());
        }
    }

    #[test]
    fn what_sqs_refuses_is_no_part_of_a_body() {
        let mut job = Job::parse(VERSION_1).unwrap();
        job.tags.insert("a\u{fffe}".into(), "\u{ffff}".into());
        assert!(!job.body().contains(['\u{fffe}', '\u{ffff}']), "{}", job.body());
        assert_eq!(Job::parse(&job.body()), Ok(job));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in ["", "hello", "[]", "null", "\u{0}", "{\"version\":1", "\"{}\""] {
            assert_eq!(Job::parse(body).unwrap_err().field, "body", "{body:?}");
        }
    }

    #[test]
    fn the_job_id_is_the_same_for_the_same_work_and_another_for_any_other() {
        let base = Identity {
            policy: "daily",
            action: Action::Snapshot,
            account: "123456789012",
            region: "eu-central-1",
            volume: "vol-0123456789abcdef0",
            slot: "2026-11-20T02:00:00Z".parse().unwrap(),
        };
        assert_eq!(base.job_id(), "f58f685e46195291604e", "a release must not change the ids of running jobs");
        let others = [
            Identity { policy: "hourly", ..base },
            Identity { account: "123456789013", ..base },
            Identity { region: "eu-west-1", ..base },
            Identity { volume: "vol-0123456789abcdef1", ..base },
            Identity { slot: "2026-11-21T02:00:00Z".parse().unwrap(), ..base },
        ];
        for other in others {
            assert_ne!(other.job_id(), base.job_id(), "{other:?}");
        }
    }
}
