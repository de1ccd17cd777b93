//! Words that the checks share.

use chrono::TimeDelta;
use shared::vocabulary::problem::shortened;

use crate::table::plain;

/// A few resources that stand for all of their kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<String>,
}

/// So many are named; the rest is counted.
const NAMED: usize = 3;

impl Sample {
    pub fn add(&mut self, id: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(id.into());
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        let room = NAMED - self.first.len();
        self.first.extend(other.first.iter().take(room).cloned());
    }

    /// `i-1, i-2, i-3 and 9 more`
    pub fn names(&self) -> String {
        let more = self.count - self.first.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", self.first.join(", "))
    }
}

/// `1 volume`, `3 volumes`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// `100,000`
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or_default()).collect();
    parts.join(",")
}

/// A length of time in words: `37 minutes`, `24 hours`, `47 hours 30 minutes`, `7 days`.
pub(crate) fn span(time: TimeDelta) -> String {
    let minutes = usize::try_from((time.num_seconds() + 59) / 60).unwrap_or_default();
    let (days, hours) = (minutes / (24 * 60), minutes / 60);
    let with_rest = |whole: String, rest: usize, unit: &str| match rest {
        0 => whole,
        rest => format!("{whole} {}", counted(rest, unit)),
    };
    if minutes < 120 && minutes != 60 {
        counted(minutes, "minute")
    } else if hours < 48 || (hours % 24 != 0 && days < 4) {
        with_rest(counted(hours, "hour"), minutes % 60, "minute")
    } else {
        with_rest(counted(days, "day"), hours % 24, "hour")
    }
}

/// `Key=value` as it stands on a resource, whoever wrote it: spaces at its ends are seen.
pub(crate) fn tag_shown(key: &str, value: &str) -> String {
    let shown = |text: &str| match text.trim() == text && !text.is_empty() {
        true => shortened(&plain(text), 60),
        false => format!("\"{}\"", shortened(&plain(text), 60)),
    };
    format!("{}={}", shown(key), shown(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_as_people_say_them() {
        let check = |minutes: i64, words: &str| assert_eq!(span(TimeDelta::minutes(minutes)), words);
        check(37, "37 minutes");
        check(60, "1 hour");
        check(90, "90 minutes");
        check(23 * 60, "23 hours");
        check(24 * 60, "24 hours");
        check(47 * 60 + 30, "47 hours 30 minutes");
        check(7 * 24 * 60, "7 days");
        check(14 * 24 * 60 - 60, "13 days 23 hours");
    }

    #[test]
    fn a_sample_names_three_and_counts_the_rest() {
        let mut sample = Sample::default();
        (1..=12).for_each(|number| sample.add(&format!("i-{number}")));
        assert_eq!(sample.names(), "i-1, i-2, i-3 and 9 more");
        let mut other = Sample::default();
        other.add("i-0");
        other.merge(&sample);
        assert_eq!((other.count, other.names().as_str()), (13, "i-0, i-1, i-2 and 10 more"));
        assert_eq!((thousands(999), thousands(1_234_567)), ("999".into(), "1,234,567".into()));
    }

    #[test]
    fn a_space_at_the_end_of_a_tag_is_seen() {
        assert_eq!(tag_shown("Backup", "true "), "Backup=\"true \"");
        assert_eq!(tag_shown("Backup", "true\u{1b}[31m"), "Backup=true [31m");
    }
}
