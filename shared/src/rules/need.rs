//! Whether what a dead letter asks for is still needed, by what EC2 shows now.

use std::fmt;

use chrono::{DateTime, Utc};

use super::retention::{Case, is_copy, is_good, judge};
use crate::vocabulary::inventory::{Holds, Presence, Snapshot};
use crate::vocabulary::job::{Action, Job};
use crate::vocabulary::slot::Slot;
use crate::vocabulary::tag;

/// What EC2 shows of a job's volume.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The volume's snapshots that bear the tag of a policy of ours, all of them.
    pub snapshots: &'a [Snapshot],
    /// Whether the volume is there.
    pub presence: Presence,
    /// What EC2 would not delete. Only jobs that prune look at it.
    pub holds: &'a Holds,
}

/// Whether the job is still needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nobody has done it since.
    Needed(String),
    /// There is a completed snapshot of the job, or a later one of its policy and volume.
    BackedUp(String),
    /// Such a snapshot is being made.
    UnderWay(String),
    /// The volume is not there any more, and no such snapshot is.
    Gone(String),
    /// No rule lets go a snapshot of its policy and volume.
    Done(String),
}

impl Need {
    /// One word, for tables and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Needed(_) => "needed",
            Self::BackedUp(_) => "backed-up",
            Self::UnderWay(_) => "under-way",
            Self::Gone(_) => "gone",
            Self::Done(_) => "done",
        }
    }

    /// Why, in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Needed(why) | Self::BackedUp(why) | Self::UnderWay(why) | Self::Gone(why) | Self::Done(why) => why,
        }
    }

    /// Whether somebody must still do it.
    pub fn is_needed(&self) -> bool {
        matches!(self, Self::Needed(_))
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), self.why())
    }
}

/// Whether `job` is still needed. What is doubtful is needed: a job that is done twice does nothing twice.
pub fn need(job: &Job, sight: &Sight<'_>, now: DateTime<Utc>) -> Need {
    match job.action {
        Action::Snapshot => of_snapshot(job, sight, now),
        Action::Prune => of_prune(job, sight, now),
    }
}

/// A snapshot of a later slot shows the volume at a later time: the missing one would add nothing to restore from but
/// an older state, and could not show it any more.
fn of_snapshot(job: &Job, sight: &Sight<'_>, now: DateTime<Utc>) -> Need {
    let made: Vec<&Snapshot> = sight.snapshots.iter().filter(|snapshot| serves(job, snapshot)).collect();
    let newest_of = |is_such: &dyn Fn(&Snapshot) -> bool| {
        let such = made.iter().filter(|snapshot| is_such(snapshot));
        such.max_by_key(|snapshot| (snapshot.started, &snapshot.id))
    };
    if let Some(snapshot) = newest_of(&|snapshot| is_good(snapshot, now)) {
        return Need::BackedUp(told(job, snapshot, "completed"));
    }
    if let Some(snapshot) = newest_of(&|snapshot| snapshot.state == "pending") {
        return Need::UnderWay(told(job, snapshot, "pending"));
    }
    match (sight.presence, newest_of(&|snapshot| snapshot.state == "error")) {
        (Presence::Gone, _) => Need::Gone("the volume is not there any more".into()),
        (Presence::Living, Some(failed)) => Need::Needed(format!("{} is in error, and no other is there", failed.id)),
        (Presence::Living, None) => Need::Needed(format!("no snapshot of {} since the slot {}", job.policy, job.slot)),
    }
}

/// Whether the snapshot is of the job itself, or of its policy and volume with a slot that is no earlier. One in another
/// account, or a copy, whose volume is arbitrary, is nobody's backup here.
fn serves(job: &Job, snapshot: &Snapshot) -> bool {
    let tag = |key: &str| snapshot.tags.get(key).map(String::as_str);
    let is_of_volume = snapshot.volume == job.volume && snapshot.owner == job.account && !is_copy(snapshot);
    let is_later = || slot_of(snapshot).is_some_and(|slot| slot >= job.slot);
    let is_of_policy = || tag(tag::POLICY) == Some(job.policy.as_str());
    is_of_volume && (tag(tag::JOB) == Some(job.id.as_str()) || is_of_policy() && is_later())
}

