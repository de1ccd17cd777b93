//! A snapshot of ours, with what its own tags say about how long it is kept.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::problem::shortened;
use crate::vocabulary::retain::{self, RetainRule};
use crate::vocabulary::tag;

/// A snapshot of ours, its tags read once.
pub(super) struct Member<'a> {
    pub snapshot: &'a Snapshot,
    pub rule: OwnRule<'a>,
    pub zone: Result<Tz, Unreadable>,
    /// The day in the tag `DeleteOn`, or what stands there instead.
    pub delete_on: Option<Result<NaiveDate, &'a str>>,
    pub is_kept_forever: bool,
}

/// The rule that stands on a snapshot.
pub(super) enum OwnRule<'a> {
    Rule(RetainRule),
    /// The keyword's tag is gone: a person keeps this one for good. Where no tag says that it is a keyword, only its
    /// fellows do.
    KeywordRemoved {
        key: &'a str,
        is_marked: bool,
    },
    Unreadable(Unreadable),
}

/// A tag that retention goes by, and that it cannot read.
#[derive(Clone)]
pub(super) struct Unreadable {
    /// ``tag `snapkeep:retain` is "soon"``
    pub found: String,
    pub allowed: &'static str,
}

impl<'a> Member<'a> {
    /// Reads the tags of a snapshot, whose policy's name is also the `keyword` of some.
    pub fn read(snapshot: &'a Snapshot, keyword: Option<&'a str>) -> Self {
        Self {
            snapshot,
            rule: own_rule(snapshot, keyword),
            zone: time_zone(snapshot),
            delete_on: delete_on(snapshot),
            is_kept_forever: snapshot.tags.contains_key(tag::KEEP_FOREVER),
        }
    }

    pub fn id(&self) -> &'a str {
        &self.snapshot.id
    }

    /// Whether it is a backup for sure.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        is_good(self.snapshot, now)
    }

    /// Later is newer; of two that were begun together, the one with the higher id.
    pub fn age_order(&self) -> (Option<DateTime<Utc>>, &'a str) {
        (self.snapshot.started, self.id())
    }

    /// Its rule, where it can be read.
    pub fn own(&self) -> Option<&RetainRule> {
        match &self.rule {
            OwnRule::Rule(rule) => Some(rule),
            OwnRule::KeywordRemoved { .. } | OwnRule::Unreadable(_) => None,
        }
    }

    /// Whether its own day decides.
    pub fn is_of_age(&self) -> bool {
        matches!(self.rule, OwnRule::Rule(RetainRule::Age(_)))
    }

    /// A person has said of this one that it stays. It is out of the rules, which keep as many others.
    pub fn is_kept_by_a_person(&self) -> bool {
        self.is_kept_forever || matches!(self.rule, OwnRule::KeywordRemoved { .. })
    }

    /// The tags that could not be read.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        let rule = match &self.rule {
            OwnRule::Unreadable(rule) => Some(rule.clone()),
            OwnRule::Rule(_) | OwnRule::KeywordRemoved { .. } => None,
        };
        let date = self.delete_on.and_then(Result::err).map(no_day);
        rule.into_iter().chain(self.zone.clone().err()).chain(date).collect()
    }
}

/// The newest completed snapshot of `policy` that has a tag of that name with a number: made before the tag
/// `snapkeep:keyword` said so, it can only be the keyword event's.
pub(super) fn witness<'a>(policy: &str, snapshots: &[&'a Snapshot], now: DateTime<Utc>) -> Option<&'a Snapshot> {
    let is_witness = |snapshot: &&Snapshot| is_good(snapshot, now) && count_in(snapshot, policy).is_some();
    snapshots.iter().copied().filter(is_witness).max_by_key(|snapshot| (snapshot.started, &snapshot.id))
}

/// A snapshot that is a backup for sure.
pub(crate) fn is_good(snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
    snapshot.state == "completed" && snapshot.started.is_some_and(|started| started <= now)
}

fn count_in(snapshot: &Snapshot, key: &str) -> Option<u32> {
    match snapshot.tags.get(key)?.parse() {
        Ok(RetainRule::Count(count)) => Some(count),
        _ => None,
    }
}

fn own_rule<'a>(snapshot: &'a Snapshot, unmarked: Option<&'a str>) -> OwnRule<'a> {
    let value = |key: &str| snapshot.tags.get(key).map(String::as_str);
    let written = value(tag::RETAIN).map(str::parse);
    match (value(tag::KEYWORD), written) {
        (Some(key), _) => match (value(key), count_in(snapshot, key)) {
            (None, _) => OwnRule::KeywordRemoved { key, is_marked: true },
            (Some(_), Some(count)) => OwnRule::Rule(RetainRule::Count(count)),
            (Some(value), None) => {
                OwnRule::Unreadable(unreadable(key, Some(value), "the number of snapshots to keep, such as 3"))
            }
        },
        (None, Some(Ok(RetainRule::Count(count)))) => match unmarked.map(|key| (key, value(key))) {
            Some((key, None)) => OwnRule::KeywordRemoved { key, is_marked: false },
            // Where it only looks like a keyword's, the larger number is the safe one.
            Some((key, Some(_))) => OwnRule::Rule(RetainRule::Count(count.max(count_in(snapshot, key).unwrap_or(0)))),
            None => OwnRule::Rule(RetainRule::Count(count)),
        },
        (None, Some(Ok(rule))) => OwnRule::Rule(rule),
        (None, _) => OwnRule::Unreadable(unreadable(tag::RETAIN, value(tag::RETAIN), retain::ALLOWED)),
    }
}

fn no_day(value: &str) -> Unreadable {
    unreadable(tag::DELETE_ON, Some(value), "a day such as 2026-11-27")
}

/// What is wrong with the tag `DeleteOn` of a snapshot that has one.
pub(crate) fn unreadable_date(snapshot: &Snapshot) -> Option<String> {
    let Unreadable { found, allowed } = no_day(delete_on(snapshot)?.err()?);
    Some(format!("{found}; allowed: {allowed}"))
}

fn unreadable(key: &str, value: Option<&str>, allowed: &'static str) -> Unreadable {
    let found = value.map_or("missing".into(), |value| format!("{:?}", shortened(value, 60)));
    Unreadable { found: format!("tag `{key}` is {found}"), allowed }
}

fn time_zone(snapshot: &Snapshot) -> Result<Tz, Unreadable> {
    let Some(name) = snapshot.tags.get(tag::TIME_ZONE) else { return Ok(Tz::UTC) };
    let allowed = "a name of the IANA time zone database, such as Europe/Zurich";
    name.trim().parse().map_err(|_| unreadable(tag::TIME_ZONE, Some(name), allowed))
}

/// Exactly `2026-11-27`: a date that can be read in two ways is none.
fn delete_on(snapshot: &Snapshot) -> Option<Result<NaiveDate, &str>> {
    let value = snapshot.tags.get(tag::DELETE_ON)?;
    let text = value.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text);
    Some(day.ok_or(value.as_str()))
}
