//! Tags: whoever may tag a volume or a snapshot may write anything there.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use planner::place::Place;
use planner::survey::Survey;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use shared::rules::forecast::forecast;
use shared::rules::retention::{Case, Cause, Decision, judge};
use shared::rules::tags::snapshot_tags;
use shared::vocabulary::inventory::{AttachedVolume, Holds, Instance, Presence, Snapshot, Tags, Tier, Volume};
use shared::vocabulary::job::{Action, Job};
use shared::vocabulary::policy::Policy;

use crate::hostile::hostile;
use crate::jobs::check_job;
use crate::policies::now;
use crate::{Least, Reached, fuzz};

const ACCOUNT: &str = "123456789012";
const VOLUME: &str = "vol-0123456789abcdef0";

/// What EC2 lets a resource have: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
fn tags(most: usize) -> impl Strategy<Value = Tags> {
    let cut = |text: String, most: usize| text.chars().take(most).collect::<String>();
    let key = hostile().prop_map(move |key| cut(key, 128)).prop_filter("EC2 has no empty key", |key| !key.is_empty());
    let value = hostile().prop_map(move |value| cut(value, 256));
    // Many now and then: they are what takes the time.
    prop_oneof![7 => btree_map(key.clone(), value.clone(), 0..=most.min(6)), 1 => btree_map(key, value, 0..=most)]
}

/// EC2 takes these tags.
pub(crate) fn check_snapshot_tags(job: &Job) -> Result<(), TestCaseError> {
    if job.action == Action::Prune {
        return Ok(());
    }
    let tags = snapshot_tags(job);
    prop_assert!(tags.len() <= 50, "{} tags", tags.len());
    let keys: BTreeSet<&String> = tags.iter().map(|(key, _)| key).collect();
    prop_assert_eq!(keys.len(), tags.len(), "a key stands there twice: {:?}", tags);
    for (key, value) in &tags {
        prop_assert!((1..=128).contains(&key.chars().count()), "{key:?}");
        prop_assert!(value.chars().count() <= 256, "{key:?} is {value:?}");
        prop_assert!(!key.to_lowercase().starts_with("aws:"), "{key:?}");
    }
    // Whatever was asked for, whose it is and which job made it is said once, and by us.
    prop_assert_eq!(&tags[0], &("snapkeep:policy".into(), job.policy.clone()));
    prop_assert_eq!(&tags[1], &("snapkeep:job".into(), job.id.clone()));
    prop_assert!(!keys.contains(&String::from("KeepForever")), "a person's order that nobody gave");
    Ok(())
}

#[test]
fn whatever_tags_a_volume_has_its_job_is_read_and_its_snapshot_taken() {
    let retain = select(&["7d", "3", "forever", "daily=7"][..]);
    let parts = (tags(50), tags(50), tags(35), hostile(), retain, any::<bool>(), any::<bool>());
    fuzz(
        "volumes",
        &parts,
        Least { inside: 99, the_end: 40 },
        |(volume, instance, own, device, retain, copies, by_tag)| {
            let own: Tags = own.into_iter().filter(|(key, _)| key.chars().count() < 128).collect();
            let mut event = json!({"action": "snapshot", "policy": "daily", "select": {"tags": {}}, "retain": retain,
            "copy_tags": copies, "tags": own});
            if by_tag {
                event = json!({"SnapshotKeyWord": "daily"});
            }
            // What the policy may not say is tried without its tags.
            let policy = Policy::parse(&event, now()).or_else(|_| {
                event["tags"] = json!({});
                Policy::parse(&event, now())
            });
            check_volume(&policy.unwrap(), volume, instance, device)
        },
    );
}

fn check_volume(policy: &Policy, volume: Tags, mut instance: Tags, device: String) -> Result<Reached, TestCaseError> {
    let id = "i-0123456789abcdef0";
    instance.entry("daily".into()).or_insert("3".into());
    let volumes = vec![AttachedVolume { id: VOLUME.into(), device }];
    let mut survey = Survey::new(policy, Place { account: ACCOUNT.into(), role: None, region: "eu-central-1".into() });
    survey.add_instances(vec![Instance { id: id.into(), tags: instance, root_device: None, volumes }]);
    let volume = Volume { id: VOLUME.into(), state: "in-use".into(), tags: volume, ..Volume::default() };
    let job = survey.add_volume(&volume).unwrap();
    let copied = &job.tags;
    prop_assert!(
        copied.len() <= 41 && copied.keys().all(|key| key != "DeleteOn" && key != "KeepForever"),
        "{copied:?}"
    );
    check_job(&job)?;
    let told: usize = survey.finish(None).warnings.iter().map(String::len).sum();
    prop_assert!(told < 100_000, "{told} bytes of warnings");
    Ok(if copied.len() > 5 { Reached::TheEnd } else { Reached::Inside })
}

