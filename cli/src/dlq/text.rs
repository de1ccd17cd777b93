//! Words that the commands share: lengths of time, counts, what a class means.

use chrono::{DateTime, TimeDelta, Utc};
use shared::rules::fate::{FATES, WORKERS_DIED, row_of};
use shared::vocabulary::class::Class;

use crate::table::plain;

/// A length of time in its two largest units.
pub(crate) fn ago(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes:02}m"),
        (days, hours, _) => format!("{days}d{hours:02}h"),
    }
}

/// To the second, in UTC.
pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub(crate) fn letters(count: usize) -> String {
    format!("{count} dead letter{}", if count == 1 { "" } else { "s" })
}

/// `text` as one word of a command that can be copied into a shell, whoever wrote it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+=".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.into(),
        false => format!("'{}'", plain(text).replace('\'', r"'\''")),
    }
}

/// Commands to type next, each with what it is for, to be copied as they are.
pub(crate) fn what_next(commands: &[(String, &str)]) -> String {
    const WIDEST: usize = 64;
    let widths = commands.iter().map(|(command, _)| command.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or_default();
    let lines = commands.iter().map(|(command, why)| format!("\n  {command:<width$}  # {why}"));
    format!("Next:{}", lines.collect::<String>())
}

/// What a class means for a dead letter, and what to do.
pub(crate) fn meaning(class: Class) -> &'static str {
    match class {
        Class::Throttle => {
            "its turn never came before its deadline; redrive it, and give the lane fewer jobs or more time"
        }
        Class::Quota => "a limit that passes by itself had not passed by its deadline; redrive it",
        Class::Transient => "it failed until its attempts or its time ran out; it may succeed now: redrive it",
        Class::Ambiguous => "AWS never gave a clear answer; redrive it, a worker looks first whether it is done",
        Class::Permanent => "no retry mends it: change the volume or its key, then redrive it",
        Class::Configuration => "no retry mends it: mend the permission, key, Region or quota, then redrive it",
        Class::AlreadyDone => "what was wanted was so already; look with explain, then drop it",
        Class::Poison => "the message is wrong, or kills workers: look at it with show; only then redrive or drop it",
    }
}

/// What a code means, in a few words, where the table of fates has it.
pub(crate) fn about(code: &str) -> Option<&'static str> {
    let row = row_of(code).filter(|row| row.code != WORKERS_DIED)?;
    let place = FATES.iter().position(|other| other.code == row.code)?;
    // A row may say that it is the same as the one above it.
    FATES[..=place]
        .iter()
        .rev()
        .map(|row| row.why)
        .find(|why| !why.starts_with("the same") && !why.contains("word for it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_its_two_largest_units() {
        let shown = [0, 59, 60, 3599, 3600, 86_399, 86_400, 13 * 86_400 + 7200].map(|s| ago(TimeDelta::seconds(s)));
        assert_eq!(shown, ["0s", "59s", "1m", "59m", "1h00m", "23h59m", "1d00h", "13d02h"]);
    }

    #[test]
    fn what_strangers_wrote_is_one_word_of_a_command() {
        assert_eq!(word("daily"), "daily");
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word(""), "''");
        assert_eq!(word("x'; rm -rf /\n"), r"'x'\''; rm -rf / '");
    }

    #[test]
    fn a_code_is_explained_by_its_own_row_or_the_one_that_it_is_the_same_as() {
        assert_eq!(about("KMS.DisabledException"), Some("the KMS key of this volume, or of all"));
        assert_eq!(about("ServiceUnavailable"), Some("EC2 failed, before or after it did what was asked"));
        assert_eq!(about("SomethingNew"), None);
    }
}
