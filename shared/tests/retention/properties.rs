//! What holds for whatever snapshots a volume has.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use shared::rules::retention::{Case, Cause, Decision, Finding, Judgement, judge};
use shared::vocabulary::inventory::{Hold, Holds, Presence, Snapshot, Tier};
use shared::vocabulary::retain::RetainRule;
use shared::vocabulary::slot::Slot;

use crate::golden::{ACCOUNT, VOLUME, by_the_job_of, made};
use crate::naive;

/// Everything that the verdicts depend on.
#[derive(Debug, Clone)]
struct Scene {
    now: DateTime<Utc>,
    is_gone: bool,
    orphans: &'static str,
    holds: Holds,
    snapshots: Vec<Snapshot>,
}

const ZONES: [Tz; 4] = [Tz::UTC, Tz::Europe__Zurich, Tz::Australia__Lord_Howe, Tz::America__New_York];
const RULES: [&str; 16] = [
    "1",
    "2",
    "3",
    "7",
    "1d",
    "2d",
    "7d",
    "1w",
    "1m",
    "12m",
    "1y",
    "forever",
    "daily=2",
    "hourly=3 daily=2 weekly=1",
    "monthly=2 quarterly=2",
    "daily=1 yearly=all",
];
/// Around these the calendar does something: DST in Zurich, Lord Howe and New York, year ends, leap days, an ISO week 53.
const MOMENTS: [&str; 10] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
    "2026-11-01T06:00:00Z",
    "2026-12-31T23:00:00Z",
    "2027-01-03T23:59:59Z",
    "2028-02-29T12:00:00Z",
    "2027-03-01T00:00:00Z",
    "2026-07-01T00:00:00Z",
];

impl Scene {
    fn case(&self) -> Case<'_> {
        Case {
            account: ACCOUNT,
            volume: VOLUME,
            presence: if self.is_gone { Presence::Gone } else { Presence::Living },
            orphans: self.orphans.parse().unwrap(),
            holds: &self.holds,
            now: self.now,
        }
    }

    fn naive(&self) -> naive::World<'_> {
        let Self { is_gone, orphans, now, ref holds, .. } = *self;
        naive::World { account: ACCOUNT, volume: VOLUME, is_gone, orphans, holds, now }
    }

    fn judged(&self) -> Judgement {
        judge(&self.case(), &self.snapshots)
    }

    /// The ids of those that stay.
    fn kept(&self) -> BTreeSet<String> {
        let verdicts = self.judged().verdicts.into_iter();
        verdicts.filter(|verdict| !verdict.expires()).map(|verdict| verdict.snapshot).collect()
    }

    fn with(&self, snapshots: Vec<Snapshot>) -> Self {
        Self { snapshots, ..self.clone() }
    }
}

/// The slot of the job that made a snapshot, whatever was done to its tags since.
const MADE_IN: &str = "made-in";
/// On those that nothing has happened to.
const UNTOUCHED: &str = "untouched";

/// Snapshots as the worker makes them, three in ten a double of the next, and then as the world treats them.
fn scene() -> impl Strategy<Value = Scene> {
    let moment = prop::sample::select(&MOMENTS[..]).prop_map(|text| text.parse::<DateTime<Utc>>().unwrap());
    let setting = (moment, prop::bool::weighted(0.2), prop::sample::select(&["keep-last", "by-rule", "5d"][..]));
    let rules = prop::collection::vec(prop::sample::select(&RULES[..]), 1..3);
    let takes =
        prop::collection::vec((step(), prop::num::u8::ANY, prop::num::u8::ANY, prop::bool::weighted(0.3)), 0..14);
    (setting, prop::sample::select(&ZONES[..]), rules, takes, prop::bool::weighted(0.1)).prop_map(
        |((now, is_gone, orphans), zone, rules, takes, is_keyword)| {
            let mut scene = Scene { now, is_gone, orphans, holds: Holds::new(), snapshots: Vec::new() };
            let (mut started, mut job) = (now, None);
            for (index, (step, fate, which, is_double)) in takes.into_iter().enumerate() {
                started -= step;
                let slot = Slot::at(started - TimeDelta::seconds(index.try_into().unwrap()));
                let (slot, which) = job.filter(|_| is_double).unwrap_or((slot, which));
                job = Some((slot, which));
                let rule: RetainRule = rules[usize::from(which) % rules.len()].parse().unwrap();
                let mut snapshot = made(&format!("snap-{:02}", (index * 7) % 20), Some(started), Some(&rule), zone);
                by_the_job_of(&mut snapshot, slot, Some(&rule), zone);
                snapshot.tags.insert(MADE_IN.into(), slot.to_string());
                if is_keyword {
                    as_a_keywords(&mut snapshot, which);
                }
                happens(&mut snapshot, fate, &mut scene.holds, now);
                scene.snapshots.push(snapshot);
            }
            scene
        },
    )
}

