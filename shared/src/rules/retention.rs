//! Retention: which snapshots of a volume stay, which go, and why.
//!
//! One pure function, [`judge`]. A snapshot stays when anything keeps it; what nothing keeps expires. The rules:
//!
//! - The rule of the newest snapshot rules its volume and policy: for a count the newest n stay, for a calendar the
//!   newest of each of the last n periods that have one, and `forever` keeps them all.
//! - Where a snapshot was made under an age, its own `DeleteOn` decides: it is due on that day. Removed or unreadable
//!   it keeps the snapshot. Where it stands on any other snapshot, it keeps that one until its day.
//! - When a policy changes from a count or a calendar to an age, the snapshots of before stay while their own rule or
//!   the new age keeps them.
//!
//! Only completed snapshots count, and none that a person has taken out of the rules by `KeepForever` or by removing
//! the keyword's tag. What is doubtful stays.

mod calendar;
mod verdict;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

pub use self::calendar::key;
pub use self::verdict::{Cause, Decision, Finding, Reason, Verdict};
use crate::vocabulary::inventory::{Holds, Presence, Snapshot, Tier};
use crate::vocabulary::orphans::Orphans;
use crate::vocabulary::problem::shortened;
use crate::vocabulary::retain::{Age, Last, Period, RetainRule, Unit};
use crate::vocabulary::{retain, tag};

/// Everything that the verdicts on a volume's snapshots depend on, besides the snapshots.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Whose snapshots are ours: twelve digits.
    pub account: &'a str,
    /// `vol-…`
    pub volume: &'a str,
    /// Whether it is there.
    pub presence: Presence,
    /// What becomes of its last snapshot if it is not.
    pub orphans: Orphans,
    /// What EC2 would not delete.
    pub holds: &'a Holds,
    /// In UTC.
    pub now: DateTime<Utc>,
}

/// One verdict for each snapshot, the newest first, and what a person should hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Judgement {
    pub verdicts: Vec<Verdict>,
    pub findings: Vec<Finding>,
}

/// AWS bills an archived snapshot for at least so many days:
/// <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive.html>
const ARCHIVE_DAYS: Age = Age { length: 90, unit: Unit::Day };

/// Judges the snapshots of one volume, of all policies, each given once and in any order.
pub fn judge(case: &Case<'_>, snapshots: &[Snapshot]) -> Judgement {
    let mut judgement = Judgement::default();
    let mut policies = BTreeMap::<&str, Vec<&Snapshot>>::new();
    for snapshot in snapshots {
        match policy_of(case, snapshot) {
            Ok(policy) => policies.entry(policy).or_default().push(snapshot),
            Err(reason) => judgement.verdicts.push(verdict(snapshot, vec![reason], None)),
        }
    }
    let stopped = stopped(case, policies.values().flatten().copied());
    judgement.findings.extend(stopped.iter().map(|(newest, due)| Finding::Stopped {
        volume: case.volume.into(),
        newest: newest.id.clone(),
        due: *due,
    }));
    for members in policies.into_values() {
        let group = Group::of(case, &members, stopped.map(|(_, due)| due));
        judgement.verdicts.extend(members.iter().map(|member| group.verdict(member)));
        judgement.findings.extend(group.findings());
    }
    judgement.verdicts.sort_by(|one, other| (other.started, &other.snapshot).cmp(&(one.started, &one.snapshot)));
    judgement.findings.sort();
    judgement
}

/// The policy that a snapshot is of, or why it is left alone whatever the rules say.
fn policy_of<'a>(case: &Case<'_>, snapshot: &'a Snapshot) -> Result<&'a str, Reason> {
    let policy = snapshot.tags.get(tag::POLICY).ok_or(Reason::NotOurs)?;
    if snapshot.owner != case.account {
        return Err(Reason::AnotherAccount(snapshot.owner.clone()));
    }
    if let Some(service) = snapshot.tags.keys().find_map(|key| manager(key)) {
        return Err(Reason::ManagedBy(service));
    }
    if snapshot.is_copy || snapshot.volume == VOLUME_OF_COPIES {
        return Err(Reason::Copy);
    }
    let is_its_volume = |volume: &String| volume == case.volume;
    match is_its_volume(&snapshot.volume) && snapshot.tags.get(tag::VOLUME).is_none_or(is_its_volume) {
        true => Ok(policy),
        false => Err(Reason::AnotherVolume(snapshot.volume.clone())),
    }
}

/// "Snapshots created by a copy snapshot operation have an arbitrary volume ID", which in practice is this one.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html>
const VOLUME_OF_COPIES: &str = "vol-ffffffff";

