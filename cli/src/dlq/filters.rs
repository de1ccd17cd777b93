//! Which dead letters are meant.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use shared::vocabulary::class::Class;
use shared::vocabulary::job::Action;

use super::letter::Letter;
use super::text::word;

/// Which letters are meant: all that pass every filter. Several values, with commas, mean any of them.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filters {
    /// Only letters of this policy.
    #[arg(long, value_name = "POLICY", help_heading = "Filters")]
    policy: Vec<String>,
    /// Only letters of these Regions.
    #[arg(long, value_name = "REGION", value_delimiter = ',', help_heading = "Filters")]
    region: Vec<String>,
    /// Only letters of these accounts.
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', help_heading = "Filters")]
    account: Vec<String>,
    /// Only letters of these classes: transient, permanent, configuration, poison and so on.
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = class, help_heading = "Filters")]
    class: Vec<Class>,
    /// Only letters with these error codes.
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Filters")]
    code: Vec<String>,
    /// Only letters that came longer ago than this.
    #[arg(long, value_name = "30m|4h|3d", help_heading = "Filters")]
    older_than: Option<Span>,
    /// Only letters that came less long ago than this.
    #[arg(long, value_name = "30m|4h|3d", help_heading = "Filters")]
    newer_than: Option<Span>,
    /// Only letters of these volumes.
    #[arg(long, value_name = "VOLUME", value_delimiter = ',', help_heading = "Filters")]
    volume: Vec<String>,
    /// Only letters of jobs that do this: snapshot or prune.
    #[arg(long, value_name = "ACTION", value_parser = action, help_heading = "Filters")]
    action: Vec<Action>,
    /// Only these letters, by job id or message id.
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Filters")]
    job: Vec<String>,
}

/// A length of time, as a person types it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub TimeDelta);

impl Filters {
    /// One letter, or those of one job.
    pub fn one(id: &str) -> Self {
        Self { job: vec![id.into()], ..Self::default() }
    }

    /// Whether nothing is filtered out.
    pub fn is_empty(&self) -> bool {
        self.to_string().is_empty()
    }

    /// Whether a person has pointed at a cause or at single letters, and so has looked at what is wrong with them.
    pub fn is_pointed(&self) -> bool {
        !self.class.is_empty() || !self.code.is_empty() || !self.job.is_empty()
    }

    /// Whether the letter is meant.
    pub fn matches(&self, letter: &Letter, now: DateTime<Utc>) -> bool {
        let job = letter.job.as_ref().ok();
        let cause = &letter.cause;
        any(&self.policy, job.map(|job| &job.policy))
            && any(&self.region, job.map(|job| &job.region))
            && any(&self.account, job.map(|job| &job.account))
            && any(&self.volume, job.map(|job| &job.volume))
            && any(&self.action, job.map(|job| &job.action))
            && any(&self.class, Some(&cause.class))
            && any(&self.code, Some(&cause.code))
            && (any(&self.job, job.map(|job| &job.id)) || any(&self.job, Some(&letter.message.id)))
            && self.older_than.is_none_or(|span| letter.age(now) > span.0)
            && self.newer_than.is_none_or(|span| letter.age(now) < span.0)
    }
}

/// Whether no value is asked for, or this one among others.
fn any<T: PartialEq>(wanted: &[T], value: Option<&T>) -> bool {
    wanted.is_empty() || value.is_some_and(|value| wanted.contains(value))
}