/// A snapshot as a worker makes it, and then tagged by whoever may.
fn snapshot() -> impl Strategy<Value = Snapshot> {
    let rules = select(&["7d", "3", "1", "forever", "daily=7 weekly=all", "hourly=3"][..]);
    let state = prop_oneof![8 => Just("completed"), 1 => Just("pending"), 1 => Just("error"), 1 => Just("")];
    let age = prop_oneof![20 => 0_i64..200_000, 1 => -1_000..0_i64, 1 => Just(1_000_000_000)];
    let tier = prop_oneof![9 => Just(Tier::Standard), 1 => Just(Tier::Archive(None))];
    let some = prop::bool::weighted(0.9);
    let edits = prop_oneof![1 => Just(Tags::new()), 1 => tags(6)];
    (0_u8..40, rules, state, age, tier, some, edits, 0_u8..8).prop_map(
        |(id, rule, state, age, tier, is_ours, edits, job)| {
            let started = now() - TimeDelta::minutes(age);
            let mut tags = Tags::from(
                [
                    ("snapkeep:retain", rule.into()),
                    ("snapkeep:volume", VOLUME.into()),
                    ("snapkeep:job", format!("job-{job}")),
                    ("snapkeep:slot", "2026-11-20T02:00:00Z".into()),
                ]
                .map(|(key, value): (&str, String)| (key.into(), value)),
            );
            tags.extend(is_ours.then(|| ("snapkeep:policy".into(), "daily".into())));
            if rule.ends_with('d') {
                tags.insert("DeleteOn".into(), if job < 4 { "2026-11-27" } else { "2026-11-19" }.into());
            }
            tags.extend(edits);
            Snapshot {
                id: format!("snap-{id:02}"),
                volume: if id == 39 { "vol-ffffffff" } else { VOLUME }.into(),
                owner: if id == 38 { "210987654321" } else { ACCOUNT }.into(),
                started: (id != 37).then_some(started),
                state: state.into(),
                is_copy: id == 36,
                tier,
                tags,
                ..Snapshot::default()
            }
        },
    )
}

#[test]
fn whatever_tags_snapshots_have_nothing_foreign_expires_and_no_order_is_overruled() {
    let presence = select(&[(Presence::Living, "keep-last"), (Presence::Gone, "by-rule"), (Presence::Gone, "5d")][..]);
    let looks_ahead = prop::bool::weighted(0.02);
    let parts = (vec(snapshot(), 0..12), presence, looks_ahead);
    fuzz(
        "snapshots",
        &parts,
        Least { inside: 60, the_end: 28 },
        |(mut snapshots, (presence, orphans), looks_ahead)| {
            let mut ids = BTreeSet::new();
            snapshots.retain(|snapshot| ids.insert(snapshot.id.clone()));
            let (holds, orphans) = (Holds::new(), orphans.parse().unwrap());
            check_snapshots(
                &Case { account: ACCOUNT, volume: VOLUME, presence, orphans, holds: &holds, now: now() },
                &snapshots,
                looks_ahead,
            )
        },
    );
}

fn check_snapshots(case: &Case<'_>, snapshots: &[Snapshot], looks_ahead: bool) -> Result<Reached, TestCaseError> {
    let judgement = judge(case, snapshots);
    prop_assert_eq!(judgement.verdicts.len(), snapshots.len());
    let find = |id: &str| snapshots.iter().find(|snapshot| snapshot.id == id).unwrap();
    for verdict in &judgement.verdicts {
        prop_assert!(
            !verdict.why().is_empty() && verdict.why().iter().all(|why| why.chars().count() < 1000),
            "{verdict:?}"
        );
        if !verdict.expires() {
            continue;
        }
        let snapshot = find(&verdict.snapshot);
        let tags = &snapshot.tags;
        let is_managed = tags.keys().any(|key| key.starts_with("aws:dlm:") || key.starts_with("aws:backup:"));
        let is_ours = tags.contains_key("snapkeep:policy") && snapshot.owner == ACCOUNT && snapshot.volume == VOLUME;
        prop_assert!(is_ours && !is_managed && !snapshot.is_copy, "{verdict:?} {snapshot:?}");
        prop_assert!(!tags.contains_key("KeepForever"), "{snapshot:?}");
        if matches!(verdict.decision, Decision::Expire(Cause::DeleteOn(_) | Cause::Rule(_) | Cause::OrphanedFor(_))) {
            prop_assert!(
                tags["snapkeep:retain"].trim() != "forever" || tags.contains_key("snapkeep:keyword"),
                "{snapshot:?}"
            );
        }
        prop_assert!(snapshot.started.is_some_and(|started| started <= case.now), "{snapshot:?}");
        prop_assert!(["completed", "error"].contains(&snapshot.state.as_str()), "{snapshot:?}");
        if let Decision::Expire(Cause::TakenTwice { stays }) = &verdict.decision {
            let (job, stays_too) = (
                &find(stays).tags["snapkeep:job"],
                judgement.verdicts.iter().any(|other| other.snapshot == *stays && !other.expires()),
            );
            prop_assert!(stays_too && !job.is_empty() && job == &tags["snapkeep:job"], "{verdict:?}");
        }
    }
    prop_assert!(judgement.findings.iter().all(|finding| finding.to_string().chars().count() < 1000));
    if looks_ahead {
        let goes = forecast(case, snapshots);
        prop_assert!(goes.values().all(|time: &DateTime<Utc>| *time >= case.now));
    }
    let is_edited = |snapshot: &Snapshot| snapshot.tags.len() > 6;
    let expires = judgement.verdicts.iter().any(|verdict| verdict.expires());
    Ok(match (snapshots.iter().any(is_edited), expires) {
        (true, true) => Reached::TheEnd,
        (true, false) => Reached::Inside,
        _ => Reached::Nothing,
    })
}
