//! A world as a short text, in TOML or JSON: settings, fleets, Recycle Bin rules, faults, the time. See the README.

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::faults::Fault;
use crate::fleet::Fleet;
use crate::text::text;
use crate::world::settings::seconds;
use crate::world::{BinRule, Settings, World};

/// What is added to a world. Settings that it does not name stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Some of the [`Settings`].
    settings: Value,
    fleet: Vec<Fleet>,
    bin_rule: Vec<BinRulePlan>,
    fault: Vec<Fault>,
    clock: Option<ClockPlan>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BinRulePlan {
    account: String,
    regions: Vec<String>,
    days: i64,
    tag: Option<(String, String)>,
}

/// What is done with the clock: one of the three.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ClockPlan {
    /// Stop at this time.
    Hold(DateTime<Utc>),
    /// Go on from this time.
    Set(DateTime<Utc>),
    /// Move by so many seconds.
    AdvanceSeconds(f64),
}

impl Scenario {
    /// Reads TOML, or JSON if it begins with a brace.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_json = text.trim_start().starts_with('{');
        let read: Self = match is_json {
            true => serde_json::from_str(text).map_err(|error| error.to_string())?,
            false => toml::from_str(text).map_err(|error| error.to_string())?,
        };
        if let Some(rule) = read.bin_rule.iter().find(|rule| !(1..=365).contains(&rule.days)) {
            return Err(format!("bin_rule.days is {}; allowed: 1 to 365", rule.days));
        }
        Ok(read)
    }

    /// Makes it so, or nothing of it.
    pub fn build(self, world: &World) -> Result<(), String> {
        let settings = merged(&world.settings(), &self.settings)?;
        for region in self.fleet.iter().flat_map(|fleet| &fleet.regions) {
            let is_known = settings.regions.contains(region) || settings.opt_in_regions.contains_key(region);
            if !is_known {
                return Err(format!("fleet.regions has {region}; allowed: the Regions of the settings"));
            }
        }
        self.fleet.iter().try_for_each(Fleet::check)?;
        if let Some(plan) = self.clock {
            plan.apply(world)?;
        }
        world.set(|current| *current = settings);
        for fleet in &self.fleet {
            fleet.build(world);
        }
        for plan in &self.bin_rule {
            let tag = plan.tag.as_ref().map(|(key, value)| (text(key), text(value)));
            let rule = BinRule { account: text(&plan.account), days: plan.days, tag };
            for name in &plan.regions {
                world.region(name, |region| region.bin_rules.push(rule.clone()));
            }
        }
        self.fault.into_iter().for_each(|fault| world.faults().set(fault));
        Ok(())
    }
}

impl ClockPlan {
    /// Does it, if the clock stays within the years that AWS's times make sense in.
    pub fn apply(self, world: &World) -> Result<(), String> {
        let time = match self {
            Self::Hold(time) | Self::Set(time) => time,
            Self::AdvanceSeconds(seconds) => {
                let by = seconds::read(seconds.abs()).ok_or_else(|| {
                    format!("clock.advance_seconds is {seconds}; allowed: up to 315360000, ten years")
                })?;
                if seconds < 0.0 { world.clock.now() - by } else { world.clock.now() + by }
            }
        };
        if !(2006..=2100).contains(&time.year()) {
            return Err(format!("the clock would be at {time}; allowed: the years 2006 to 2100"));
        }
        match self {
            Self::Hold(time) => world.clock.hold(time),
            Self::Set(time) => world.clock.set(time),
            Self::AdvanceSeconds(_) => world.clock.advance(time - world.clock.now()),
        }
        Ok(())
    }
}

