//! `snapkeep dlq redrive`: what is still needed goes back to the jobs queue.
//!
//! A letter is sent first and deleted then, so that it is never nowhere. What was sent and not deleted may be sent again:
//! within five minutes SQS takes it for the same message, and later the worker finds the snapshot that is there.

mod sending;

use chrono::TimeDelta;
use clap::Args;
use serde_json::json;
use shared::aws::sqs::LONGEST_VISIBILITY;
use shared::config;
use shared::rules::need::Need;
use shared::vocabulary::class::Class;

use self::sending::{Done, Sending};
use super::filters::Filters;
use super::letter::Letter;
use super::mailbox::{AHEAD, HIDDEN};
use super::needs::Now;
use super::preview::{Choice, Preview};
use super::text::{ago, letters};
use super::{Judged, Source, usage};
use crate::ask::confirmed;
use crate::plan::Output;
use crate::show::show;
use crate::{Error, exit};

/// Send what is still needed back to the jobs queue, slowly, after a look.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    filters: Filters,
    /// Also what is not needed any more, what EC2 could not be asked about, and poison.
    #[arg(long)]
    all: bool,
    /// No more than so many, the oldest first.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// So many a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// Only show.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        let jobs_queue_url = config::jobs_queue_url_from_env().map_err(usage)?;
        if self.source.output == Output::Json && !self.yes && !self.dry_run {
            return Err(Error::Usage("nothing was sent: with --output json say --dry-run, or --yes".into()));
        }
        let desk = self.source.open().await?;
        let jobs = desk.aws.queue(&jobs_queue_url);
        let Judged { heading, letters: all, notes, .. } = desk.judge(&self.filters).await?;
        let preview = Preview { heading, choices: self.choose(all), notes };
        let count = preview.chosen().count();
        let is_json = self.source.output == Output::Json;
        if !is_json {
            show(&preview.text("is sent again", &self.told(&preview, jobs.name())));
        }
        if self.dry_run || count == 0 {
            if is_json {
                show(
                    &json!({"dry_run": self.dry_run, "plan": preview.json(), "result": Done::default().json()})
                        .to_string(),
                );
            }
            return Ok(exit_code(&preview, exit::DONE));
        }
        if !self.yes && !confirmed(&format!("Send {} again?", letters(count)), &desk.mailbox.stop).await? {
            eprintln!("Nothing was sent.");
            return Ok(exit::DONE);
        }
        let mut sending = Sending::new(&desk.mailbox, &jobs, preview.wanted(), self.rate, desk.now);
        let ended = desk.mailbox.pass(self.hidden(count), async |batch| sending.take(batch).await).await;
        let done = sending.end(ended);
        show(&match is_json {
            true => json!({"dry_run": false, "plan": preview.json(), "result": done.json()}).to_string(),
            false => done.text(count, &desk.mailbox.stop),
        });
        Ok(exit_code(&preview, done.exit_code(count)))
    }

    /// Which of them go, the oldest first.
    fn choose(&self, all: Vec<(Letter, Now)>) -> Vec<Choice> {
        let mut room = self.limit.unwrap_or(usize::MAX);
        let choices = all.into_iter().map(|(letter, now)| {
            let left = if self.all { None } else { left_out(&letter, &now, self.filters.is_pointed()) };
            let left = left.or_else(|| (room == 0).then_some("beyond --limit"));
            room -= usize::from(left.is_none());
            Choice { letter, now, left }
        });
        choices.collect()
    }

    /// Letters that wait for their turn stay hidden until then, and so do those that are left out, or they would be
    /// read again and again.
    fn hidden(&self, count: usize) -> TimeDelta {
        (HIDDEN + time_for(count + AHEAD, self.rate)).min(LONGEST_VISIBILITY)
    }

    fn told(&self, preview: &Preview, queue: &str) -> Vec<String> {
        let is_poison = |choice: &Choice| choice.left == Some(POISON);
        let poison =
            preview.choices.iter().any(is_poison).then(|| {
                "Poison would fail again: look at it with show, then name it by --class, --code or --job.".into()
            });
        let told = match preview.chosen().count() {
            0 => "Nothing is to be sent again.".into(),
            count => {
                let (count, time) = (letters(count), ago(time_for(count, self.rate)));
                format!("{count} to send to {queue}, {} a second, which takes about {time}", self.rate)
            }
        };
        poison.into_iter().chain([told]).collect()
    }
}

