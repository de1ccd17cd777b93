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
//! the keyword's tag. Of a job that has made its snapshot twice only the newest counts, and stays. What is doubtful
//! stays.

mod calendar;
mod member;
mod twice;
mod verdict;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

pub use self::calendar::key;
use self::member::{Member, OwnRule, Unreadable, witness};
pub(crate) use self::member::{is_good, unreadable_date};
pub use self::verdict::{Cause, Decision, Finding, Reason, Verdict};
use crate::vocabulary::inventory::{Holds, Presence, Snapshot, Tier};
use crate::vocabulary::orphans::Orphans;
use crate::vocabulary::retain::{Age, Last, Period, RetainRule, Unit};
use crate::vocabulary::tag;

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
        match policy_of(case.account, case.volume, snapshot) {
            Ok(policy) => policies.entry(policy).or_default().push(snapshot),
            Err(reason) => judgement.verdicts.push(verdict(snapshot, vec![reason], None)),
        }
    }
    let policies = policies.into_iter().map(|(policy, snapshots)| {
        let witness = witness(policy, &snapshots, case.now).map(|snapshot| snapshot.id.as_str());
        let keyword = witness.map(|_| policy);
        let members = snapshots.into_iter().map(|snapshot| Member::read(snapshot, keyword));
        (witness, members.collect::<Vec<_>>())
    });
    let policies: Vec<(Option<&str>, Vec<Member<'_>>)> = policies.collect();
    let stopped = stopped(case, policies.iter().flat_map(|(_, members)| members));
    judgement.findings.extend(stopped.iter().map(|(newest, due)| Finding::Stopped {
        volume: case.volume.into(),
        newest: newest.id().into(),
        due: *due,
    }));
    for (witness, members) in &policies {
        let group = Group::of(case, members, *witness, stopped.map(|(_, due)| due));
        judgement.verdicts.extend(members.iter().map(|member| group.verdict(member)));
        judgement.findings.extend(group.findings());
    }
    judgement.verdicts.sort_by(|one, other| (other.started, &other.snapshot).cmp(&(one.started, &one.snapshot)));
    judgement.findings.sort();
    judgement
}

/// The policy that a snapshot of `account` and `volume` is of, or why it is left alone whatever the rules say.
pub(crate) fn policy_of<'a>(account: &str, volume: &str, snapshot: &'a Snapshot) -> Result<&'a str, Reason> {
    let policy = snapshot.tags.get(tag::POLICY).ok_or(Reason::NotOurs)?;
    if snapshot.owner != account {
        return Err(Reason::AnotherAccount(snapshot.owner.clone()));
    }
    if let Some(service) = snapshot.tags.keys().find_map(|key| manager(key)) {
        return Err(Reason::ManagedBy(service));
    }
    if is_copy(snapshot) {
        return Err(Reason::Copy);
    }
    let is_its_volume = |found: &String| found == volume;
    match is_its_volume(&snapshot.volume) && snapshot.tags.get(tag::VOLUME).is_none_or(is_its_volume) {
        true => Ok(policy),
        false => Err(Reason::AnotherVolume(snapshot.volume.clone())),
    }
}

/// "Snapshots created by a copy snapshot operation have an arbitrary volume ID", which in practice is this one.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html>
pub(crate) fn is_copy(snapshot: &Snapshot) -> bool {
    snapshot.is_copy || snapshot.volume == "vol-ffffffff"
}

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
fn stopped<'a>(case: &Case<'_>, members: impl Iterator<Item = &'a Member<'a>>) -> Option<(&'a Member<'a>, NaiveDate)> {
    let newest = members.filter(|member| member.is_good(case.now)).max_by_key(|member| member.age_order())?;
    let is_in_question = newest.is_of_age() && case.presence == Presence::Living;
    let due = newest.delete_on.filter(|_| is_in_question)?.ok()?;
    (due < today(case, *newest.zone.as_ref().ok()?)).then_some((newest, due))
}

