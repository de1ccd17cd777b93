//! `snapkeep dlq show`: one job with its whole history, and what to type next.

use clap::Args;
use serde_json::json;
use shared::vocabulary::job::{Action, Attempt, Failure, Job};
use shared::vocabulary::problem::shortened;
use shared::vocabulary::tag;

use super::filters::Filters;
use super::letter::Letter;
use super::text::{about, ago, letters, meaning, moment, what_next, word};
use super::{Desk, Source};
use crate::plan::Output;
use crate::show::show;
use crate::table::plain;
use crate::{Error, exit};

/// Show one job with its whole history, and what to type next.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The job id, or the message id of what cannot be read: `snapkeep dlq list --letters` has them.
    id: String,
    #[command(flatten)]
    source: Source,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let desk = self.source.open().await?;
        let found = desk.find(&Filters::one(&self.id)).await?;
        let notes = found.warnings();
        if found.letters.is_empty() {
            let (id, of) = (plain(&self.id), letters(found.of));
            let missing = format!("{id} is not among the {of}. See their ids: snapkeep dlq list --letters");
            return Err(Error::Failed([vec![missing], notes].concat().join("\n")));
        }
        match self.source.output {
            Output::Json => {
                let rows = found.letters.iter().map(|letter| letter.json(desk.mailbox.retention, desk.now));
                show(&json!({"at": desk.now, "letters": rows.collect::<Vec<_>>(), "notes": found.notes}).to_string());
            }
            Output::Table => {
                let texts = found.letters.iter().map(|letter| text(&desk, letter)).chain(notes);
                show(&texts.collect::<Vec<_>>().join("\n\n"));
            }
        }
        Ok(exit::DONE)
    }
}

fn text(desk: &Desk, letter: &Letter) -> String {
    let mut lines = match &letter.job {
        Ok(job) => of_job(job),
        Err(problem) => unreadable(letter, &problem.to_string()),
    };
    lines.extend(died(desk, letter));
    lines.push(String::new());
    lines.extend(why(letter));
    lines.push(String::new());
    lines.extend(next(letter));
    lines.join("\n")
}

fn of_job(job: &Job) -> Vec<String> {
    let what = match job.action {
        Action::Snapshot => "take a snapshot of",
        Action::Prune => "prune the snapshots of",
    };
    let mut lines = vec![format!("Job {}: {what} {}", plain(&job.id), job.volume)];
    let mut say = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| line(name, &value)));
    };
    say("policy", Some(job.policy.clone()));
    say("slot", Some(moment(job.slot.time())));
    say("volume", Some(format!("{}, account {}", job.place(), job.account)));
    say("name", job.tags.get(tag::NAME).cloned());
    say(
        "instance",
        job.instance.clone().map(|id| match &job.device {
            Some(device) => format!("{id}, as {device}"),
            None => id,
        }),
    );
    say("role", job.role.as_ref().map(|role| role.arn.clone()));
    say("enqueued", job.enqueued.map(moment));
    lines.extend(job.failure.as_ref().map(history).unwrap_or_default());
    say_deadline(job, &mut lines);
    lines
}

fn say_deadline(job: &Job, lines: &mut Vec<String>) {
    let gave_up = job.failure.as_ref().and_then(|failure| failure.gave_up);
    let told = gave_up.map(|at| format!("{}: it was not done by then", moment(at)));
    lines.extend(told.or(job.give_up_at.map(moment)).map(|text| line("deadline", &text)));
}

fn history(failure: &Failure) -> Vec<String> {
    let said = |Attempt { attempt, at, code, request_id }: &Attempt| {
        let request = request_id.as_ref().map(|id| format!("  request {id}")).unwrap_or_default();
        line(&format!("attempt {attempt}"), &format!("{}  {code}{request}", moment(*at)))
    };
    let mut lines: Vec<String> = failure.attempts.iter().map(said).collect();
    if failure.attempts.len() == Failure::MOST_ATTEMPTS {
        lines.insert(0, line("first failed", &moment(failure.first)));
    }
    if lines.is_empty() {
        let last = Attempt {
            attempt: 1,
            at: failure.last,
            code: failure.code.clone(),
            request_id: failure.request_id.clone(),
        };
        lines.extend([line("first failed", &moment(failure.first)), said(&last).replace("attempt 1", "last failed")]);
    }
    lines
}

