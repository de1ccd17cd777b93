//! The verdict on a message: one line of the log, and one count.

use std::collections::{BTreeMap, BTreeSet};

use shared::aws::sqs::Received;
use shared::vocabulary::api_error::ApiError;
use shared::vocabulary::job::{Failure, Job};
use shared::vocabulary::problem::shortened;
use tracing::{Level, error, info, warn};

use crate::MessageId;
use crate::clock::Clock;
use crate::lanes::{Outcome, Pruned, Step};

/// What became of a message, in a word: `outcome` in the log, `Outcome` in the metric `Jobs`. There are few, because
/// CloudWatch is paid for each that it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// A snapshot was taken.
    Created,
    /// The snapshot was there.
    AlreadyThere,
    /// The volume was deleted after planning.
    VolumeGone,
    /// What no rule keeps is deleted.
    Pruned,
    /// It failed, and is tried again.
    Again,
    /// Its lane waits for a person.
    Held,
    /// There was no time for it.
    HandedBack,
    /// Its time has not come.
    Waiting,
    /// A person must look.
    DeadLetter,
    /// Nobody can read it: a dead letter as it is.
    Unreadable,
    /// A worker may have died with it: it leaves its lane unread.
    LeftItsLane,
    /// What became of it could not be written down, so that it comes again.
    Unsettled,
}

impl Word {
    fn of(step: &Step) -> Self {
        match step {
            Step::Finished(Outcome::Created(_)) => Self::Created,
            Step::Finished(Outcome::AlreadyThere(_)) => Self::AlreadyThere,
            Step::Finished(Outcome::VolumeGone) => Self::VolumeGone,
            Step::Finished(Outcome::Pruned(_)) => Self::Pruned,
            Step::Again(_) => Self::Again,
            Step::Held(_) => Self::Held,
            Step::HandedBack { .. } => Self::HandedBack,
            Step::Dead(_) => Self::DeadLetter,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AlreadyThere => "already-there",
            Self::VolumeGone => "volume-gone",
            Self::Pruned => "pruned",
            Self::Again => "again",
            Self::Held => "held",
            Self::HandedBack => "handed-back",
            Self::Waiting => "waiting",
            Self::DeadLetter => "dead-letter",
            Self::Unreadable => "unreadable",
            Self::LeftItsLane => "left-its-lane",
            Self::Unsettled => "unsettled",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::DeadLetter | Self::Unreadable | Self::Unsettled => Level::ERROR,
            Self::Again | Self::Held | Self::LeftItsLane => Level::WARN,
            _ => Level::INFO,
        }
    }
}

/// The verdict on one message, with what it can be found by.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    word: Word,
    message: &'a Received,
    /// Nothing is known of a job that nobody has read.
    job: Option<&'a Job>,
    failure: Option<&'a Failure>,
    snapshot: Option<&'a str>,
    deleted: Option<usize>,
    left: Option<usize>,
    why: String,
}

impl<'a> Verdict<'a> {
    /// The verdict on `job`, which came as `message`, when its step is written down.
    pub fn of(message: &'a Received, job: &'a Job, step: &'a Step) -> Self {
        let mut verdict = Self { job: Some(job), ..Self::unread(Word::of(step), message, String::new()) };
        match step {
            Step::Finished(outcome) => {
                verdict.why = outcome.to_string();
                match outcome {
                    Outcome::Created(snapshot) | Outcome::AlreadyThere(snapshot) => verdict.snapshot = Some(snapshot),
                    Outcome::Pruned(Pruned { deleted, left }) => {
                        (verdict.deleted, verdict.left) = (Some(deleted.len()), Some(left.len()));
                    }
                    Outcome::VolumeGone => {}
                }
            }
            Step::Again(next) | Step::Held(next) | Step::Dead(next) => {
                verdict.failure = next.failure.as_ref();
                verdict.why = verdict.failure.map(reason).unwrap_or_default();
            }
            Step::HandedBack { deleted } => {
                verdict.deleted = (*deleted > 0).then_some(*deleted);
                verdict.why = "for lack of time".into();
            }
        }
        verdict
    }