/// The AWS service that marks its snapshots with tags such as `key`, and deletes them itself.
pub(crate) fn manager(key: &str) -> Option<&'static str> {
    match key {
        key if key.starts_with("aws:dlm:") => Some("Amazon Data Lifecycle Manager"),
        key if key.starts_with("aws:backup:") => Some("AWS Backup"),
        _ => None,
    }
}

/// The newest completed snapshot of a living volume, and its own date, where that has passed: no newer one has come
/// for as long as it was to be kept.
fn stopped<'a>(case: &Case<'_>, snapshots: impl Iterator<Item = &'a Snapshot>) -> Option<(&'a Snapshot, NaiveDate)> {
    let newest = snapshots.filter(|snapshot| is_good(case, snapshot)).max_by_key(|snapshot| age_order(snapshot))?;
    let is_age = matches!(own_rule(newest), OwnRule::Rule(RetainRule::Age(_)));
    let due = delete_on(newest).filter(|_| is_age && case.presence == Presence::Living)?.ok()?;
    (due < today(case, time_zone(newest).ok()?)).then_some((newest, due))
}

/// A snapshot that is a backup for sure.
fn is_good(case: &Case<'_>, snapshot: &Snapshot) -> bool {
    snapshot.state == "completed" && snapshot.started.is_some_and(|started| started <= case.now)
}

/// Later is newer; of two that were begun together, the one with the higher id.
fn age_order(snapshot: &Snapshot) -> (Option<DateTime<Utc>>, &str) {
    (snapshot.started, &snapshot.id)
}

/// The snapshots of one volume and policy.
struct Group<'a> {
    case: &'a Case<'a>,
    stopped: Option<NaiveDate>,
    /// The completed ones, the newest first.
    good: Vec<&'a Snapshot>,
    ruling: Option<Ruling<'a>>,
    /// What the rules that count keep, by rule.
    counted: Vec<(RetainRule, Kept<'a>)>,
    /// Whether its volume has been gone for so long that no count and no calendar holds any more.
    is_spent: Option<Age>,
    /// Whether nothing keeps any of them but that they are the last, and an orphan rule lets go the last.
    may_all_go: bool,
}

/// Snapshot id → the places that it has by a rule.
type Kept<'a> = HashMap<&'a str, Vec<Reason>>;

/// The rule of the newest snapshot, which rules the others.
struct Ruling<'a> {
    snapshot: &'a str,
    rule: Result<(RetainRule, Tz), Unreadable>,
}

/// What a snapshot's own tags say about how long it is kept.
enum OwnRule<'a> {
    Rule(RetainRule),
    /// The keyword's tag is gone: a person keeps this one for good.
    KeywordRemoved(&'a str),
    Unreadable(Unreadable),
}

/// A tag that retention goes by, and that it cannot read.
#[derive(Clone)]
struct Unreadable {
    /// ``tag `snapkeep:retain` is "soon"``
    found: String,
    allowed: &'static str,
}

