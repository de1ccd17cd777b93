//! What retention says of a snapshot, in words.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use crate::vocabulary::inventory::Hold;
use crate::vocabulary::problem::shortened;
use crate::vocabulary::retain::{Age, Last, Period, RetainRule};
use crate::vocabulary::tag;

/// What is said of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `snap-…`
    pub snapshot: String,
    /// Its policy; `None` where it is not ours.
    pub policy: Option<String>,
    /// When EC2 began it.
    pub started: Option<DateTime<Utc>>,
    /// Keep or expire, and why.
    pub decision: Decision,
}

/// Keep or expire, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It stays, for all of these reasons; at least one.
    Keep(Vec<Reason>),
    /// No rule keeps it.
    Expire(Cause),
}

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of each stand below")]
pub enum Reason {
    NotOurs,
    AnotherAccount(String),
    AnotherVolume(String),
    Copy,
    ManagedBy(&'static str),
    NotCompleted(String),
    NoStart,
    FutureDated,
    KeepForever,
    KeywordRemoved(String),
    Witness,
    Newest,
    NewestAtHand,
    Count { place: usize, of: u32 },
    Period { period: Period, place: usize, of: Last },
    Until(NaiveDate),
    AgeUntil { age: Age, day: NaiveDate },
    DateRemoved,
    UnreadableDate(String),
    Forever,
    UnreadableRule(String),
    UnreadableRuling(String),
    Stopped(NaiveDate),
    NoneNewer,
    Held(Hold),
    Archived(Option<NaiveDate>),
}

/// Why a snapshot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of each stand below")]
pub enum Cause {
    DeleteOn(NaiveDate),
    Rule(RetainRule),
    InError { newer: String },
    TakenTwice { stays: String },
    OrphanedFor(Age),
}

/// What a person should hear of besides the verdicts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Even the newest completed snapshot of a living volume is past its own date.
    Stopped {
        /// `vol-…`
        volume: String,
        /// Its newest completed snapshot.
        newest: String,
        /// When that was due.
        due: NaiveDate,
    },
    /// Tags that retention goes by, and that it cannot read.
    Unreadable {
        /// `snap-…`
        snapshot: String,
        /// Which tag, what stands there, and what is allowed.
        problem: String,
    },
}

impl Verdict {
    /// Whether the snapshot goes.
    pub fn expires(&self) -> bool {
        matches!(self.decision, Decision::Expire(_))
    }

    /// `keep` or `expire`.
    pub fn word(&self) -> &'static str {
        if self.expires() { "expire" } else { "keep" }
    }

    /// For a snapshot that no rule keeps and that cannot be deleted all the same: what stands in the way.
    pub fn obstacle(&self) -> Option<&'static str> {
        match &self.decision {
            Decision::Keep(reasons) if reasons.iter().all(|reason| reason.obstacle().is_some()) => {
                reasons.first().and_then(Reason::obstacle)
            }
            Decision::Keep(_) | Decision::Expire(_) => None,
        }
    }

    /// Why, in words: every reason that keeps it, or the cause that lets it go.
    pub fn why(&self) -> Vec<String> {
        match &self.decision {
            Decision::Keep(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Decision::Expire(cause) => vec![cause.to_string()],
        }
    }
}

impl Reason {
    /// For what stands in the way of a deletion without being a rule: what it is, to be counted by.
    fn obstacle(&self) -> Option<&'static str> {
        match self {
            Self::Held(Hold::Image(_)) => Some("in use by an image"),
            Self::Held(Hold::FastRestore(_)) => Some("enabled for fast snapshot restore"),
            Self::Held(Hold::Lock(_)) => Some("locked"),
            Self::Held(Hold::Refused(_)) => Some("EC2 does not delete it"),
            Self::Archived(_) => Some("archived for less than 90 days"),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => write!(f, "not ours: no tag {}", tag::POLICY),
            Self::AnotherAccount(account) => write!(f, "not ours: owned by account {account}"),
            Self::AnotherVolume(volume) => write!(f, "doubtful: EC2 says that it is of {volume}"),
            Self::Copy => f.write_str("a copy: EC2 does not say of which volume"),
            Self::ManagedBy(service) => write!(f, "managed by {service}"),
            Self::NotCompleted(state) => write!(f, "{state}: not a backup yet"),
            Self::NoStart => f.write_str("doubtful: EC2 does not say when it began"),
            Self::FutureDated => f.write_str("doubtful: it begins in the future"),
            Self::KeepForever => write!(f, "tag {}", tag::KEEP_FOREVER),
            Self::KeywordRemoved(key) => write!(f, "its tag {key} was removed"),
            Self::Witness => f.write_str("its tag shows what the policy's keyword is, by which another is kept"),
            Self::Newest => f.write_str("newest"),
            Self::NewestAtHand => f.write_str("newest outside the archive"),
            Self::Count { place, of } => write!(f, "newest {place} of {of}"),
            Self::Period { period, place, of } => write!(f, "{period} {place} of {of}"),
            Self::Until(day) => write!(f, "{} {day}", tag::DELETE_ON),
            Self::AgeUntil { age, day } => write!(f, "younger than {age}, until {day}"),
            Self::DateRemoved => write!(f, "its tag {} was removed", tag::DELETE_ON),
            Self::UnreadableDate(value) => {
                write!(f, "tag {} is {:?}, which is no day", tag::DELETE_ON, shortened(value, 60))
            }
            Self::Forever => f.write_str("forever"),
            Self::UnreadableRule(problem) => write!(f, "its rule cannot be read: {problem}"),
            Self::UnreadableRuling(snapshot) => write!(f, "the rule of {snapshot}, the newest, cannot be read"),
            Self::Stopped(due) => write!(f, "backups have stopped: even the newest was due on {due}"),
            Self::NoneNewer => f.write_str("in error, and none newer is completed"),
            Self::Held(hold) => write!(f, "{hold}"),
            Self::Archived(Some(until)) => write!(f, "archived: AWS bills its 90 days until {until}"),
            Self::Archived(None) => f.write_str("archived, and EC2 does not say since when"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteOn(day) => write!(f, "{} {day} is reached", tag::DELETE_ON),
            Self::Rule(RetainRule::Count(count)) => write!(f, "not among the newest {count}"),
            Self::Rule(RetainRule::Age(age)) => write!(f, "older than {age}"),
            Self::Rule(rule) => write!(f, "in no period of {rule}"),
            Self::InError { newer } => write!(f, "in error, and {newer} is newer and completed"),
            Self::TakenTwice { stays } => write!(f, "taken twice: the same job's {stays} stays"),
            Self::OrphanedFor(age) => write!(f, "its volume is gone, and the last snapshot is older than {age}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { volume, newest, due } => write!(
                f,
                "{volume}: its backups have stopped. Even the newest completed snapshot, {newest}, was due on {due}, \
                 so that nothing of it is deleted. Mend its backups; if they are meant to have ended, its snapshots are \
                 a person's to delete"
            ),
            Self::Unreadable { snapshot, problem } => write!(f, "{snapshot}: {problem}"),
        }
    }
}
