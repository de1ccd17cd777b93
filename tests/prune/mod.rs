//! Pruning, told with the real binaries and the real commands.

mod commands;
mod mass;
mod pipeline;
mod sources;
mod year;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use simulator::fleet::tags;
use simulator::text::text;
use simulator::world::World;

use crate::stack::ACCOUNT;

pub(crate) const REGION: &str = "eu-central-1";

/// A completed snapshot of `volume` that was begun so many days and a minute ago, with these tags. `{day+7}` in a value is the day
/// that lies so far from its own.
pub(crate) fn add(world: &World, volume: &str, days_ago: i64, pairs: &[(&str, &str)]) -> String {
    let day = world.clock.now() - TimeDelta::days(days_ago);
    let tags = tags(pairs).iter().map(|(key, value)| (key.clone(), text(&with_day(value, day)))).collect();
    world.add_snapshot(ACCOUNT, REGION, volume, tags, day - TimeDelta::minutes(1))
}

fn with_day(value: &str, day: DateTime<Utc>) -> String {
    let Some((before, rest)) = value.split_once("{day+") else { return value.into() };
    let (days, after) = rest.split_once('}').unwrap();
    let day = (day + TimeDelta::days(days.parse().unwrap())).date_naive();
    format!("{before}{day}{after}")
}

/// So many daily snapshots of `volume` under `rule`, the newest a minute ago; the oldest first.
pub(crate) fn add_daily(world: &World, volume: &str, count: i64, rule: &str) -> Vec<String> {
    let tags = [("snapkeep:policy", "daily"), ("snapkeep:volume", volume), ("snapkeep:retain", rule)];
    (0..count).rev().map(|day| add(world, volume, day, &tags)).collect()
}

/// Puts a tag on a snapshot that is there, or takes it off.
pub(crate) fn tag(world: &World, snapshot: &str, key: &str, value: Option<&str>) {
    world.region(REGION, |region| {
        region.snapshots.change(snapshot, |snapshot| match value {
            Some(value) => drop(snapshot.tags.insert(text(key), text(value))),
            None => drop(snapshot.tags.remove(key)),
        });
    });
}

/// The ids of all snapshots that are there.
pub(crate) fn there(world: &World) -> BTreeSet<String> {
    world.snapshots().iter().map(|snapshot| snapshot.id.to_string()).collect()
}

pub(crate) fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}