/// The snapshots of one volume and policy.
struct Group<'a> {
    case: &'a Case<'a>,
    stopped: Option<NaiveDate>,
    /// The one that shows that the policy is a keyword, while another has nothing but that to be kept by.
    witness: Option<&'a str>,
    /// The completed ones, the newest first.
    good: Vec<&'a Member<'a>>,
    ruling: Option<Ruling<'a>>,
    /// The id of a snapshot that its job made superfluous by a newer one → that one.
    twice: HashMap<&'a str, &'a Member<'a>>,
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

impl<'a> Group<'a> {
    fn of(case: &'a Case<'a>, members: &'a [Member<'a>], witness: Option<&'a str>, stopped: Option<NaiveDate>) -> Self {
        let is_unmarked = |member: &Member<'_>| matches!(member.rule, OwnRule::KeywordRemoved { is_marked: false, .. });
        let witness = witness.filter(|_| members.iter().any(is_unmarked));
        let mut good: Vec<&Member<'_>> = members.iter().filter(|member| member.is_good(case.now)).collect();
        good.sort_by_key(|member| Reverse(member.age_order()));
        let ruling = good.iter().find_map(|member| ruling(member));
        let is_in_question = |member: &&Member<'_>| !member.is_kept_by_a_person();
        let in_question: Vec<&Member<'_>> = good.iter().copied().filter(is_in_question).collect();
        let (twice, counted) = match &ruling {
            Some(Ruling { rule: Ok((rule, zone)), .. }) => {
                let twice = twice::twice(&good, (rule, *zone), case.holds);
                let once = in_question.iter().copied().filter(|member| !twice.contains_key(member.id()));
                let once: Vec<&Member<'_>> = once.collect();
                let counted = counting_rules(rule, &once).into_iter().map(|rule| {
                    let kept = kept(&rule, *zone, &once);
                    (rule, kept)
                });
                let counted = counted.collect();
                (twice, counted)
            }
            _ => Default::default(),
        };
        let is_spent = match (case.presence, case.orphans, good.first().and_then(|newest| newest.snapshot.started)) {
            (Presence::Gone, Orphans::After(age), Some(last)) => {
                let zone = ruling.as_ref().and_then(|ruling| ruling.rule.as_ref().ok()).map_or(Tz::UTC, |rule| rule.1);
                age.after(day(last, zone)).is_some_and(|due| due <= today(case, zone)).then_some(age)
            }
            _ => None,
        };
        let mut group = Self { case, stopped, witness, good, ruling, twice, counted, is_spent, may_all_go: false };
        let lets_go = case.presence == Presence::Gone && case.orphans == Orphans::ByRule || is_spent.is_some();
        let is_needed = |member: &&Member<'_>| !group.in_question(member).0.is_empty();
        group.may_all_go = lets_go && !in_question.iter().any(is_needed);
        group
    }

    fn verdict(&self, member: &Member<'_>) -> Verdict {
        let snapshot = member.snapshot;
        match (snapshot.state.as_str(), snapshot.started) {
            ("error", Some(_)) => self.verdict_on_error(member),
            (_, None) => verdict(snapshot, vec![Reason::NoStart], None),
            ("completed", Some(started)) if started > self.case.now => {
                verdict(snapshot, vec![Reason::FutureDated], None)
            }
            ("completed", Some(_)) => {
                let (reasons, cause) = self.in_question(member);
                verdict(snapshot, self.as_one_of_the_last(member).into_iter().chain(reasons).collect(), cause)
            }
            (state, _) => verdict(snapshot, vec![Reason::NotCompleted(state.into())], None),
        }
    }

    /// One in error was never a backup, and holds one of the volume's few places for unfinished snapshots.
    fn verdict_on_error(&self, member: &Member<'_>) -> Verdict {
        let mut reasons = self.whatever_the_rule(member);
        let newer = self.good.first().filter(|newest| newest.snapshot.started > member.snapshot.started);
        if newer.is_none() {
            reasons.push(Reason::NoneNewer);
        }
        verdict(member.snapshot, reasons, newer.map(|newer| Cause::InError { newer: newer.id().into() }))
    }

    /// What keeps a completed one besides being one of the last, and why it goes when nothing does.
    fn in_question(&self, member: &Member<'_>) -> (Vec<Reason>, Option<Cause>) {
        let mut reasons = self.whatever_the_rule(member);
        if let Some(stays) = self.twice.get(member.id()).filter(|newer| !self.in_question(newer).0.is_empty()) {
            return (reasons, Some(Cause::TakenTwice { stays: stays.id().into() }));
        }
        let due = match (member.delete_on, &member.zone) {
            (None, _) => {
                reasons.extend(member.is_of_age().then_some(Reason::DateRemoved));
                None
            }
            (Some(Err(value)), _) => {
                reasons.push(Reason::UnreadableDate(value.into()));
                None
            }
            (Some(Ok(day)), Ok(zone)) if day <= today(self.case, *zone) => Some(day),
            (Some(Ok(day)), zone) => {
                reasons.push(zone.as_ref().map_or_else(unreadable_rule, |_| Reason::Until(day)));
                None
            }
        };
        let by_rule = if member.is_kept_by_a_person() { Vec::new() } else { self.by_rule(member) };
        let spent = self.is_spent.filter(|_| !by_rule.is_empty() || self.is_newest(member));
        reasons.extend(by_rule.into_iter().filter(|reason| spent.is_none() || *reason == Reason::Forever));
        reasons.extend(self.as_archived(member.snapshot));
        let rule = self.ruling.as_ref().and_then(|ruling| ruling.rule.as_ref().ok()).map(|(rule, _)| rule);
        let goes_by_date = member.is_of_age() || matches!(rule, Some(RetainRule::Age(_)));
        let by_date = due.filter(|_| goes_by_date).map(Cause::DeleteOn);
        let cause = spent.map(Cause::OrphanedFor).or(by_date).or_else(|| rule.cloned().map(Cause::Rule));
        (reasons, cause)
    }

    /// The newest completed one stays, and the newest that can be restored without hours of waiting. An orphan rule
    /// takes them only together with all others: while one stays, the newest must be there to say by which rule.
    fn as_one_of_the_last(&self, member: &Member<'_>) -> Option<Reason> {
        let at_hand = self.good.iter().find(|member| member.snapshot.tier == Tier::Standard);
        match self.is_newest(member) {
            _ if self.may_all_go => None,
            true => Some(Reason::Newest),
            false => at_hand.filter(|at_hand| at_hand.id() == member.id()).map(|_| Reason::NewestAtHand),
        }
    }

    /// What keeps a snapshot of ours before any rule is asked.
    fn whatever_the_rule(&self, member: &Member<'_>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        reasons.extend(member.is_kept_forever.then_some(Reason::KeepForever));
        reasons.extend(self.stopped.map(Reason::Stopped));
        reasons.extend(self.witness.filter(|witness| *witness == member.id()).map(|_| Reason::Witness));
        reasons.extend(self.case.holds.get(member.id()).cloned().map(Reason::Held));
        match &member.rule {
            OwnRule::KeywordRemoved { key, .. } => reasons.push(Reason::KeywordRemoved(String::from(*key))),
            OwnRule::Unreadable(rule) => reasons.push(unreadable_rule(rule)),
            OwnRule::Rule(_) => {}
        }
        if let Some(Ruling { snapshot: newest, rule: Err(rule) }) = &self.ruling {
            let is_newest_itself = *newest == member.id();
            let is_said = matches!(member.rule, OwnRule::Unreadable(_));
            match is_newest_itself {
                true => reasons.extend((!is_said).then(|| unreadable_rule(rule))),
                false => reasons.push(Reason::UnreadableRuling(String::from(*newest))),
            }
        }
        reasons
    }

    /// What the rule of the newest keeps, and what a snapshot's own keeps after the policy has changed to an age.
    fn by_rule(&self, member: &Member<'_>) -> Vec<Reason> {
        let Some(Ruling { rule: Ok((ruling, zone)), .. }) = &self.ruling else { return Vec::new() };
        let own = member.own();
        let counting = if matches!(ruling, RetainRule::Age(_)) { own } else { Some(ruling) };
        let kept = self.counted.iter().find(|(rule, _)| Some(rule) == counting).map(|(_, kept)| kept);
        let mut reasons = kept.and_then(|kept| kept.get(member.id())).cloned().unwrap_or_default();
        if [Some(ruling), own].contains(&Some(&RetainRule::Forever)) {
            reasons.push(Reason::Forever);
        }
        let undated = member.snapshot.started.filter(|_| !member.is_of_age() && member.delete_on.is_none());
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
    fn as_archived(&self, snapshot: &Snapshot) -> Option<Reason> {
        let (Tier::Archive(since), Some(started)) = (snapshot.tier, snapshot.started) else { return None };
        let until = |time| ARCHIVE_DAYS.after(day(time, Tz::UTC));
        let today = today(self.case, Tz::UTC);
        match (since.and_then(until), until(started)) {
            (Some(until), _) => (until > today).then_some(Reason::Archived(Some(until))),
            (None, Some(at_least)) if at_least > today => Some(Reason::Archived(Some(at_least))),
            (None, _) => Some(Reason::Archived(None)),
        }
    }

    fn is_newest(&self, member: &Member<'_>) -> bool {
        self.good.first().is_some_and(|newest| newest.id() == member.id())
    }

    /// The tags that could not be read, of the snapshots that a rule is asked about.
    fn findings(&self) -> Vec<Finding> {
        let of_member = |member: &&Member<'_>| {
            let id = String::from(member.id());
            let unreadable = member.unreadable().into_iter();
            unreadable.map(move |Unreadable { found, allowed }| Finding::Unreadable {
                snapshot: id.clone(),
                problem: format!("{found}; allowed: {allowed}"),
            })
        };
        self.good.iter().flat_map(of_member).collect()
    }
}

