//! Dead letters by cause: what a person reads first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::vocabulary::class::Class;
use shared::vocabulary::problem::shortened;

use super::letter::Letter;
use super::text::{ago, letters};
use crate::table::{plain, table};

/// Letters that are here for the same reason.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub class: Class,
    pub code: &'a str,
    /// Where all say the same, but for the volume's name: what. Otherwise how many say what.
    pub message: String,
    pub letters: Vec<&'a Letter>,
}

/// More different messages than this with one code are one cause: AWS's encoded authorization messages, for example.
const MOST_MESSAGES: usize = 3;

/// The causes, most letters first.
pub(crate) fn causes<'a>(letters: impl IntoIterator<Item = &'a Letter>) -> Vec<Group<'a>> {
    let mut codes = BTreeMap::<(Class, &str), BTreeMap<String, Vec<&Letter>>>::new();
    for letter in letters {
        let messages = codes.entry((letter.cause.class, &letter.cause.code)).or_default();
        messages.entry(common_words(letter)).or_default().push(letter);
    }
    let mut groups = Vec::new();
    for ((class, code), messages) in codes {
        if messages.len() <= MOST_MESSAGES {
            groups.extend(messages.into_iter().map(|(message, letters)| Group { class, code, message, letters }));
            continue;
        }
        let count = messages.len();
        let first = messages.keys().next().cloned().unwrap_or_default();
        let message = format!("{count} different messages, such as: {first}");
        groups.push(Group { class, code, message, letters: messages.into_values().flatten().collect() });
    }
    groups.sort_by_key(|group| (Reverse(group.letters.len()), group.code, group.class));
    groups
}

/// The message without what differs from letter to letter by its nature.
fn common_words(letter: &Letter) -> String {
    let message = letter.cause.message.clone();
    let Ok(job) = &letter.job else { return message };
    let instance = job.instance.iter().map(|id| (id.as_str(), "i-…"));
    let names = [(job.volume.as_str(), "vol-…"), (job.id.as_str(), "…")].into_iter().chain(instance);
    names.fold(message, |text, (name, common)| text.replace(name, common))
}

impl Group<'_> {
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.letters.iter().map(|letter| letter.message.sent).min()
    }

    pub fn volumes(&self) -> usize {
        self.distinct(|job| &job.volume).len()
    }

    /// The jobs' values of one kind, each once.
    fn distinct<'a>(&'a self, of: impl Fn(&'a shared::vocabulary::job::Job) -> &'a String) -> BTreeSet<&'a str> {
        let jobs = self.letters.iter().filter_map(|letter| letter.job.as_ref().ok());
        jobs.map(|job| of(job).as_str()).collect()
    }

    /// ` of daily in eu-central-1`, and no more than a few of each; nothing where none can be read.
    pub fn whereabouts(&self) -> String {
        let policies = some(&self.distinct(|job| &job.policy));
        match self.volumes() {
            0 => String::new(),
            _ => format!(" of {policies} in {}", some(&self.distinct(|job| &job.region))),
        }
    }

    /// For programs.
    pub fn json(&self, retention: TimeDelta, now: DateTime<Utc>) -> Value {
        let oldest = self.oldest();
        json!({
            "class": self.class, "code": self.code, "message": self.message, "letters": self.letters.len(),
            "volumes": self.volumes(), "policies": self.distinct(|job| &job.policy),
            "regions": self.distinct(|job| &job.region), "accounts": self.distinct(|job| &job.account),
            "oldest": oldest, "oldest_age_seconds": oldest.map(|sent| (now - sent).num_seconds()),
            "seconds_left": oldest.map(|sent| (sent + retention - now).num_seconds()),
        })
    }
}

fn some(names: &BTreeSet<&str>) -> String {
    const MOST: usize = 3;
    let first: Vec<String> = names.iter().take(MOST).map(|name| plain(name)).collect();
    let more = names.len().saturating_sub(MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", first.join(", "))
}

/// A row for each cause.
pub(crate) fn causes_table(groups: &[Group<'_>], retention: TimeDelta, now: DateTime<Utc>) -> String {
    let heads = ["Letters", "Volumes", "Oldest", "Expires in", "Class", "Code"];
    let rows = groups.iter().map(|group| {
        let oldest = group.oldest().unwrap_or(now);
        [
            group.letters.len().to_string(),
            group.volumes().to_string(),
            ago(now - oldest),
            ago(oldest + retention - now),
            group.class.to_string(),
            plain(&shortened(group.code, 60)),
        ]
    });
    table(heads, &heads[..4], rows.collect())
}

/// Less than this, and a person must hurry.
const HURRY: TimeDelta = TimeDelta::days(1);

/// A warning where SQS deletes letters soon.
pub(crate) fn expiring<'a>(
    all: impl IntoIterator<Item = &'a Letter>,
    retention: TimeDelta,
    now: DateTime<Utc>,
) -> Option<String> {
    let lefts: Vec<TimeDelta> = all.into_iter().map(|letter| letter.expires(retention) - now).collect();
    let soon = lefts.iter().filter(|left| **left < HURRY).count();
    let first = lefts.into_iter().min().filter(|_| soon > 0)?;
    Some(format!("warning: SQS deletes {} within a day, the first in {}", letters(soon), ago(first)))
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::{JOB, letter};
    use super::*;

    const WRITTEN: [(&str, &str); 1] = [("ErrorCode", "TagLimitExceeded")];

    fn of_volume(number: usize, message: &str) -> Letter {
        let body = JOB.replace("vol-0123456789abcdef0", &format!("vol-0123456789abcde{number:02x}"));
        letter(&format!("m-{number}"), &body.replace("too many tags", message), &WRITTEN)
    }

    fn shown(all: &[Letter]) -> Vec<(usize, String)> {
        causes(all).into_iter().map(|group| (group.letters.len(), group.message)).collect()
    }

    #[test]
    fn letters_that_say_the_same_of_different_volumes_have_one_cause() {
        let all: Vec<Letter> = (0..5).map(|number| of_volume(number, "too many tags")).collect();
        assert_eq!(shown(&all), [(5, "too many tags on vol-…".into())]);
        assert_eq!((causes(&all)[0].volumes(), causes(&all)[0].whereabouts()), (5, " of daily in eu-central-1".into()));
    }

    #[test]
    fn a_code_with_two_messages_has_two_causes_and_one_with_many_has_one() {
        let two: Vec<Letter> = (0..5).map(|n| of_volume(n, if n < 2 { "one" } else { "two" })).collect();
        assert_eq!(shown(&two), [(3, "two on vol-…".into()), (2, "one on vol-…".into())]);
        let many: Vec<Letter> = (0..9).map(|number| of_volume(number, &format!("encoded {number}"))).collect();
        assert_eq!(shown(&many), [(9, "9 different messages, such as: encoded 0 on vol-…".into())]);
    }

    #[test]
    fn letters_that_sqs_deletes_within_a_day_are_warned_of() {
        let all = [of_volume(1, "x")];
        let warning = |now: &str| expiring(&all, TimeDelta::days(14), now.parse().unwrap());
        assert_eq!(warning("2026-12-03T02:00:00Z"), None);
        let expected = "warning: SQS deletes 1 dead letter within a day, the first in 23h00m";
        assert_eq!(warning("2026-12-03T03:00:06Z").as_deref(), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_has_a_cause_and_no_whereabouts() {
        let all = [letter("m-1", "hello", &[])];
        assert_eq!((causes(&all)[0].volumes(), causes(&all)[0].whereabouts()), (0, String::new()));
    }
}