impl<'a> Group<'a> {
    fn of(case: &'a Case<'a>, members: &[&'a Snapshot], stopped: Option<NaiveDate>) -> Self {
        let mut good: Vec<&Snapshot> = members.iter().copied().filter(|snapshot| is_good(case, snapshot)).collect();
        good.sort_by_key(|snapshot| Reverse(age_order(snapshot)));
        let ruling = good.iter().find_map(|snapshot| ruling(snapshot));
        let is_counted = |snapshot: &&Snapshot| !is_kept_by_a_person(snapshot);
        let in_question: Vec<&Snapshot> = good.iter().copied().filter(is_counted).collect();
        let counted = match &ruling {
            Some(Ruling { rule: Ok((rule, zone)), .. }) => counting_rules(rule, &in_question)
                .into_iter()
                .map(|rule| {
                    let kept = kept(&rule, *zone, &in_question);
                    (rule, kept)
                })
                .collect(),
            _ => Vec::new(),
        };
        let is_spent = match (case.presence, case.orphans, good.first().and_then(|newest| newest.started)) {
            (Presence::Gone, Orphans::After(age), Some(last)) => {
                let zone = ruling.as_ref().and_then(|ruling| ruling.rule.as_ref().ok()).map_or(Tz::UTC, |rule| rule.1);
                age.after(day(last, zone)).is_some_and(|due| due <= today(case, zone)).then_some(age)
            }
            _ => None,
        };
        let mut group = Self { case, stopped, good, ruling, counted, is_spent, may_all_go: false };
        let lets_go = case.presence == Presence::Gone && case.orphans == Orphans::ByRule || is_spent.is_some();
        let is_needed = |snapshot: &&Snapshot| !group.in_question(snapshot).0.is_empty();
        group.may_all_go = lets_go && !in_question.iter().any(is_needed);
        group
    }

    fn verdict(&self, snapshot: &Snapshot) -> Verdict {
        match (snapshot.state.as_str(), snapshot.started) {
            ("error", Some(_)) => self.verdict_on_error(snapshot),
            (_, None) => verdict(snapshot, vec![Reason::NoStart], None),
            ("completed", Some(started)) if started > self.case.now => {
                verdict(snapshot, vec![Reason::FutureDated], None)
            }
            ("completed", Some(_)) => {
                let (reasons, cause) = self.in_question(snapshot);
                verdict(snapshot, self.as_one_of_the_last(snapshot).into_iter().chain(reasons).collect(), cause)
            }
            (state, _) => verdict(snapshot, vec![Reason::NotCompleted(state.into())], None),
        }
    }

    /// One in error was never a backup, and holds one of the volume's few places for unfinished snapshots.
    fn verdict_on_error(&self, snapshot: &Snapshot) -> Verdict {
        let mut reasons = self.whatever_the_rule(snapshot);
        let newer = self.good.first().filter(|newest| newest.started > snapshot.started);
        if newer.is_none() {
            reasons.push(Reason::NoneNewer);
        }
        verdict(snapshot, reasons, newer.map(|newer| Cause::InError { newer: newer.id.clone() }))
    }

    /// What keeps a completed one besides being one of the last, and why it goes when nothing does.
    fn in_question(&self, snapshot: &Snapshot) -> (Vec<Reason>, Option<Cause>) {
        let mut reasons = self.whatever_the_rule(snapshot);
        let own = own_rule(snapshot);
        let is_age = matches!(own, OwnRule::Rule(RetainRule::Age(_)));
        let mut due = None;
        match (delete_on(snapshot), time_zone(snapshot)) {
            (None, _) if is_age => reasons.push(Reason::DateRemoved),
            (None, _) => {}
            (Some(Err(value)), _) => reasons.push(Reason::UnreadableDate(value.into())),
            (_, Err(zone)) => reasons.push(Reason::UnreadableRule(zone.found)),
            (Some(Ok(day)), Ok(zone)) if day > today(self.case, zone) => reasons.push(Reason::Until(day)),
            (Some(Ok(day)), _) => due = Some(day),
        }
        let by_rule = match is_kept_by_a_person(snapshot) {
            true => Vec::new(),
            false => {
                let undated = snapshot.started.filter(|_| !is_age && delete_on(snapshot).is_none());
                self.by_rule(snapshot, &own, undated)
            }
        };
        let is_spent = self.is_spent.filter(|_| !by_rule.is_empty() || self.is_newest(snapshot));
        reasons.extend(by_rule.into_iter().filter(|reason| is_spent.is_none() || *reason == Reason::Forever));
        if let (Tier::Archive(since), Some(started)) = (snapshot.tier, snapshot.started) {
            reasons.extend(self.as_archived(since, started));
        }
        let by_date = due.filter(|_| is_age || self.rules_by_age()).map(Cause::DeleteOn);
        let cause = is_spent.map(Cause::OrphanedFor).or(by_date);
        let rule = self.ruling.as_ref().and_then(|ruling| ruling.rule.as_ref().ok());
        (reasons, cause.or_else(|| rule.map(|(rule, _)| Cause::Rule(rule.clone()))))
    }

    /// The newest completed one stays, and the newest that can be restored without hours of waiting. An orphan rule
    /// takes them only together with all others: while one stays, the newest must be there to say by which rule.
    fn as_one_of_the_last(&self, snapshot: &Snapshot) -> Option<Reason> {
        let at_hand = self.good.iter().find(|snapshot| snapshot.tier == Tier::Standard);
        match self.is_newest(snapshot) {
            _ if self.may_all_go => None,
            true => Some(Reason::Newest),
            false => at_hand.filter(|at_hand| at_hand.id == snapshot.id).map(|_| Reason::NewestAtHand),
        }
    }

    /// What keeps a snapshot of ours before any rule is asked.
    fn whatever_the_rule(&self, snapshot: &Snapshot) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if snapshot.tags.contains_key(tag::KEEP_FOREVER) {
            reasons.push(Reason::KeepForever);
        }
        reasons.extend(self.stopped.map(Reason::Stopped));
        reasons.extend(self.case.holds.get(&snapshot.id).cloned().map(Reason::Held));
        match own_rule(snapshot) {
            OwnRule::KeywordRemoved(key) => reasons.push(Reason::KeywordRemoved(key.into())),
            OwnRule::Unreadable(rule) => reasons.push(Reason::UnreadableRule(rule.found)),
            OwnRule::Rule(_) => {}
        }
        match &self.ruling {
            Some(Ruling { snapshot: newest, rule: Err(_) }) if *newest != snapshot.id => {
                reasons.push(Reason::UnreadableRuling(String::from(*newest)));
            }
            Some(Ruling { rule: Err(rule), .. }) if !reasons.iter().any(is_unreadable_rule) => {
                reasons.push(Reason::UnreadableRule(rule.found.clone()));
            }
            _ => {}
        }
        reasons
    }