fn unreadable_rule(rule: &Unreadable) -> Reason {
    Reason::UnreadableRule(rule.found.clone())
}

fn ruling<'a>(member: &Member<'a>) -> Option<Ruling<'a>> {
    let rule = match &member.rule {
        OwnRule::KeywordRemoved { .. } => return None,
        OwnRule::Unreadable(rule) => Err(rule.clone()),
        OwnRule::Rule(rule) => member.zone.clone().map(|zone| (rule.clone(), zone)),
    };
    Some(Ruling { snapshot: member.id(), rule })
}

fn day(time: DateTime<Utc>, zone: Tz) -> NaiveDate {
    time.with_timezone(&zone).date_naive()
}

fn today(case: &Case<'_>, zone: Tz) -> NaiveDate {
    day(case.now, zone)
}

/// The rules that count snapshots: the ruling one, or, when that is an age, those of before.
fn counting_rules(ruling: &RetainRule, in_question: &[&Member<'_>]) -> Vec<RetainRule> {
    if !matches!(ruling, RetainRule::Age(_)) {
        return vec![ruling.clone()];
    }
    let mut rules = Vec::new();
    for rule in in_question.iter().filter_map(|member| member.own()) {
        if matches!(rule, RetainRule::Count(_) | RetainRule::Calendar(_)) && !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    rules
}

/// What a count or a calendar keeps of `members`, which stand the newest first.
fn kept<'a>(rule: &RetainRule, zone: Tz, members: &[&Member<'a>]) -> Kept<'a> {
    let mut kept = Kept::new();
    match rule {
        RetainRule::Count(count) => {
            for (index, member) in members.iter().enumerate().take(*count as usize) {
                kept.entry(member.id()).or_default().push(Reason::Count { place: index + 1, of: *count });
            }
        }
        RetainRule::Calendar(periods) => {
            for (period, last) in periods {
                for (index, member) in newest_of_each(*period, zone, members).take(most(*last)).enumerate() {
                    let reason = Reason::Period { period: *period, place: index + 1, of: *last };
                    kept.entry(member.id()).or_default().push(reason);
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
    members: &'b [&'b Member<'a>],
) -> impl Iterator<Item = &'b Member<'a>> {
    let mut seen = HashSet::new();
    members
        .iter()
        .copied()
        .filter(move |member| member.snapshot.started.is_some_and(|started| seen.insert(key(period, started, zone))))
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