/// As they would be typed, each with a space before it: to be put into the next command.
impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |values: &[String]| values.iter().map(|value| word(value)).collect::<Vec<_>>();
        let shown = |values: &[Class]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let actions = self.action.iter().map(|action| match action {
            Action::Snapshot => "snapshot".into(),
            Action::Prune => "prune".into(),
        });
        for policy in texts(&self.policy) {
            write!(f, " --policy {policy}")?;
        }
        for action in actions.collect::<Vec<String>>() {
            write!(f, " --action {action}")?;
        }
        let lists = [
            ("region", texts(&self.region)),
            ("account", texts(&self.account)),
            ("class", shown(&self.class)),
            ("code", texts(&self.code)),
            ("volume", texts(&self.volume)),
            ("job", texts(&self.job)),
        ];
        for (name, values) in lists.iter().filter(|(_, values)| !values.is_empty()) {
            write!(f, " --{name} {}", values.join(","))?;
        }
        for (name, span) in [("older-than", self.older_than), ("newer-than", self.newer_than)] {
            span.iter().try_for_each(|span| write!(f, " --{name} {span}"))?;
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is not a length of time such as 30m, 4h or 3d");
        let unit = text.chars().next_back().ok_or_else(problem)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return Err(problem()),
        };
        let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| problem())?;
        TimeDelta::try_seconds(i64::from(number) * seconds).map(Self).ok_or_else(problem)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        match [(86_400, 'd'), (3600, 'h'), (60, 'm')].into_iter().find(|(unit, _)| seconds > 0 && seconds % unit == 0) {
            Some((unit, letter)) => write!(f, "{}{letter}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

fn class(text: &str) -> Result<Class, String> {
    let classes = Class::ALL.map(|class| class.to_string());
    let found = Class::ALL.into_iter().find(|class| class.to_string() == text);
    found.ok_or_else(|| format!("the classes are {}", classes.join(", ")))
}

fn action(text: &str) -> Result<Action, String> {
    match text {
        "snapshot" => Ok(Action::Snapshot),
        "prune" => Ok(Action::Prune),
        _ => Err("the actions are snapshot, prune".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::letter::tests::{JOB, letter};
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filters: Filters,
    }

    fn typed(line: &str) -> Filters {
        let words = line.split(' ').filter(|word| !word.is_empty());
        Line::try_parse_from(std::iter::once("dlq").chain(words)).unwrap().filters
    }

    /// Of a job, of the same moved by SQS, and of an unreadable message; a day old.
    fn check(line: &str, expected: [bool; 3]) {
        let now = "2026-11-21T02:00:06Z".parse().unwrap();
        let written = [("ErrorCode", "TagLimitExceeded")];
        let letters = [letter("m-1", JOB, &written), letter("m-2", JOB, &[]), letter("m-3", "hello", &[])];
        let found = letters.map(|letter| typed(line).matches(&letter, now));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_letter_is_meant_when_it_passes_every_filter() {
        check("", [true; 3]);
        check("--policy daily", [true, true, false]);
        check("--policy weekly", [false; 3]);
        check("--policy weekly --policy daily", [true, true, false]);
        check("--region us-east-1,eu-central-1", [true, true, false]);
        check("--account 210987654321", [false; 3]);
        check("--class poison", [false, true, true]);
        check("--code TagLimitExceeded", [true, false, false]);
        check("--volume vol-0123456789abcdef0 --class permanent", [true, false, false]);
        check("--action prune", [false; 3]);
        check("--action snapshot", [true, true, false]);
        check("--job j-1", [true, true, false]);
        check("--job m-3,m-2", [false, true, true]);
        check("--older-than 23h", [true; 3]);
        check("--older-than 1d", [false; 3]);
        check("--newer-than 25h --class permanent", [true, false, false]);
        check("--newer-than 30m", [false; 3]);
    }

    #[test]
    fn filters_are_shown_as_they_were_typed() {
        for line in
            ["--region eu-west-1,eu-west-2 --class poison --job j-1 --newer-than 4h", "--policy a --action prune"]
        {
            assert_eq!(typed(line).to_string(), format!(" {line}"));
        }
        assert!(typed("").is_empty() && !typed("--older-than 0s").is_empty());
    }

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        let cases = [("30m", "30m"), ("4h", "4h"), ("72h", "3d"), ("2w", "14d"), ("90s", "90s"), ("0m", "0s")];
        for (typed, shown) in cases {
            assert_eq!(typed.parse::<Span>().unwrap().to_string(), shown);
        }
        for bad in ["", "h", "-4h", "4", "4 h", "4µ", "1.5h", "99999999999d"] {
            assert!(bad.parse::<Span>().unwrap_err().contains("30m, 4h or 3d"), "{bad}");
        }
    }

    #[test]
    fn only_a_cause_or_an_id_points_at_letters() {
        assert!(
            typed("--code X").is_pointed() && typed("--class poison").is_pointed() && typed("--job j").is_pointed()
        );
        assert!(!typed("--policy daily --older-than 1d").is_pointed());
    }
}