    /// What the rule of the newest keeps, and what a snapshot's own keeps after the policy has changed to an age:
    /// then one that was made without a date has begun at `undated`.
    fn by_rule(&self, snapshot: &Snapshot, own: &OwnRule<'_>, undated: Option<DateTime<Utc>>) -> Vec<Reason> {
        let Some(Ruling { rule: Ok((ruling, zone)), .. }) = &self.ruling else { return Vec::new() };
        let own = match own {
            OwnRule::Rule(rule) => Some(rule),
            OwnRule::KeywordRemoved(_) | OwnRule::Unreadable(_) => None,
        };
        let counting = if matches!(ruling, RetainRule::Age(_)) { own } else { Some(ruling) };
        let kept = self.counted.iter().find(|(rule, _)| Some(rule) == counting).map(|(_, kept)| kept);
        let mut reasons = kept.and_then(|kept| kept.get(snapshot.id.as_str())).cloned().unwrap_or_default();
        if [Some(ruling), own].contains(&Some(&RetainRule::Forever)) {
            reasons.push(Reason::Forever);
        }
        if let (RetainRule::Age(age), Some(started)) = (ruling, undated) {
            reasons.extend(match age.after(day(started, *zone)) {
                Some(due) if due <= today(self.case, *zone) => None,
                Some(due) => Some(Reason::AgeUntil { age: *age, day: due }),
                None => Some(Reason::Forever),
            });
        }
        reasons
    }

    /// Deleted early, an archived snapshot is billed all the same.
    fn as_archived(&self, since: Option<DateTime<Utc>>, started: DateTime<Utc>) -> Option<Reason> {
        let until = |time| ARCHIVE_DAYS.after(day(time, Tz::UTC));
        let today = today(self.case, Tz::UTC);
        match (since.and_then(until), until(started)) {
            (Some(until), _) => (until > today).then_some(Reason::Archived(Some(until))),
            (None, Some(at_least)) if at_least > today => Some(Reason::Archived(Some(at_least))),
            (None, _) => Some(Reason::Archived(None)),
        }
    }

    fn is_newest(&self, snapshot: &Snapshot) -> bool {
        self.good.first().is_some_and(|newest| newest.id == snapshot.id)
    }

    fn rules_by_age(&self) -> bool {
        matches!(&self.ruling, Some(Ruling { rule: Ok((RetainRule::Age(_), _)), .. }))
    }

    /// The tags that could not be read, of the snapshots that a rule is asked about.
    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for snapshot in &self.good {
            let rule = match own_rule(snapshot) {
                OwnRule::Unreadable(rule) => Some(rule),
                OwnRule::Rule(_) | OwnRule::KeywordRemoved(_) => None,
            };
            let date = delete_on(snapshot).and_then(Result::err);
            let date = date.map(|value| unreadable(tag::DELETE_ON, Some(value), "a day such as 2026-11-27"));
            let tags = rule.into_iter().chain(time_zone(snapshot).err()).chain(date);
            findings.extend(tags.map(|Unreadable { found, allowed }| Finding::Unreadable {
                snapshot: snapshot.id.clone(),
                problem: format!("{found}; allowed: {allowed}"),
            }));
        }
        findings
    }
}

fn is_unreadable_rule(reason: &Reason) -> bool {
    matches!(reason, Reason::UnreadableRule(_))
}

/// A person has said of this one that it stays. It is out of the rules, which keep as many others.
fn is_kept_by_a_person(snapshot: &Snapshot) -> bool {
    snapshot.tags.contains_key(tag::KEEP_FOREVER) || matches!(own_rule(snapshot), OwnRule::KeywordRemoved(_))
}