    /// The verdict on a job whose time has not come.
    pub fn waiting(message: &'a Received, job: &'a Job) -> Self {
        let why = job.not_before.map(|time| format!("until {}", time.format("%Y-%m-%d %H:%M:%S UTC")));
        Self { job: Some(job), ..Self::unread(Word::Waiting, message, why.unwrap_or_default()) }
    }

    /// The verdict on a message that nobody has read as a job.
    pub fn unread(word: Word, message: &'a Received, why: String) -> Self {
        Self { word, message, job: None, failure: None, snapshot: None, deleted: None, left: None, why }
    }

    /// The same message, when that could not be written down because of `error`. What EC2 has done is done all the same.
    fn unsettled(self, error: &ApiError) -> Self {
        let (word, snapshot) = match self.word {
            Word::Created | Word::AlreadyThere | Word::VolumeGone | Word::Pruned => (self.word, self.snapshot),
            _ => (Word::Unsettled, None),
        };
        let why = format!("{}; it comes again, because that could not be written down: {error}", self.why);
        Self { word, snapshot, why, ..self }
    }

    /// Writes the line, at the level of the verdict.
    fn log(&self, clock: &Clock) {
        let job = self.job;
        let text = |of: fn(&Job) -> &String| job.map(|job| of(job).as_str());
        let place = job.map_or_else(|| format!("message {}", self.message.id), Job::place);
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    outcome = self.word.text(),
                    job.id = text(|job| &job.id),
                    policy.name = text(|job| &job.policy),
                    policy.slot = job.map(|job| display(job.slot)),
                    action = job.map(|job| display(job.action)),
                    account = text(|job| &job.account),
                    region = text(|job| &job.region),
                    volume.id = text(|job| &job.volume),
                    instance.id = job.and_then(|job| job.instance.as_deref()),
                    snapshot.id = self.snapshot,
                    attempt = job.map(|job| job.attempt),
                    error.code = self.failure.map(|failure| failure.code.as_str()),
                    aws.request_id = self.failure.and_then(|failure| failure.request_id.as_deref()),
                    deleted = self.deleted,
                    left = self.left,
                    age_seconds = job.map(|job| (clock.now() - job.slot.time()).num_seconds()),
                    sqs.message_id = self.message.id,
                    sqs.receives = self.message.receives,
                    "{place}: {}, {}",
                    self.word.text(),
                    self.why,
                )
            };
        }
        match self.word.level() {
            Level::ERROR => line!(error),
            Level::WARN => line!(warn),
            _ => line!(info),
        }
    }
}

/// What becomes of a message whose verdict is written down.
#[derive(Debug)]
pub(crate) enum After {
    /// It is finished.
    Delete,
    /// It comes again.
    Keep,
}

/// What a batch has come to, or a part of it.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The messages that must come again.
    pub unsettled: BTreeSet<MessageId>,
    /// Action and word → how many jobs.
    pub verdicts: BTreeMap<(String, Word), usize>,
}

impl Settled {
    /// The verdict on `messages`, all of one job, when it is `written` down or could not be. It is logged here, and nowhere
    /// else.
    pub fn written(
        verdict: Verdict<'_>,
        written: Result<After, ApiError>,
        messages: &[Received],
        clock: &Clock,
    ) -> Self {
        let is_finished = matches!(written, Ok(After::Delete));
        let verdict = match written {
            Ok(_) => verdict,
            Err(error) => verdict.unsettled(&error),
        };
        verdict.log(clock);
        let action = verdict.job.map_or("unknown".into(), |job| job.action.to_string());
        Self {
            unsettled: messages.iter().filter(|_| !is_finished).map(|message| message.id.clone()).collect(),
            verdicts: BTreeMap::from([((action, verdict.word), 1)]),
        }
    }

    /// Both.
    pub fn add(&mut self, other: Self) {
        self.unsettled.extend(other.unsettled);
        for (key, count) in other.verdicts {
            *self.verdicts.entry(key).or_default() += count;
        }
    }
}

/// Why it failed, for the log.
pub(crate) fn reason(failure: &Failure) -> String {
    format!("{}: {}", failure.code, shortened(&failure.message, 300))
}