/// Nothing is whole where nobody knows whether letters were needed.
fn exit_code(preview: &Preview, code: u8) -> u8 {
    let is_known = preview.choices.iter().all(|choice| choice.left != Some(NOT_ASKED));
    if code == exit::DONE && !is_known { exit::PARTLY } else { code }
}

const POISON: &str = "poison";
const NOT_ASKED: &str = "EC2 could not be asked";

/// Why a letter is not sent again, unless a person says `--all`. What cannot be read has no need that could be found out:
/// a person who points at it knows better.
fn left_out(letter: &Letter, now: &Now, is_pointed: bool) -> Option<&'static str> {
    match now {
        _ if letter.cause.class == Class::Poison && !is_pointed => Some(POISON),
        Now::Known(Need::Needed(_)) => None,
        Now::Unknown(_) if letter.job.is_err() => None,
        Now::Unknown(_) => Some(NOT_ASKED),
        Now::Known(Need::BackedUp(_)) => Some("backed up since"),
        Now::Known(Need::UnderWay(_)) => Some("one is under way"),
        Now::Known(Need::Gone(_)) => Some("the volume is gone"),
        Now::Known(Need::Done(_)) => Some("nothing is to be pruned"),
    }
}

fn time_for(count: usize, rate: f64) -> TimeDelta {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds of hours")]
    TimeDelta::seconds((count as f64 / rate).ceil() as i64)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.1..=300.0).contains(rate));
    rate.ok_or_else(|| "messages a second, 0.1 to 300: a FIFO queue takes no more".into())
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::{JOB, letter};
    use super::*;

    fn options(filters: Filters, all: bool, limit: Option<usize>) -> Options {
        let source = Source { queue_url: None, output: Output::Table };
        Options { source, filters, all, limit, rate: 20.0, dry_run: false, yes: false }
    }

    /// Needed, backed up since, not to be asked about, killing workers though needed, and unreadable.
    fn letters() -> Vec<(Letter, Now)> {
        let known = |need: fn(String) -> Need| Now::Known(need("why".into()));
        let written = |id| letter(id, JOB, &[("ErrorCode", "TagLimitExceeded")]);
        vec![
            (written("m-1"), known(Need::Needed)),
            (written("m-2"), known(Need::BackedUp)),
            (written("m-3"), Now::Unknown("no answer".into())),
            (letter("m-4", JOB, &[]), known(Need::Needed)),
            (letter("m-5", "hello", &[]), Now::Unknown("the body cannot be read".into())),
            (written("m-6"), known(Need::Needed)),
        ]
    }

    fn check(options: Options, expected: &str) {
        let choices = options.choose(letters());
        let preview = Preview { heading: String::new(), choices, notes: Vec::new() };
        assert_eq!(preview.wanted().into_iter().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn what_is_needed_goes_and_poison_only_when_it_is_pointed_at() {
        check(options(Filters::default(), false, None), "m-1 m-6");
        check(options(Filters::one("j-1"), false, None), "m-1 m-4 m-5 m-6");
        check(options(Filters::default(), true, None), "m-1 m-2 m-3 m-4 m-5 m-6");
        check(options(Filters::default(), false, Some(1)), "m-1");
        check(options(Filters::default(), true, Some(3)), "m-1 m-2 m-3");
        check(options(Filters::default(), false, Some(0)), "");
    }

    #[test]
    fn letters_stay_hidden_for_as_long_as_they_may_wait_for_their_turn() {
        let slow = Options { rate: 0.1, ..options(Filters::default(), false, None) };
        assert!(slow.hidden(1000) > TimeDelta::seconds(10_000) + HIDDEN);
        assert!(options(Filters::default(), false, None).hidden(100) < TimeDelta::minutes(6));
        assert_eq!(slow.hidden(100_000), LONGEST_VISIBILITY, "SQS takes no longer time");
    }
}