/// From one snapshot back to the one before: nothing, minutes, hours, days or months.
fn step() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![
        1 => Just(TimeDelta::zero()),
        2 => (1_i64..90).prop_map(TimeDelta::minutes),
        4 => (1_i64..40).prop_map(TimeDelta::hours),
        4 => (1_i64..9).prop_map(TimeDelta::days),
        1 => (20_i64..200).prop_map(TimeDelta::days),
    ]
}

fn as_a_keywords(snapshot: &mut Snapshot, which: u8) {
    snapshot.tags.remove("DeleteOn");
    // Half of them were made before a tag said which tag counts: that it is one is seen by the policy's name.
    if which.is_multiple_of(2) {
        snapshot.tags.insert("snapkeep:keyword".into(), "daily".into());
    }
    snapshot.tags.insert("daily".into(), (1 + which % 5).to_string());
}

/// Two in three are left as they are.
fn happens(snapshot: &mut Snapshot, fate: u8, holds: &mut Holds, now: DateTime<Utc>) {
    let mut tag = |key: &str, value: &str| drop(snapshot.tags.insert(key.into(), value.into()));
    match fate {
        0..4 => tag("KeepForever", "no"),
        4..8 => tag("DeleteOn", "2099-01-01"),
        8..12 => tag("DeleteOn", "2020-01-01"),
        12..14 => tag("DeleteOn", "soon"),
        14..16 => tag("snapkeep:retain", "soon"),
        16..17 => tag("snapkeep:time-zone", "Zurich"),
        17..20 => tag("snapkeep:policy", "another"),
        20..22 => tag("snapkeep:volume", "vol-2"),
        22..24 => tag("aws:backup:source-resource", "x"),
        24..28 => drop(snapshot.tags.remove("DeleteOn")),
        28..31 => drop(snapshot.tags.remove("daily")),
        31..33 => drop(snapshot.tags.remove("snapkeep:policy")),
        33..34 => drop(snapshot.tags.remove("snapkeep:retain")),
        34..42 => snapshot.state = "pending".into(),
        42..50 => snapshot.state = "error".into(),
        50..52 => snapshot.state = "recovering".into(),
        52..54 => snapshot.owner = "210987654321".into(),
        54..56 => snapshot.is_copy = true,
        56..58 => snapshot.started = Some(now + TimeDelta::minutes(5)),
        58..59 => snapshot.started = None,
        59..62 => snapshot.tier = Tier::Archive(None),
        62..66 => snapshot.tier = Tier::Archive(Some(now - TimeDelta::days(2 * i64::from(fate)))),
        66..69 => drop(holds.insert(snapshot.id.clone(), Hold::Image("ami-1".into()))),
        69..71 => drop(snapshot.tags.remove("snapkeep:job")),
        71..73 => tag("snapkeep:job", ""),
        73..75 => tag("snapkeep:job", "another"),
        75..77 => tag("snapkeep:slot", "soon"),
        _ => tag(UNTOUCHED, ""),
    }
}

/// A rule that keeps at least as long.
fn longer(rule: &str) -> String {
    match rule.parse::<u32>() {
        Ok(count) => (count + 1).to_string(),
        Err(_) if rule == "forever" => rule.into(),
        Err(_) if rule.contains('=') => format!("{rule} ").replace("=1 ", "=2 ").replace("=3 ", "=all ").trim().into(),
        Err(_) => {
            let (length, unit) = rule.split_at(rule.len() - 1);
            format!("{}{unit}", length.parse::<u32>().unwrap() + 1)
        }
    }
}

fn is_ours(snapshot: &Snapshot) -> bool {
    snapshot.tags.contains_key("snapkeep:policy") && snapshot.owner == ACCOUNT && !snapshot.is_copy
}