/// `settings` with what `changes` names, down into its tables.
pub(crate) fn merged(settings: &Settings, changes: &Value) -> Result<Settings, String> {
    let mut all = serde_json::to_value(settings).map_err(|error| error.to_string())?;
    merge(&mut all, changes);
    let settings: Settings = serde_json::from_value(all).map_err(|error| format!("settings: {error}"))?;
    settings.check()?;
    Ok(settings)
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, value) => *into = value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
        clock = { hold = "2026-11-20T02:00:00Z" }
        [settings]
        completes_after = 90
        quotas = { snapshots_per_region = 7 }
        [[fleet]]
        account = "123456789012"
        regions = ["eu-central-1", "us-east-1"]
        volumes = 6
        volumes_per_instance = 3
        state = "stopped"
        tags = { Backup = "true" }
        volume = { type = "io2", size = 100, key = "alias/db", multi_attach = true }
        snapshots_per_volume = 2
        snapshot = { every_seconds = 3600, tags = { number = "{n}", of = "{volume}" }, image = "deprecated" }
        [[bin_rule]]
        account = "123456789012"
        regions = ["eu-central-1"]
        days = 7
        [[fault]]
        action = "CreateSnapshot"
        share = 0.25
        error = { code = "InternalError" }
    "#;

    fn read(text: &str) -> Result<World, String> {
        let world = World::default();
        Scenario::read(text)?.build(&world)?;
        Ok(world)
    }

    #[test]
    fn a_world_is_built_from_a_short_text() {
        let world = read(SCENARIO).unwrap();
        let settings = world.settings();
        assert_eq!(settings.completes_after.num_seconds(), 90);
        assert_eq!((settings.quotas.snapshots_per_region, settings.quotas.concurrent_snapshots), (7, 5));
        assert_eq!(world.clock.now().to_rfc3339(), "2026-11-20T02:00:00+00:00");
        assert_eq!(world.faults().list().count(), 1);
        world.region("us-east-1", |region| {
            assert_eq!((region.instances.len(), region.volumes.len(), region.images.len()), (2, 6, 3));
            let volume = region.volumes.iter().next().unwrap().clone();
            assert_eq!((volume.kind.name(), volume.size, volume.is_multi_attach), ("io2", 100, true));
            let snapshots: Vec<_> = region.snapshots.lookup("volume-id", &volume.id).collect();
            assert_eq!(snapshots.len(), 2);
            assert_eq!(snapshots[1].started.to_rfc3339(), "2026-11-20T00:00:00+00:00");
            assert_eq!(snapshots[1].tags, crate::text::tags(&[("number", "1"), ("of", &volume.id)]));
        });
    }

    #[test]
    fn the_manuals_own_scenario_is_read() {
        let manual = include_str!("../README.md");
        let toml = manual.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let world = read(toml).unwrap();
        let count = |region: &str| world.region(region, |region| (region.instances.len(), region.snapshots.len()));
        assert_eq!((count("eu-central-1"), count("us-east-1")), ((200, 8401), (200, 8401)));
        assert_eq!(world.settings().limits[0].capacity, 20.0);
        assert_eq!(world.region("eu-central-1", |region| region.bin_rules.len()), 1);
    }

    #[test]
    fn the_same_in_json() {
        let json =
            r#"{"fleet": [{"account": "1", "regions": ["eu-west-1"], "volumes": 1, "volumes_per_instance": 0}]}"#;
        let world = read(json).unwrap();
        assert_eq!(world.region("eu-west-1", |region| (region.instances.len(), region.volumes.len())), (0, 1));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_field_and_nothing_is_built() {
        let refused = |text: &str, words: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        };
        refused("[settings]\ncompletes_afer = 1", "unknown field `completes_afer`");
        refused("[settings]\nquotas = { snapshots = 1 }", "unknown field `snapshots`");
        refused("[settings]\nlag = -1", "-1 seconds; allowed: 0 to");
        refused("[[fleet]]\naccount = \"1\"\nvolumes = 1", "missing field `regions`");
        refused("[[fleet]]\naccount = \"1\"\nvolumes = 1\nregions = [\"eu-nowhere-1\"]", "eu-nowhere-1");
        refused("[[bin_rule]]\naccount = \"1\"\nregions = []\ndays = 0", "bin_rule.days is 0");
        refused("[[fault]]\naction = \"*\"", "one of error, latency");
        refused("[clock]\nadvance = 1", "unknown variant `advance`");
        refused("{", "EOF");
        refused("clock = { advance_seconds = nan }", "advance_seconds is NaN");
        refused("clock = { advance_seconds = 1e300 }", "allowed: up to 315360000");
        refused("clock = { set = \"9999-01-01T00:00:00Z\" }", "the years 2006 to 2100");
        refused("[[settings.limits]]\naction = \"*\"\ncapacity = -1\nrefill = 1", "capacity is -1; allowed: 0 to 1e9");
        refused(
            "[[settings.limits]]\naction = \"*\"\ncapacity = 1\nrefill = 1\nregoin = \"x\"",
            "unknown field `regoin`",
        );
        let fleet = |field: &str| format!("[[fleet]]\naccount = \"1\"\nregions = [\"eu-west-1\"]\n{field}");
        refused(&fleet("volumes = 100000000"), "fleet.volumes is 100000000");
        refused(&fleet("volumes = 1\nsnapshots_per_volume = 100000"), "fleet.snapshots_per_volume is 100000");
        refused(&fleet("volumes = 1\nsnapshot = { every_seconds = -1 }"), "fleet.snapshot.every_seconds is -1");
        refused(&fleet("volumes = 1\nvolume = { size = 0 }"), "fleet.volume.size is 0");
        refused("[[fault]]\naction = \"*\"\nneighbour = { calls_per_second = inf }", "calls_per_second is inf");
    }
}
