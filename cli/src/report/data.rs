//! What a report says, as it stands in the page. Its script draws this and knows nothing else.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Serialize, Serializer};
use shared::vocabulary::problem::shortened;

/// Everything that a report says.
#[derive(Debug, Clone, Serialize)]
pub struct Data {
    /// snapkeep's.
    pub version: &'static str,
    /// When EC2 was asked.
    pub at: DateTime<Utc>,
    /// Whose days these are: `Europe/Zurich`.
    pub zone: String,
    /// The calendar's days, the oldest first; the last is today.
    pub days: Vec<NaiveDate>,
    /// What should be covered.
    pub policies: Vec<Policy>,
    /// Where was looked.
    pub places: Vec<Place>,
    /// The calendar: for each policy and place its volumes.
    pub groups: Vec<Group>,
    /// Volumes that none of the policies selects; `None` where nobody can know.
    pub unselected: Option<usize>,
    /// What a person should hear of besides.
    pub notes: Vec<Foreign>,
    /// Jobs that wait for a person.
    pub letters: Letters,
    /// Snapshots that are there.
    pub retained: Retained,
    /// Snapshots that will go.
    pub deletions: Deletions,
}

/// A policy.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// Its name.
    pub name: Foreign,
    /// Its retention rule.
    pub retain: Foreign,
    /// How old the newest backup of a volume may be: `26h`.
    pub rpo: String,
    /// The age of the oldest among its volumes' newest backups: `4d`.
    pub oldest: Option<String>,
}

/// A Region of an account.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// `eu-central-1`
    pub region: String,
    /// Why nothing is known of it.
    pub error: Option<Foreign>,
}

/// The volumes of one policy in one place.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Its place in [`Data::policies`].
    pub policy: usize,
    /// Its place in [`Data::places`].
    pub place: usize,
    /// Those that the policy selects, or would select and leaves out.
    pub volumes: Vec<Volume>,
}

/// A row of the calendar.
#[derive(Debug, Clone, Serialize)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// Its `Name` tag, or its instance's; empty where neither has one.
    pub name: Foreign,
    /// `i-…`, or empty.
    pub instance: String,
    /// For each day the letter of `shared::rules::calendar::Day`.
    pub days: String,
    /// Today in a word or two: `2h`, `stale, 4d`.
    pub now: Foreign,
    /// Today in a sentence.
    pub why: Foreign,
}

/// The dead-letter queue.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Letters {
    /// It was not read.
    Unread {
        /// Why not.
        why: Foreign,
        /// Whether that is a failure.
        failed: bool,
    },
    /// It was read.
    Read {
        /// Its name.
        queue: Foreign,
        /// Most letters first.
        causes: Vec<Cause>,
        /// What a person should know about the reading.
        notes: Vec<Foreign>,
    },
}

/// Letters that are there for the same reason.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Cause {
    pub code: Foreign,
    pub class: String,
    pub message: Foreign,
    /// ` of daily in eu-central-1`
    pub whereabouts: Foreign,
    pub letters: usize,
    pub volumes: usize,
    /// The age of the oldest: `2d03h`.
    pub oldest: String,
    /// Until SQS deletes the first: `11d20h`.
    pub expires: String,
}

/// So many snapshots, and the sizes of their volumes, once for each snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Amount {
    pub snapshots: u64,
    pub gib: u64,
}

/// An amount for each of some days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Series {
    pub days: Vec<NaiveDate>,
    pub snapshots: Vec<u64>,
    pub gib: Vec<u64>,
}

/// Snapshots of ours that are there.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Retained {
    /// By the day on which they were begun.
    #[serde(flatten)]
    pub series: Series,
    /// Begun before the first of these days.
    pub older: Amount,
    /// All.
    pub total: Amount,
    /// How many are of volumes that are gone.
    pub orphans: u64,
}

/// Snapshots of ours that no rule will keep.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Deletions {
    /// By the day on which their rule lets them go, tomorrow first.
    #[serde(flatten)]
    pub series: Series,
    /// What goes with the next prune, today.
    pub due: Amount,
    /// What no rule keeps, and EC2 or an image does.
    pub held: u64,
    /// The first few, in the order in which they go.
    pub next: Vec<Deletion>,
}

/// A snapshot that will go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Deletion {
    pub day: NaiveDate,
    pub snapshot: String,
    pub volume: String,
    pub name: Foreign,
    pub policy: Foreign,
    pub region: String,
}

/// Text that somebody else wrote: a tag, a policy's name, AWS's words. Whatever stands in it, a page shows it as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign(String);

/// Longer than any tag. What AWS says may be longer still.
const LONGEST: usize = 600;

impl<T: AsRef<str>> From<T> for Foreign {
    /// What would be obeyed rather than seen, such as a line's end or a change of direction, is written out.
    fn from(text: T) -> Self {
        let shown = shortened(text.as_ref(), LONGEST).chars().fold(String::new(), |mut shown, c| {
            match is_obeyed(c) {
                true => shown += &format!("‹U+{:04X}›", c as u32),
                false => shown.push(c),
            }
            shown
        });
        Self(shown)
    }
}

/// Control characters, and those of <https://www.unicode.org/reports/tr9/> that turn text round; also what is invisible
/// and makes two names look the same. The joiners of emoji and of Indic scripts stay.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl Foreign {
    /// As it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(Foreign::from(text).as_str(), shown);
    }

    #[test]
    fn what_would_be_obeyed_is_written_out() {
        check("db-01", "db-01");
        check("Zürich <b>&amp;</b> 👩‍💻", "Zürich <b>&amp;</b> 👩‍💻");
        check("a\u{202e}gpj.exe", "a‹U+202E›gpj.exe");
        check("a\nb\0c\u{2028}d", "a‹U+000A›b‹U+0000›c‹U+2028›d");
        check(&"x".repeat(700), &format!("{}…", "x".repeat(599)));
    }
}