/// Ten thousand, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { 10_000 } else { default.cases };
    ProptestConfig { cases, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_snapshot_has_one_verdict_with_a_reason_and_the_manual_agrees(scene in scene()) {
        let judged = scene.judged();
        let named: BTreeSet<&str> = judged.verdicts.iter().map(|verdict| verdict.snapshot.as_str()).collect();
        prop_assert_eq!((named.len(), judged.verdicts.len()), (scene.snapshots.len(), scene.snapshots.len()));
        let kept = scene.kept();
        for verdict in &judged.verdicts {
            prop_assert!(!verdict.why().is_empty() && verdict.why().iter().all(|why| !why.is_empty()));
            let snapshot = scene.snapshots.iter().find(|snapshot| snapshot.id == verdict.snapshot).unwrap();
            let stays = naive::stays(&scene.naive(), snapshot, &scene.snapshots);
            prop_assert_eq!(!verdict.expires(), stays, "{:?} {:?}", verdict, snapshot);
            // Nothing foreign is ever named, and no order of a person is overruled.
            let is_spoken_for = snapshot.tags.contains_key("KeepForever") || scene.holds.contains_key(&snapshot.id);
            prop_assert!(!verdict.expires() || (is_ours(snapshot) && !is_spoken_for), "{verdict:?}");
            prop_assert!(!verdict.expires() || ["completed", "error"].contains(&snapshot.state.as_str()));
            // None goes for another that goes too.
            if let Decision::Expire(Cause::TakenTwice { stays }) = &verdict.decision {
                prop_assert!(kept.contains(stays), "{verdict:?}");
            }
        }

        // The newest completed one of each policy survives, while its volume lives.
        for policy in ["daily", "another"] {
            let newest = scene
                .snapshots
                .iter()
                .filter(|snapshot| is_ours(snapshot) && snapshot.tags["snapkeep:policy"] == policy)
                .filter(|snapshot| snapshot.state == "completed" && snapshot.started <= Some(scene.now))
                .max_by_key(|snapshot| (snapshot.started, &snapshot.id));
            if let Some(newest) = newest.filter(|_| !scene.is_gone || scene.orphans == "keep-last") {
                prop_assert!(kept.contains(&newest.id), "{newest:?} went");
            }
        }

        // Pruned once, there is nothing left to prune.
        let left: Vec<Snapshot> =
            scene.snapshots.iter().filter(|snapshot| kept.contains(&snapshot.id)).cloned().collect();
        prop_assert_eq!(scene.with(left).kept(), kept.clone(), "pruned twice");

        // What a job made twice is there once, unless a calendar counts the two in two periods.
        let rule = |snapshot: &Snapshot| snapshot.tags.get("snapkeep:retain").cloned();
        let has_calendars = scene.snapshots.iter().filter_map(rule).any(|rule| rule.contains('='));
        let is_keyword = scene.snapshots.iter().any(|snapshot| snapshot.tags.contains_key("daily"));
        if judged.findings.is_empty() && !has_calendars && !is_keyword {
            let stays = |snapshot: &&Snapshot| snapshot.tags.contains_key(UNTOUCHED) && kept.contains(&snapshot.id);
            let staying = scene.snapshots.iter().filter(stays);
            let jobs: Vec<_> = staying.map(|snapshot| (&snapshot.tags[MADE_IN], rule(snapshot))).collect();
            prop_assert_eq!(jobs.iter().collect::<BTreeSet<_>>().len(), jobs.len(), "{:?}", jobs);
        }

        // The order in which EC2 lists them does not matter.
        let mut turned = scene.snapshots.clone();
        turned.reverse();
        turned.rotate_left(scene.snapshots.len() / 3);
        prop_assert_eq!(scene.with(turned).judged(), judged, "in another order");

        // A longer rule keeps all that a shorter one keeps: of rules that can be read, and while backups go on. When
        // they have stopped, the shorter rule keeps everything, and the longer one may not have come to that yet.
        let is_edited = |snapshot: &Snapshot| snapshot.tags.get("snapkeep:retain").is_none_or(|rule| rule == "soon");
        let has_stopped = scene.judged().findings.iter().any(|finding| matches!(finding, Finding::Stopped { .. }));
        if !has_stopped && !scene.snapshots.iter().any(is_edited) {
            let longer = scene.snapshots.iter().map(under_a_longer_rule).collect();
            let kept_longer = scene.with(longer).kept();
            prop_assert!(kept_longer.is_superset(&kept), "{:?} are lost", kept.difference(&kept_longer));
        }
    }
}

fn under_a_longer_rule(snapshot: &Snapshot) -> Snapshot {
    let mut snapshot = snapshot.clone();
    let rule: RetainRule = longer(&snapshot.tags["snapkeep:retain"]).parse().unwrap();
    let zone = snapshot.tags.get("snapkeep:time-zone").map_or(Ok(Tz::UTC), |zone| zone.parse());
    let is_as_made =
        !matches!(snapshot.tags.get("DeleteOn").map(String::as_str), Some("2099-01-01" | "2020-01-01" | "soon"));
    let slot = snapshot.tags[MADE_IN].parse();
    if let (Ok(slot), Ok(zone), true) = (slot, zone, is_as_made && snapshot.tags.contains_key("DeleteOn")) {
        let delete_on = rule.delete_on(slot, zone).unwrap();
        snapshot.tags.insert("DeleteOn".into(), delete_on.to_string());
    }
    if let Some(count) = snapshot.tags.get("daily").and_then(|count| count.parse::<u32>().ok()) {
        snapshot.tags.insert("daily".into(), (count + 1).to_string());
    }
    snapshot.tags.insert("snapkeep:retain".into(), rule.to_string());
    snapshot
}

/// One in five at least, or the properties would not be about them.
#[test]
fn many_scenes_have_a_backup_that_was_taken_twice() {
    let mut runner = TestRunner::deterministic();
    let mut with_doubles = 0;
    for _ in 0..1000 {
        let scene = scene().new_tree(&mut runner).unwrap().current();
        let mut why = scene.judged().verdicts.into_iter().flat_map(|verdict| verdict.why());
        with_doubles += usize::from(why.any(|why| why.starts_with("taken twice")));
    }
    assert!(with_doubles > 200, "{with_doubles} of 1000");
}
