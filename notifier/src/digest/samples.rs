//! One of each kind, for the tests.

use chrono::{DateTime, TimeDelta, Utc};
use shared::vocabulary::class::Class;
use shared::vocabulary::job::{Action, Failure};
use shared::vocabulary::report::{
    Coverage, DeadLetter, Drill, DrillFailure, Dropped, LaneHeld, LaneResumed, Planning, Report, Resolved, Retention,
    Uncovered, Unreadable,
};
use shared::vocabulary::slot::Slot;

use super::{Alarm, AlarmState, EbsFailure, News, Subject};

/// Minutes after two o'clock.
pub(super) fn at(minutes: i64) -> DateTime<Utc> {
    "2026-11-20T02:00:07Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn slot() -> Slot {
    "2026-11-20T02:00:00Z".parse().unwrap()
}

pub(super) fn news(message: &str, subject: Subject) -> News {
    News { message: message.into(), subject }
}

pub(super) fn letter(policy: &str, number: usize, code: &str, message: &str) -> DeadLetter {
    DeadLetter {
        version: 1,
        action: Action::Snapshot,
        job: format!("{number:020}"),
        policy: policy.into(),
        slot: slot(),
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        volume: format!("vol-{number:017}"),
        instance: Some("i-0123456789abcdef0".into()),
        name: Some("db".into()),
        attempts: 1,
        failure: Failure {
            class: None,
            code: code.into(),
            message: message.into(),
            request_id: None,
            first: at(0),
            last: at(0),
            attempts: Vec::new(),
            gave_up: None,
        },
    }
}

pub(super) fn dead(letter: DeadLetter) -> News {
    News { message: format!("m-{}", letter.job), subject: Subject::Report(Report::DeadLetter(letter)) }
}

pub(super) fn held() -> LaneHeld {
    LaneHeld {
        version: 1,
        action: Action::Snapshot,
        policy: "daily".into(),
        slot: slot(),
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        class: Class::Configuration,
        code: "UnauthorizedOperation".into(),
        message: "could not create a snapshot of vol-00000000000000001 in eu-central-1: You are not authorized".into(),
        request_id: Some("4f0d7a3e-0000-4000-8000-000000000000".into()),
        give_up_at: Some(at(23 * 60)),
        at: at(0),
    }
}

pub(super) fn resumed() -> LaneResumed {
    LaneResumed {
        version: 1,
        action: Action::Snapshot,
        policy: "daily".into(),
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        since: at(0),
        at: at(95),
    }
}

pub(super) fn resolved(number: usize) -> Resolved {
    let DeadLetter { job, policy, slot, account, region, volume, name, .. } = letter("daily", number, "", "");
    let outcome = "snapshot snap-0123456789abcdef0".into();
    let (failed, at, action) = (at(0), at(95), Action::Snapshot);
    Resolved { version: 1, action, job, policy, slot, account, region, volume, name, outcome, failed, at }
}

pub(super) fn dropped() -> Dropped {
    Dropped {
        version: 1,
        policy: Some("daily".into()),
        reason: "those volumes are scratch space".into(),
        by: "eve".into(),
        count: 12,
        jobs: (0..10).map(|number| format!("{number:020}")).collect(),
        at: at(95),
    }
}

pub(super) fn retention() -> Retention {
    Retention {
        version: 1,
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        slot: "2026-11-20T03:00:00Z".parse().unwrap(),
        capped: Some("900 of 1000 snapshots would have been deleted, and the cap allows 200: none was".into()),
        would_delete: vec!["vol-2 daily: snap-1, snap-2 and 3 more".into()],
        findings: vec!["vol-1: its backups have stopped".into()],
        count: 4900,
        at: at(60),
    }
}

