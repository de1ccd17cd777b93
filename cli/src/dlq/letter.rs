//! A dead letter: a message, the job in it as far as it can be read, and why it is here.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::aws::sqs::Received;
use shared::rules::fate::{UNREADABLE, WORKERS_DIED, row_of};
use shared::vocabulary::class::Class;
use shared::vocabulary::job::Job;
use shared::vocabulary::problem::Problem;

/// A dead letter.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub message: Received,
    /// The job, or what is wrong with the body.
    pub job: Result<Job, Problem>,
    pub cause: Cause,
}

/// Why it is here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    pub class: Class,
    pub code: String,
    pub message: String,
}

impl Letter {
    /// Reads a message of the dead-letter queue; every message is one.
    pub fn read(message: Received) -> Self {
        let job = Job::parse(&message.body);
        let cause = match (message.attributes.get("ErrorCode"), &job) {
            (None, _) => moved_by_sqs(&job),
            (Some(code), Err(problem)) => unreadable(code, &message, problem),
            (Some(code), Ok(job)) => failed(code, &message, job),
        };
        Self { message, job, cause }
    }

    /// The job id, or the message id where there is no job to be read.
    pub fn id(&self) -> &str {
        self.job.as_ref().map_or(&self.message.id, |job| &job.id)
    }

    /// How long it has been here.
    pub fn age(&self, now: DateTime<Utc>) -> TimeDelta {
        (now - self.message.sent).max(TimeDelta::zero())
    }

    /// When SQS deletes it for good: the period counts from when it came here, in a FIFO queue.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
    pub fn expires(&self, retention: TimeDelta) -> DateTime<Utc> {
        self.message.sent + retention
    }

    /// The whole letter, for programs.
    pub fn json(&self, retention: TimeDelta, now: DateTime<Utc>) -> Value {
        let Cause { class, code, message } = &self.cause;
        let expires = self.expires(retention);
        let mut row = json!({
            "id": self.id(), "message_id": self.message.id, "sent": self.message.sent,
            "age_seconds": self.age(now).num_seconds(), "expires": expires,
            "seconds_left": (expires - now).num_seconds(), "receives": self.message.receives,
            "class": class, "code": code, "message": message, "job": self.job.as_ref().ok(),
        });
        if let Err(problem) = &self.job {
            row["unreadable"] = json!(problem.to_string());
            row["body"] = json!(self.message.body);
        }
        row
    }
}

/// The worker writes the code beside every letter of its own. SQS writes nothing: what it moves after `maxReceiveCount`
/// receives is here as it was sent, perhaps with the failure of an earlier attempt.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
fn moved_by_sqs(job: &Result<Job, Problem>) -> Cause {
    let message = match job {
        Ok(_) => "no worker wrote a reason: workers died with it, or could not settle it".into(),
        Err(problem) => format!("no worker wrote a reason, and it cannot be read: {problem}"),
    };
    Cause { class: Class::Poison, code: WORKERS_DIED.into(), message }
}

fn unreadable(code: &str, message: &Received, problem: &Problem) -> Cause {
    let said = message.attributes.get("ErrorMessage").cloned();
    // A job of a newer version is dead with its own code, and read by whoever knows the version.
    let class = if code == UNREADABLE { Some(Class::Poison) } else { class_in(message) };
    Cause {
        class: class.unwrap_or(Class::Poison),
        code: code.into(),
        message: said.unwrap_or_else(|| problem.to_string()),
    }
}

fn failed(code: &str, message: &Received, job: &Job) -> Cause {
    let failure = job.failure.as_ref().filter(|failure| failure.code == code);
    let class = failure.and_then(|failure| failure.class).or_else(|| class_in(message));
    let said = failure.map(|failure| failure.message.clone());
    Cause {
        class: class.or_else(|| row_of(code).map(|row| row.class)).unwrap_or(Class::Transient),
        code: code.into(),
        message: said.or_else(|| message.attributes.get("ErrorMessage").cloned()).unwrap_or_default(),
    }
}

fn class_in(message: &Received) -> Option<Class> {
    let said = message.attributes.get("ErrorClass")?;
    Class::ALL.into_iter().find(|class| class.to_string() == *said)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const JOB: &str = r#"{"version":1,"action":"snapshot","job":"j-1","policy":"daily",
        "slot":"2026-11-20T02:00:00Z","account":"123456789012","region":"eu-central-1",
        "volume":"vol-0123456789abcdef0","retain":"7d","told":true,"failure":{"class":"permanent",
        "code":"TagLimitExceeded","message":"too many tags on vol-0123456789abcdef0",
        "first":"2026-11-20T02:00:05Z","last":"2026-11-20T02:00:05Z"}}"#;

    pub(crate) fn letter(id: &str, body: &str, attributes: &[(&str, &str)]) -> Letter {
        let attributes = attributes.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        let sent = "2026-11-20T02:00:06Z".parse().unwrap();
        Letter::read(Received { id: id.into(), body: body.into(), sent, attributes, ..Received::default() })
    }

    fn check(body: &str, attributes: &[(&str, &str)], class: Class, code: &str, message: &str) {
        let letter = letter("m-1", body, attributes);
        assert_eq!((letter.cause.class, letter.cause.code.as_str()), (class, code), "{body}");
        assert!(letter.cause.message.contains(message), "{}", letter.cause.message);
    }

    #[test]
    fn a_letter_says_why_it_is_dead_whoever_put_it_there() {
        let written = [("ErrorClass", "permanent"), ("ErrorCode", "TagLimitExceeded"), ("ErrorMessage", "cut")];
        check(JOB, &written, Class::Permanent, "TagLimitExceeded", "too many tags on vol-");
        let older = JOB.replace(r#""class":"permanent","#, "");
        check(&older, &written[1..], Class::Permanent, "TagLimitExceeded", "too many tags on vol-");
        let unreadable = [("ErrorClass", "poison"), ("ErrorCode", UNREADABLE), ("ErrorMessage", "`body` is \"hello\"")];
        check("hello", &unreadable, Class::Poison, UNREADABLE, "`body` is \"hello\"");
        check("hello", &[], Class::Poison, WORKERS_DIED, "it cannot be read: `body` is");
        check(JOB, &[], Class::Poison, WORKERS_DIED, "workers died with it");
        let newer = JOB.replace("\"version\":1", "\"version\":2");
        check(&newer, &written, Class::Permanent, "TagLimitExceeded", "cut");
    }

    #[test]
    fn what_cannot_be_read_is_known_by_its_message() {
        assert_eq!(letter("m-1", "hello", &[]).id(), "m-1");
        assert_eq!(letter("m-1", JOB, &[]).id(), "j-1");
    }

    #[test]
    fn programs_get_the_letter_whole() {
        let (now, retention) = ("2026-11-21T02:00:06Z".parse().unwrap(), TimeDelta::days(14));
        let row = letter("m-1", JOB, &[]).json(retention, now);
        assert_eq!((&row["age_seconds"], &row["seconds_left"]), (&json!(86_400), &json!(13 * 86_400)));
        assert_eq!(row["job"]["failure"]["code"], "TagLimitExceeded");
        let row = letter("m-1", "hello", &[]).json(retention, now);
        assert_eq!((&row["body"], &row["job"]), (&json!("hello"), &Value::Null));
    }
}