fn ruling(snapshot: &Snapshot) -> Option<Ruling<'_>> {
    let rule = match own_rule(snapshot) {
        OwnRule::KeywordRemoved(_) => return None,
        OwnRule::Unreadable(problem) => Err(problem),
        OwnRule::Rule(rule) => time_zone(snapshot).map(|zone| (rule, zone)),
    };
    Some(Ruling { snapshot: &snapshot.id, rule })
}

fn own_rule(snapshot: &Snapshot) -> OwnRule<'_> {
    let value = |key: &str| snapshot.tags.get(key).map(String::as_str);
    let Some(keyword) = snapshot.tags.get(tag::KEYWORD) else {
        return match value(tag::RETAIN).map(str::parse) {
            Some(Ok(rule)) => OwnRule::Rule(rule),
            _ => OwnRule::Unreadable(unreadable(tag::RETAIN, value(tag::RETAIN), retain::ALLOWED)),
        };
    };
    match value(keyword).map(str::parse) {
        None => OwnRule::KeywordRemoved(keyword),
        Some(Ok(rule @ RetainRule::Count(_))) => OwnRule::Rule(rule),
        Some(_) => {
            OwnRule::Unreadable(unreadable(keyword, value(keyword), "the number of snapshots to keep, such as 3"))
        }
    }
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

/// The day in the tag `DeleteOn`, or what stands there instead. Exactly `2026-11-27`: a date that can be read in two
/// ways is none.
fn delete_on(snapshot: &Snapshot) -> Option<Result<NaiveDate, &str>> {
    let value = snapshot.tags.get(tag::DELETE_ON)?;
    let text = value.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text);
    Some(day.ok_or(value.as_str()))
}

fn day(time: DateTime<Utc>, zone: Tz) -> NaiveDate {
    time.with_timezone(&zone).date_naive()
}

fn today(case: &Case<'_>, zone: Tz) -> NaiveDate {
    day(case.now, zone)
}

/// The rules that count snapshots: the ruling one, or, when that is an age, those of before.
fn counting_rules(ruling: &RetainRule, in_question: &[&Snapshot]) -> Vec<RetainRule> {
    if !matches!(ruling, RetainRule::Age(_)) {
        return vec![ruling.clone()];
    }
    let mut rules = Vec::new();
    for snapshot in in_question {
        if let OwnRule::Rule(rule @ (RetainRule::Count(_) | RetainRule::Calendar(_))) = own_rule(snapshot)
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }
    rules
}

/// What a count or a calendar keeps of `snapshots`, which stand the newest first.
fn kept<'a>(rule: &RetainRule, zone: Tz, snapshots: &[&'a Snapshot]) -> Kept<'a> {
    let mut kept = Kept::new();
    match rule {
        RetainRule::Count(count) => {
            for (index, snapshot) in snapshots.iter().enumerate().take(*count as usize) {
                kept.entry(&snapshot.id).or_default().push(Reason::Count { place: index + 1, of: *count });
            }
        }
        RetainRule::Calendar(periods) => {
            for (period, last) in periods {
                for (index, snapshot) in newest_of_each(*period, zone, snapshots).take(most(*last)).enumerate() {
                    let reason = Reason::Period { period: *period, place: index + 1, of: *last };
                    kept.entry(&snapshot.id).or_default().push(reason);
                }
            }
        }
        RetainRule::Age(_) | RetainRule::Forever => {}
    }
    kept
}

/// The newest snapshot of each period that has one, the latest period first.
fn newest_of_each<'a, 'b>(
    period: Period,
    zone: Tz,
    snapshots: &'b [&'a Snapshot],
) -> impl Iterator<Item = &'a Snapshot> + 'b {
    let mut seen = HashSet::new();
    snapshots
        .iter()
        .copied()
        .filter(move |snapshot| snapshot.started.is_some_and(|started| seen.insert(key(period, started, zone))))
}

fn most(last: Last) -> usize {
    match last {
        Last::Periods(count) => count as usize,
        Last::All => usize::MAX,
    }
}

/// Kept for `reasons`; without any, it goes for `cause`. With neither it is doubtful, and stays.
fn verdict(snapshot: &Snapshot, reasons: Vec<Reason>, cause: Option<Cause>) -> Verdict {
    let decision = match cause.filter(|_| reasons.is_empty()) {
        Some(cause) => Decision::Expire(cause),
        None => Decision::Keep(reasons),
    };
    Verdict {
        snapshot: snapshot.id.clone(),
        policy: snapshot.tags.get(tag::POLICY).cloned(),
        started: snapshot.started,
        decision,
    }
}
