//! `snapkeep dlq`: the dead-letter queue, so that a person finds out in a minute what happened and what to do.
//!
//! One file for each command. `mailbox` reads the queue and gives everything back, `letter` is what a message says,
//! `filters` which of them are meant, `causes` and `needs` what they have in common and what EC2 says of them now.

mod causes;
mod drop;
mod explain;
mod filters;
mod letter;
mod list;
mod mailbox;
mod needs;
mod preview;
mod redrive;
mod show;
pub(crate) mod text;
mod told;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use shared::aws::Aws;
use shared::config;
use shared::vocabulary::api_error::ApiError;

use self::causes::causes;
use self::filters::Filters;
use self::letter::Letter;
use self::list::heading;
use self::mailbox::Mailbox;
use self::needs::{Now, needs};
pub(crate) use self::told::told;
use crate::Error;
use crate::plan::Output;
use crate::stop::Stop;
use crate::table::plain;

/// Look at dead letters: what failed for good, why, whether it is still needed; and send it again, or drop it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is there, by cause. Nothing is hidden, nothing is lost.
    List(list::Options),
    /// Show one job with its whole history, and what to type next.
    Show(show::Options),
    /// Ask EC2 which of them are still needed: gone, backed up since, under way, or needed.
    Explain(explain::Options),
    /// Send what is still needed back to the jobs queue, slowly, after a look.
    Redrive(redrive::Options),
    /// Delete letters for a reason, and keep them in a file.
    Drop(drop::Options),
}

/// Which queue, and how the result is shown.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The dead-letter queue, instead of `SNAPKEEP_DLQ_URL`.
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
    /// Text for people, or JSON for programs, with every letter.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Options {
    pub async fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::List(options) => options.run().await,
            Command::Show(options) => options.run().await,
            Command::Explain(options) => options.run().await,
            Command::Redrive(options) => options.run().await,
            Command::Drop(options) => options.run().await,
        }
    }
}

/// Everything that a command works with.
struct Desk {
    aws: Aws,
    config: config::DeadLetters,
    mailbox: Mailbox,
    now: DateTime<Utc>,
}

/// The letters that are meant, the oldest first.
struct Found {
    letters: Vec<Letter>,
    /// How many there are in all.
    of: usize,
    /// What a person should know about the reading.
    notes: Vec<String>,
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where `now` comes from")]
    async fn open(&self) -> Result<Desk, Error> {
        let config = config::DeadLetters::from_env(self.queue_url.as_deref()).map_err(usage)?;
        let stop = Stop::on_signals(
            "letters are given back",
            "letters that were not given back come into sight again by themselves, when their visibility times out",
        );
        let aws = Aws::from_env().await;
        let mailbox = Mailbox::open(aws.queue(&config.dlq_url), stop).await.map_err(failed)?;
        Ok(Desk { aws, config, mailbox, now: Utc::now() })
    }
}

impl Desk {
    /// Reads the whole queue: SQS has no other way to find a message.
    async fn find(&self, filters: &Filters) -> Result<Found, Error> {
        let (messages, notes) = self.mailbox.read().await.map_err(failed)?;
        if self.mailbox.stop.is_set() {
            let stopped = [vec!["stopped; nothing was changed, and the letters were given back".into()], notes];
            return Err(Error::Failed(stopped.concat().join("\n")));
        }
        let of = messages.len();
        let letters = messages.into_iter().map(Letter::read).filter(|letter| filters.matches(letter, self.now));
        Ok(Found { letters: letters.collect(), of, notes })
    }

    /// The same, and asks EC2 about them.
    async fn judge(&self, filters: &Filters) -> Result<Judged, Error> {
        let found = self.find(filters).await?;
        let heading = heading(self, &found, causes(&found.letters).len());
        let Found { letters, of, notes } = found;
        Ok(Judged { heading, letters: needs(&self.aws, letters, self.now).await, of, notes })
    }
}

/// The letters that are meant, each with what EC2 says of it.
struct Judged {
    /// How many there are.
    heading: String,
    letters: Vec<(Letter, Now)>,
    /// How many letters were read in all.
    of: usize,
    /// What a person should know about the reading.
    notes: Vec<String>,
}

impl Found {
    fn warnings(&self) -> Vec<String> {
        warnings(&self.notes)
    }
}

fn warnings(notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| format!("warning: {}", plain(note))).collect()
}

fn usage(problem: shared::vocabulary::problem::Problem) -> Error {
    Error::Usage(problem.to_string())
}

fn failed(error: ApiError) -> Error {
    Error::Failed(plain(&error.to_string()))
}
