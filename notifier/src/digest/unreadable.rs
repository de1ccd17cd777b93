//! Messages that nobody could read: they are told as they are.

use shared::vocabulary::report::Unreadable;

use super::section::{Section, Severity};
use super::text::{command, counted, named, plain};

/// Messages on the jobs queue.
pub(super) fn jobs(jobs: &[Unreadable]) -> Option<Section> {
    jobs.first()?;
    let mut text = String::from(
        "Messages on the jobs queue could not be read. They are in the dead-letter queue as they came:\n\n",
    );
    text.push_str(&named(jobs, |job| format!("message {}: {}", plain(&job.message_id, 100), plain(&job.problem, 700))));
    text.push_str("\nA version newer than the worker's: deploy the worker, then send them back.\n");
    command(&mut text, "snapkeep dlq list --code UnreadableMessage");
    command(&mut text, "snapkeep dlq redrive --code UnreadableMessage");
    text.push_str("Anything else was not written by a planner: find out who may send to the queue.\n");
    Some(Section { severity: Severity::Error, headline: counted(jobs.len(), "unreadable job"), text })
}

/// Messages on the reports queue. One of them may have been about a failure.
pub(super) fn bodies(bodies: &[String]) -> Option<Section> {
    bodies.first()?;
    let lines = named(bodies, |body| plain(body, 2000));
    let text = format!("Messages on the reports queue could not be read. This is what they said:\n\n{lines}");
    Some(Section { severity: Severity::Error, headline: counted(bodies.len(), "unreadable message"), text })
}