fn unreadable(letter: &Letter, problem: &str) -> Vec<String> {
    vec![
        format!("Message {}: not a job that can be read", plain(&letter.message.id)),
        line("problem", problem),
        line("body", &shortened(&letter.message.body, 2000)),
    ]
}

fn died(desk: &Desk, letter: &Letter) -> [String; 3] {
    let expires = letter.expires(desk.mailbox.retention);
    [
        line("dead since", &format!("{}, {} ago", moment(letter.message.sent), ago(letter.age(desk.now)))),
        line("expires", &format!("{}, in {}: then SQS deletes it", moment(expires), ago(expires - desk.now))),
        line("message", &letter.message.id),
    ]
}

fn why(letter: &Letter) -> Vec<String> {
    let cause = &letter.cause;
    let about = about(&cause.code).map(|about| format!(" ({about})")).unwrap_or_default();
    vec![
        format!("Why: {}{about}", plain(&cause.code)),
        format!("  \"{}\"", plain(&shortened(&cause.message, 1000))),
        format!("  {}: {}", cause.class, meaning(cause.class)),
    ]
}

fn next(letter: &Letter) -> Vec<String> {
    let id = word(letter.id());
    let look = letter.job.iter().flat_map(|job| {
        let region = word(&job.region);
        [
            (format!("snapkeep dlq explain --job {id}"), "is it still needed?"),
            (format!("snapkeep explain {} --regions {region}", job.volume), "the volume and its snapshots"),
        ]
    });
    let act = [
        (format!("snapkeep dlq redrive --job {id}"), "send it again"),
        (format!("snapkeep dlq drop --job {id} --reason 'why'"), "delete it, and keep it in a file"),
    ];
    vec![what_next(&look.chain(act).collect::<Vec<_>>())]
}

fn line(name: &str, value: &str) -> String {
    format!("  {name:<13} {}", plain(value))
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::{JOB, letter};
    use super::*;

    const EXPECTED: &str = "Job j-1: take a snapshot of vol-0123456789abcdef0
  policy        daily
  slot          2026-11-20 02:00:00 UTC
  volume        vol-0123456789abcdef0 in eu-central-1, account 123456789012
  name          db [2J
  attempt 1     2026-11-20 02:00:05 UTC  InternalError  request r-1
  attempt 2     2026-11-20 02:01:05 UTC  TagLimitExceeded
  deadline      2026-11-21 01:00:00 UTC: it was not done by then
Why: TagLimitExceeded (more tags than EC2 takes)
  \"too many tags on vol-0123456789abcdef0\"
  permanent: no retry mends it: change the volume or its key, then redrive it
Next:
  snapkeep dlq explain --job j-1                                 # is it still needed?
  snapkeep explain vol-0123456789abcdef0 --regions eu-central-1  # the volume and its snapshots
  snapkeep dlq redrive --job j-1                                 # send it again
  snapkeep dlq drop --job j-1 --reason 'why'                     # delete it, and keep it in a file";

    #[test]
    fn a_job_is_shown_with_every_attempt() {
        let attempts = r#""attempts":[{"attempt":1,"at":"2026-11-20T02:00:05Z","code":"InternalError","request_id":"r-1"},
            {"attempt":2,"at":"2026-11-20T02:01:05Z","code":"TagLimitExceeded"}],"gave_up":"2026-11-21T01:00:00Z","first""#;
        let body = JOB.replace(r#""first""#, attempts).replace(r#""told""#, r#""tags":{"Name":"db\u001b[2J"},"told""#);
        let letter = letter("m-1", &body, &[("ErrorCode", "TagLimitExceeded")]);
        let text = [of_job(letter.job.as_ref().unwrap()), why(&letter), next(&letter)].concat().join("\n");
        assert_eq!(text, EXPECTED);
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_it_came_on_one_line() {
        let letter = letter("m-1", "hello\n\u{1b}[2Jworld", &[]);
        let lines = unreadable(&letter, "`body` is no job");
        assert_eq!(lines[2], "  body          hello  [2Jworld");
    }
}