fn slot_of(snapshot: &Snapshot) -> Option<Slot> {
    snapshot.tags.get(tag::SLOT)?.parse().ok()
}

fn told(job: &Job, snapshot: &Snapshot, state: &str) -> String {
    let began =
        snapshot.started.map_or("at an unknown time".into(), |time| time.format("%Y-%m-%d %H:%M UTC").to_string());
    let whose = match slot_of(snapshot) {
        Some(slot) if slot != job.slot => format!("of the slot {slot}"),
        _ => "of this job".into(),
    };
    format!("{} {whose}, begun {began}, {state}", snapshot.id)
}

/// The rules are asked as the worker asks them, whether the volume is there or not: orphans are pruned too.
fn of_prune(job: &Job, sight: &Sight<'_>, now: DateTime<Utc>) -> Need {
    let case = Case {
        account: &job.account,
        volume: &job.volume,
        presence: sight.presence,
        orphans: job.orphans,
        holds: sight.holds,
        now,
    };
    let verdicts = judge(&case, sight.snapshots).verdicts;
    let is_to_go = |verdict: &&super::retention::Verdict| {
        verdict.policy.as_deref() == Some(job.policy.as_str()) && verdict.expires()
    };
    match verdicts.iter().filter(is_to_go).count() {
        0 => Need::Done(format!("no rule lets go a snapshot of {} and the volume", job.policy)),
        1 => Need::Needed(format!("no rule keeps one snapshot of {} and the volume", job.policy)),
        count => Need::Needed(format!("no rule keeps {count} snapshots of {} and the volume", job.policy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const ACCOUNT: &str = "123456789012";
    const VOLUME: &str = "vol-0123456789abcdef0";

    fn job(action: &str) -> Job {
        let body = format!(
            r#"{{"version":1,"action":"{action}","job":"j-1","policy":"daily","slot":"2026-11-20T02:00:00Z",
            "account":"{ACCOUNT}","region":"eu-central-1","volume":"{VOLUME}","retain":"7d"}}"#
        );
        Job::parse(&body).unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// `snap-1 completed 1 slot=… job=…`: its id, its state, how many days ago it was begun, and its tags of ours.
    fn snapshot(text: &str) -> Snapshot {
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap();
        let (id, state, days) = (next().into(), next().into(), next().parse().unwrap());
        let mut snapshot = Snapshot {
            id,
            state,
            volume: VOLUME.into(),
            owner: ACCOUNT.into(),
            started: Some(now() - TimeDelta::days(days)),
            tags: [(tag::POLICY.into(), "daily".into()), (tag::VOLUME.into(), VOLUME.into())].into(),
            ..Snapshot::default()
        };
        for (key, value) in words.map(|word| word.split_once('=').unwrap()) {
            match key {
                "owner" => snapshot.owner = value.into(),
                "copy" => snapshot.is_copy = true,
                key => drop(snapshot.tags.insert(format!("snapkeep:{key}"), value.into())),
            }
        }
        snapshot
    }

    fn check(action: &str, presence: Presence, snapshots: &[&str], expected: &str) {
        let snapshots: Vec<Snapshot> = snapshots.iter().map(|text| snapshot(text)).collect();
        let sight = Sight { snapshots: &snapshots, presence, holds: &Holds::new() };
        assert_eq!(need(&job(action), &sight, now()).to_string(), expected, "{snapshots:#?}");
    }

    #[test]
    fn a_backup_is_needed_until_the_job_or_a_later_slot_of_its_policy_has_one() {
        let check = |snapshots: &[&str], expected| check("snapshot", Presence::Living, snapshots, expected);
        const NEEDED: &str = "needed: no snapshot of daily since the slot 2026-11-20T02:00:00Z";
        check(&[], NEEDED);
        check(&["snap-1 completed 3 slot=2026-11-19T02:00:00Z job=j-0"], NEEDED);
        check(&["snap-1 completed 1 slot=2026-11-21T02:00:00Z policy=weekly"], NEEDED);
        check(&["snap-1 completed 1 slot=2026-11-21T02:00:00Z owner=210987654321"], NEEDED);
        check(&["snap-1 completed 1 slot=2026-11-21T02:00:00Z copy=yes"], NEEDED);
        check(&["snap-1 completed 1 slot=tomorrow"], NEEDED);
        check(&["snap-1 recovering 1 slot=2026-11-21T02:00:00Z"], NEEDED);
        check(&["snap-1 completed -1 slot=2026-11-21T02:00:00Z"], NEEDED);
        check(
            &["snap-1 completed 2 slot=2026-11-20T02:00:00Z job=j-1"],
            "backed-up: snap-1 of this job, begun 2026-11-20 12:00 UTC, completed",
        );
        check(&["snap-1 completed 2 job=j-1"], "backed-up: snap-1 of this job, begun 2026-11-20 12:00 UTC, completed");
        check(
            &["snap-1 completed 1 slot=2026-11-21T02:00:00Z job=j-2", "snap-2 pending 0 slot=2026-11-22T02:00:00Z"],
            "backed-up: snap-1 of the slot 2026-11-21T02:00:00Z, begun 2026-11-21 12:00 UTC, completed",
        );
        check(
            &["snap-1 completed 1 slot=2026-11-21T02:00:00Z", "snap-2 completed 0 slot=2026-11-22T02:00:00Z"],
            "backed-up: snap-2 of the slot 2026-11-22T02:00:00Z, begun 2026-11-22 12:00 UTC, completed",
        );
        check(
            &["snap-1 pending 0 slot=2026-11-20T02:00:00Z job=j-1"],
            "under-way: snap-1 of this job, begun 2026-11-22 12:00 UTC, pending",
        );
        check(
            &["snap-1 error 2 slot=2026-11-20T02:00:00Z job=j-1"],
            "needed: snap-1 is in error, and no other is there",
        );
    }

    #[test]
    fn of_a_volume_that_is_gone_nothing_is_needed_and_what_was_made_in_time_is_told() {
        let check = |snapshots: &[&str], expected| check("snapshot", Presence::Gone, snapshots, expected);
        check(&[], "gone: the volume is not there any more");
        check(&["snap-1 error 1 job=j-1"], "gone: the volume is not there any more");
        check(&["snap-1 completed 3 slot=2026-11-19T02:00:00Z"], "gone: the volume is not there any more");
        check(&["snap-1 completed 2 job=j-1"], "backed-up: snap-1 of this job, begun 2026-11-20 12:00 UTC, completed");
    }

    #[test]
    fn a_prune_is_needed_while_the_rules_let_go_something_of_its_policy() {
        let check = |snapshots: &[&str], expected| check("prune", Presence::Living, snapshots, expected);
        const DONE: &str = "done: no rule lets go a snapshot of daily and the volume";
        let two = ["snap-1 completed 1 retain=1", "snap-2 completed 2 retain=1"];
        check(&[], DONE);
        check(&two[..1], DONE);
        check(&two, "needed: no rule keeps one snapshot of daily and the volume");
        let three = [two[0], two[1], "snap-3 completed 3 retain=1"];
        check(&three, "needed: no rule keeps 2 snapshots of daily and the volume");
        let of_another = ["snap-1 completed 1 retain=1 policy=hourly", "snap-2 completed 2 retain=1 policy=hourly"];
        check(&of_another, DONE);
    }

    #[test]
    fn a_prune_of_orphans_goes_by_the_orphan_rule_of_its_job() {
        let snapshots = [snapshot("snap-1 completed 400 retain=1")];
        let sight = Sight { snapshots: &snapshots, presence: Presence::Gone, holds: &Holds::new() };
        assert_eq!(need(&job("prune"), &sight, now()).word(), "done", "the last one stays");
        let job = Job { orphans: "90d".parse().unwrap(), ..job("prune") };
        assert_eq!(need(&job, &sight, now()).word(), "needed");
    }
}
