//! An instance's volumes from one slot, together: what belongs together is of one run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::choose::{Chosen, NoneGood, Obstacle, Wanted, is_wanted, newest};
use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::tag;

/// The snapshots that an instance is restored from, in the order of their volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// The policy and the slot that all of them are of; none where they were chosen each for itself.
    pub slot: Option<(String, String)>,
    /// One for each volume.
    pub snapshots: Vec<Snapshot>,
    /// What a person should know about the choice.
    pub notes: Vec<String>,
}

/// There is no such set: why, slot by slot or volume by volume, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSet(pub Vec<String>);

/// Slots that are named because they are not whole. The rest is counted.
const MOST_NAMED: usize = 5;

type OfVolumes<'a> = BTreeMap<&'a str, Vec<&'a Snapshot>>;

/// The newest slot of which every volume of the instance has a completed snapshot.
///
/// The volumes are those that are `attached` now, as far as there are snapshots of them, and those that the slot has
/// snapshots of: one that was lost since is what a person wants back. `snapshots` are all of ours that say they are of
/// this instance, and all of the attached volumes.
pub fn of_one_slot(attached: &BTreeSet<String>, snapshots: &[Snapshot], wanted: &Wanted) -> Result<Set, NoSet> {
    let wanted_ones: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| is_wanted(snapshot, wanted)).collect();
    let backed_up: BTreeSet<&str> = wanted_ones.iter().map(|snapshot| snapshot.volume.as_str()).collect();
    let expected: BTreeSet<&str> = attached.iter().map(String::as_str).filter(|id| backed_up.contains(id)).collect();
    let mut passed_over = Vec::new();
    for ((policy, slot), of_volumes) in slots(snapshots) {
        let missing = missing(&expected, &of_volumes, wanted);
        if missing.is_empty() {
            let all = of_volumes.values().filter_map(|snapshots| newest(snapshots.iter().copied(), wanted).ok());
            let snapshots: Vec<Snapshot> = all.map(|chosen| chosen.snapshot).collect();
            let mut notes = counted(passed_over);
            notes.extend(not_in_it(attached, &backed_up, &snapshots));
            return Ok(Set { slot: Some((policy.into(), slot.into())), snapshots, notes });
        }
        if wanted.policy.as_deref().is_none_or(|wanted| wanted == policy) && !is_later(&of_volumes, wanted) {
            passed_over.push(format!("slot {slot} of {policy} is not whole: {}", missing.join(", ")));
        }
    }
    Err(NoSet(counted(passed_over)))
}

fn counted(mut slots: Vec<String>) -> Vec<String> {
    let more = slots.len().saturating_sub(MOST_NAMED);
    slots.truncate(MOST_NAMED);
    slots.extend((more > 0).then(|| format!("and {more} older slots")));
    slots
}

/// The newest good snapshot of each volume, whatever its slot. Those that have none are named.
pub fn mixed(attached: &BTreeSet<String>, snapshots: &[Snapshot], wanted: &Wanted) -> Result<Set, NoSet> {
    let mut set = Set::default();
    let mut of_volumes = OfVolumes::new();
    snapshots.iter().for_each(|snapshot| of_volumes.entry(&snapshot.volume).or_default().push(snapshot));
    for (volume, snapshots) in &of_volumes {
        match newest(snapshots.iter().copied(), wanted) {
            Ok(Chosen { snapshot, .. }) => set.snapshots.push(snapshot),
            Err(none) => set.notes.push(format!("{volume} is left out: {}", reason(&none))),
        }
    }
    let backed_up = of_volumes.keys().copied().collect();
    set.notes.extend(not_in_it(attached, &backed_up, &set.snapshots));
    match set.snapshots.is_empty() {
        true => Err(NoSet(set.notes)),
        false => Ok(set),
    }
}

/// The snapshots of each policy and slot by volume, the newest slot first.
fn slots(snapshots: &[Snapshot]) -> Vec<((&str, &str), OfVolumes<'_>)> {
    let mut slots = BTreeMap::<(Reverse<&str>, &str), OfVolumes<'_>>::new();
    for snapshot in snapshots {
        let (Some(policy), Some(slot)) = (snapshot.tags.get(tag::POLICY), snapshot.tags.get(tag::SLOT)) else {
            continue;
        };
        let of_volumes = slots.entry((Reverse(slot), policy)).or_default();
        of_volumes.entry(&snapshot.volume).or_default().push(snapshot);
    }
    slots.into_iter().map(|((Reverse(slot), policy), of_volumes)| ((policy, slot), of_volumes)).collect()
}

/// The volumes that a slot should have a good snapshot of, and has not.
fn missing(expected: &BTreeSet<&str>, of_volumes: &OfVolumes<'_>, wanted: &Wanted) -> Vec<String> {
    let all: BTreeSet<&str> = expected.iter().copied().chain(of_volumes.keys().copied()).collect();
    let missing = all.into_iter().filter_map(|volume| {
        let none = match of_volumes.get(volume) {
            None => NoneGood(Vec::new()),
            Some(snapshots) => newest(snapshots.iter().copied(), wanted).err()?,
        };
        Some(format!("{volume}: {}", reason(&none)))
    });
    missing.collect()
}

/// Whether all of a slot was begun after the time that is wanted, so that it need not be spoken of.
fn is_later(of_volumes: &OfVolumes<'_>, wanted: &Wanted) -> bool {
    let at_that_time = Wanted { policy: None, at: wanted.at };
    !of_volumes.values().flatten().any(|snapshot| is_wanted(snapshot, &at_that_time))
}