pub(super) fn coverage() -> Coverage {
    let volume = |number: usize, verdict: &str, why: &str| Uncovered {
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        volume: format!("vol-{number:017}"),
        instance: Some("i-0123456789abcdef0".into()),
        name: Some("db".into()),
        verdict: verdict.into(),
        why: why.into(),
        since: (verdict != "never").then(|| at(0)),
    };
    Coverage {
        version: 1,
        policy: "daily".into(),
        slot: "2026-11-20T06:00:00Z".parse().unwrap(),
        rpo: "26h".into(),
        covered: 468,
        uncovered: 60,
        no_run: false,
        selects_nothing: false,
        volumes: vec![
            volume(1, "failed", "the snapshot of 4h ago ended in error: The key is disabled"),
            volume(2, "never", "there is no backup"),
            volume(3, "stale", "the newest backup is 28h old"),
        ],
        unknown: vec![
            "account 123456789012, us-east-1: could not list volumes in us-east-1: RequestLimitExceeded".into(),
        ],
        findings: vec!["eu-central-1: vol-4: snap-4 has been pending since 2026-11-18 02:00 UTC".into()],
        finding_count: 1,
        unselected: vec!["eu-central-1: vol-5 (scratch)".into()],
        unselected_count: 40,
        enqueued: 58,
        unsent: vec!["account 123456789012, eu-central-1: 2 jobs were not enqueued: ServiceUnavailable".into()],
        at: at(240),
    }
}

pub(super) fn planning() -> Planning {
    let problems = vec!["`retain` is \"7 days\"; allowed: `7d`".into()];
    Planning { version: 1, policy: None, slot: None, problems, at: at(0) }
}

pub(super) fn unreadable() -> Unreadable {
    let problem = "`version` is 2; allowed: 1; a newer message needs a newer worker".into();
    Unreadable { version: 1, message_id: "5f0d7a3e".into(), problem, at: at(0) }
}

pub(super) fn ebs() -> EbsFailure {
    EbsFailure {
        event: "createSnapshot".into(),
        cause: "Snapshot snap-01234567 is in status error".into(),
        snapshot: "snap-01234567".into(),
        source: "vol-01234567".into(),
        region: "eu-central-1".into(),
        account: "123456789012".into(),
    }
}

pub(super) fn alarm(name: &str, state: AlarmState, minutes: i64) -> Alarm {
    Alarm {
        name: name.into(),
        state,
        reason: "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (0.0).".into(),
        region: "eu-central-1".into(),
        account: "123456789012".into(),
        at: Some(at(minutes)),
    }
}

pub(super) fn drill() -> Drill {
    let failed = DrillFailure {
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        snapshot: "snap-00000000000000001".into(),
        volume: "vol-00000000000000001".into(),
        reason: "vol-00000000000000009 ended in error".into(),
    };
    Drill {
        version: 1,
        policy: "daily".into(),
        drill: "r-3f2a9c07be51".into(),
        seed: "2026-11-20".into(),
        succeeded: 2,
        failed: vec![failed],
        at: at(35),
    }
}

/// All the kinds of reports, and each of AWS's.
pub(super) fn all() -> Vec<Subject> {
    let mut prune = letter("daily", 2, "SnapshotLimitExceeded", "too many");
    prune.action = Action::Prune;
    let reports = [
        Report::DeadLetter(letter("daily", 1, "InternalError", "An internal error")),
        Report::DeadLetter(prune),
        Report::LaneHeld(held()),
        Report::LaneResumed(resumed()),
        Report::Resolved(resolved(1)),
        Report::Dropped(dropped()),
        Report::Drill(drill()),
        Report::Retention(retention()),
        Report::Coverage(coverage()),
        Report::Planning(planning()),
        Report::Unreadable(unreadable()),
    ];
    let states = [AlarmState::Alarm, AlarmState::Ok, AlarmState::InsufficientData];
    let alarms = states.map(|state| Subject::Alarm(alarm("dead-letters", state, 0)));
    let others = [Subject::Ebs(ebs()), Subject::Unreadable("hello".into())];
    reports.map(Subject::Report).into_iter().chain(alarms).chain(others).collect()
}
