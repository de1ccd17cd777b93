//! The dead letters as `snapkeep report` tells them: by cause.

use chrono::{DateTime, TimeDelta, Utc};
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::api_error::ApiError;

use super::causes::{Group, causes, expiring};
use super::letter::Letter;
use super::mailbox::Mailbox;
use super::text::ago;
use crate::report::data::{Cause, Letters};
use crate::stop::Stop;

/// What is in the queue that the environment names. A report is worth having without it: what stands in the way is told
/// in the place of the letters.
pub(crate) async fn told(aws: &Aws, now: DateTime<Utc>) -> Letters {
    let config = match config::DeadLetters::from_env(None) {
        Ok(config) => config,
        Err(problem) => {
            let failed = problem.found != "missing";
            return Letters::Unread { why: format!("The dead-letter queue was not read: {problem}").into(), failed };
        }
    };
    match read(aws, &config, now).await {
        Ok(letters) => letters,
        Err(error) => {
            Letters::Unread { why: format!("The dead-letter queue could not be read: {error}").into(), failed: true }
        }
    }
}

async fn read(aws: &Aws, config: &config::DeadLetters, now: DateTime<Utc>) -> Result<Letters, ApiError> {
    let stop = Stop::on_signals(
        "letters are given back",
        "letters that were not given back come into sight again by themselves, when their visibility times out",
    );
    let mailbox = Mailbox::open(aws.queue(&config.dlq_url), stop).await?;
    let (messages, mut notes) = mailbox.read().await?;
    let letters: Vec<Letter> = messages.into_iter().map(Letter::read).collect();
    notes.extend(mailbox.stop.is_set().then(|| "The reading was stopped: there may be more".into()));
    notes.extend(expiring(&letters, mailbox.retention, now));
    let causes = causes(&letters).iter().map(|group| cause(group, mailbox.retention, now)).collect();
    let notes = notes.into_iter().map(Into::into).collect();
    Ok(Letters::Read { queue: mailbox.queue.name().into(), causes, notes })
}

fn cause(group: &Group<'_>, retention: TimeDelta, now: DateTime<Utc>) -> Cause {
    let oldest = group.oldest().unwrap_or(now);
    Cause {
        code: group.code.into(),
        class: group.class.to_string(),
        message: group.message.as_str().into(),
        whereabouts: group.whereabouts().trim_start().into(),
        letters: group.letters.len(),
        volumes: group.volumes(),
        oldest: ago(now - oldest),
        expires: ago(oldest + retention - now),
    }
}