fn reason(NoneGood(found): &NoneGood) -> String {
    let obstacles: Vec<String> =
        found.iter().map(|(id, obstacle): &(String, Obstacle)| format!("{id} {obstacle}")).collect();
    if obstacles.is_empty() { "no snapshot".into() } else { obstacles.join(" and ") }
}

/// Volumes that will not be restored: attached and never backed up, or with the instance once and not in this slot.
fn not_in_it(attached: &BTreeSet<String>, backed_up: &BTreeSet<&str>, set: &[Snapshot]) -> Vec<String> {
    let never = attached.iter().filter(|volume| !backed_up.contains(volume.as_str()));
    let never = never.map(|volume| format!("{volume} is attached and has no such snapshot: it is left out"));
    let in_it: BTreeSet<&str> = set.iter().map(|snapshot| snapshot.volume.as_str()).collect();
    let once = backed_up.difference(&in_it).filter(|volume| !attached.contains(**volume));
    let once = once.map(|volume| {
        format!(
            "{volume} was backed up with this instance and is not in this set; by itself: snapkeep restore {volume}"
        )
    });
    never.chain(once).collect()
}

#[cfg(test)]
mod tests {
    use super::super::choose::tests::snapshot;
    use super::*;

    /// `2A 2B! 1A`: in slot 2 a good snapshot of A and a failed one of B, in slot 1 a good one of A.
    fn snapshots(text: &str) -> Vec<Snapshot> {
        let all = text.split_whitespace().enumerate().map(|(number, word)| {
            let (slot, volume) = word.split_at(1);
            let time = format!("2026-11-{slot}0T02:00:00Z");
            let mut made = snapshot(&format!("snap-{slot}{}", &volume[..1]), &volume[..1], &time, &time);
            made.started = made.started.map(|started| started + chrono::TimeDelta::seconds(number as i64));
            if volume.ends_with('!') {
                made.state = "error".into();
            }
            made
        });
        all.collect()
    }

    fn attached(text: &str) -> BTreeSet<String> {
        text.chars().map(String::from).collect()
    }

    fn shown(result: Result<Set, NoSet>) -> String {
        match result {
            Ok(set) => {
                let ids: Vec<String> = set.snapshots.into_iter().map(|snapshot| snapshot.id).collect();
                [&ids[..], &set.notes].concat().join("; ")
            }
            Err(NoSet(why)) => format!("none: {}", why.join("; ")),
        }
    }

    fn check(now: &str, there: &str, at: Option<&str>, expected: &str) {
        let wanted = Wanted { at: at.map(|at| at.parse().unwrap()), policy: None };
        assert_eq!(shown(of_one_slot(&attached(now), &snapshots(there), &wanted)), expected, "{now}: {there}");
    }

    #[test]
    fn the_newest_whole_slot_is_taken_and_newer_ones_are_named() {
        check("AB", "1A 1B 2A 2B", None, "snap-2A; snap-2B");
        check(
            "AB",
            "1A 1B 2A",
            None,
            "snap-1A; snap-1B; slot 2026-11-20T02:00:00Z of daily is not whole: B: no snapshot",
        );
        check(
            "AB",
            "1A 1B 2A 2B!",
            None,
            "snap-1A; snap-1B; slot 2026-11-20T02:00:00Z of daily is not whole: B: snap-2B ended in error",
        );
        check("AB", "1A 1B 2A 2B", Some("2026-11-12T00:00:00Z"), "snap-1A; snap-1B");
    }

    #[test]
    fn a_slot_that_was_not_begun_whole_by_then_is_not_taken() {
        // B of slot 2 was begun three seconds after the slot's time.
        check(
            "AB",
            "1A 1B 2A 2B",
            Some("2026-11-20T02:00:02Z"),
            "snap-1A; snap-1B; slot 2026-11-20T02:00:00Z of daily is not whole: B: no snapshot",
        );
    }

    #[test]
    fn where_no_slot_is_whole_it_is_said_what_is_missing() {
        check(
            "AB",
            "1A 2B",
            None,
            concat!(
                "none: slot 2026-11-20T02:00:00Z of daily is not whole: A: no snapshot; ",
                "slot 2026-11-10T02:00:00Z of daily is not whole: B: no snapshot"
            ),
        );
        check("AB", "", None, "none: ");
    }

    #[test]
    fn a_volume_that_was_lost_since_comes_back_and_one_that_is_not_backed_up_is_named() {
        check("A", "1A 1B", None, "snap-1A; snap-1B");
        check("", "1A 1B", None, "snap-1A; snap-1B");
        check("AC", "1A 1B", None, "snap-1A; snap-1B; C is attached and has no such snapshot: it is left out");
        check(
            "A",
            "1A 1B 2A",
            None,
            "snap-2A; B was backed up with this instance and is not in this set; by itself: snapkeep restore B",
        );
    }

    #[test]
    fn a_volume_that_came_later_is_not_missing_before() {
        check(
            "AB",
            "1A 2A 2B",
            Some("2026-11-11T00:00:00Z"),
            "snap-1A; B is attached and has no such snapshot: it is left out",
        );
    }

    #[test]
    fn mixed_takes_the_newest_of_each() {
        let of = |now: &str, there: &str| shown(mixed(&attached(now), &snapshots(there), &Wanted::default()));
        assert_eq!(of("AB", "1A 1B 2A 2B!"), "snap-2A; snap-1B");
        assert_eq!(of("AB", "1A 1B!"), "snap-1A; B is left out: snap-1B ended in error");
        assert_eq!(of("A", "1A!"), "none: A is left out: snap-1A ended in error");
    }
}
