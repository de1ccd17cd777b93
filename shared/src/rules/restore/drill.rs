//! Which snapshots a drill tries: a sample that the seed decides, so that it can be drawn again.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::choose::{obstacle, source};
use crate::vocabulary::inventory::Snapshot;
use crate::vocabulary::tag;

/// The newest good snapshot of each volume and policy, as the pages come: memory goes by volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest(BTreeMap<(String, String), Snapshot>);

impl Newest {
    /// Notes a snapshot, if it can be restored from, is of `policy` where that is wanted, and is newer than what is known.
    pub fn note(&mut self, snapshot: Snapshot, policy: Option<&str>) {
        let of = snapshot.tags.get(tag::POLICY).cloned().unwrap_or_default();
        let Some(volume) = source(&snapshot).map(String::from) else { return };
        if obstacle(&snapshot).is_some() || policy.is_some_and(|policy| policy != of) {
            return;
        }
        let known = self.0.entry((volume, of)).or_insert_with(|| snapshot.clone());
        if (snapshot.started, &snapshot.id) > (known.started, &known.id) {
            *known = snapshot;
        }
    }

    /// How many volumes there are a snapshot of, counted once for each policy.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of volume and policy.
    pub fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.0.values()
    }
}

/// Three, or one in a hundred if that is more, and never more than twenty: each takes room and minutes.
pub fn default_size(volumes: usize) -> usize {
    volumes.div_ceil(100).clamp(3, 20)
}

/// `count` of `among`. The same seed over the same snapshots draws the same ones; every snapshot is as likely as another.
pub fn sample<T>(seed: &str, count: usize, among: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
    let mut drawn: Vec<T> = among;
    drawn.sort_by_cached_key(|each| Sha256::digest(format!("{seed}\n{}", id(each))).to_vec());
    drawn.truncate(count);
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::choose::tests::snapshot;
    use super::*;

    #[test]
    fn the_newest_good_one_of_each_volume_is_drawn_from() {
        let mut newest = Newest::default();
        let made = |id: &str, volume: &str, day: u32| {
            snapshot(id, volume, &format!("2026-11-{day}T02:00:00Z"), "2026-11-20T02:00:00Z")
        };
        let pending = Snapshot { state: "pending".into(), ..made("snap-4", "vol-1", 21) };
        for each in [made("snap-2", "vol-1", 20), made("snap-1", "vol-1", 19), made("snap-3", "vol-2", 19), pending] {
            newest.note(each, Some("daily"));
        }
        newest.note(made("snap-5", "vol-3", 19), Some("hourly"));
        let ids: Vec<&str> = newest.snapshots().map(|snapshot| snapshot.id.as_str()).collect();
        assert_eq!((newest.len(), ids), (2, vec!["snap-2", "snap-3"]));
    }

    #[test]
    fn a_seed_draws_the_same_sample_and_another_seed_another_one() {
        let all: Vec<String> = (0..1000).map(|n| format!("snap-{n}")).collect();
        let draw = |seed: &str, all: &[String]| sample(seed, 5, all.to_vec(), |id| id);
        let mut backwards = all.clone();
        backwards.reverse();
        assert_eq!(draw("2026-11-20", &all), draw("2026-11-20", &backwards));
        assert_ne!(draw("2026-11-20", &all), draw("2026-11-21", &all));
        assert_eq!(draw("2026-11-20", &all[..2]).len(), 2);
    }

    #[test]
    fn over_a_year_of_days_nearly_every_snapshot_is_tried() {
        let all: Vec<u32> = (0..100).collect();
        let ids: Vec<String> = all.iter().map(|n| format!("snap-{n}")).collect();
        let tried: std::collections::BTreeSet<String> =
            (0..365).flat_map(|day| sample(&format!("day {day}"), 3, ids.clone(), |id| id)).collect();
        assert!(tried.len() > 95, "{} of 100 in a year", tried.len());
    }

    #[test]
    fn the_sample_grows_with_the_fleet_within_bounds() {
        let sizes = [0, 1, 300, 301, 1000, 100_000].map(default_size);
        assert_eq!(sizes, [3, 3, 3, 4, 10, 20]);
    }
}
