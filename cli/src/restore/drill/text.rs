//! A drill, for people and for programs.

use serde_json::{Value, json};
use shared::rules::restore::choose::source;
use shared::vocabulary::tag;

use super::trial::{Trial, Verdict};
use super::{Drawn, Drill, Leftover};
use crate::plan::{Output, volumes};
use crate::prune::snapshots;
use crate::table::{plain, table};

/// What is to be tried, and what earlier drills have left.
pub(in crate::restore) struct Plan {
    /// How many volumes there are a good snapshot of.
    pub among: usize,
    pub drawn: Vec<Drawn>,
    pub leftovers: Vec<Leftover>,
    /// Regions that could not be looked at.
    pub problems: Vec<String>,
}

impl Plan {
    pub fn question(&self) -> String {
        let old = self.leftovers.iter().filter(|leftover| !leftover.is_young).count();
        let delete =
            if old > 0 { format!("Delete {} that a drill has left, and make", volumes(old)) } else { "Make".into() };
        format!("{delete} {}, look at them, and delete them again?", volumes(self.drawn.len()))
    }

    pub fn show(&self, drill: &Drill<'_>, output: Output) -> String {
        match output {
            Output::Json => self.json(drill).to_string(),
            Output::Table => self.text(drill),
        }
    }

    fn json(&self, drill: &Drill<'_>) -> Value {
        let drawn = self.drawn.iter().map(|drawn| {
            json!({
                "region": drawn.place.region, "snapshot": drawn.snapshot.id, "started": drawn.snapshot.started,
                "source": source(&drawn.snapshot), "policy": drawn.snapshot.tags.get(tag::POLICY), "new": drawn.new,
            })
        });
        let left = self.leftovers.iter().map(|leftover| {
            json!({"region": leftover.place.region, "volume": leftover.volume.volume.id, "is_young": leftover.is_young})
        });
        json!({
            "drill": drill.id, "seed": drill.seed, "among": self.among, "sample": drawn.collect::<Vec<_>>(),
            "leftovers": left.collect::<Vec<_>>(), "problems": self.problems,
        })
    }

    fn text(&self, drill: &Drill<'_>) -> String {
        let (drawn, seed) = (self.drawn.len(), plain(&drill.seed));
        let mut parts = vec![match drawn {
            0 => "Drill: there is no snapshot of ours that can be restored from.".into(),
            _ => format!(
                "Drill {}: {drawn} of {}, each the newest good one of its volume and policy, drawn with --seed '{seed}'",
                drill.id,
                snapshots(self.among)
            ),
        }];
        if drawn > 0 {
            parts.push(table(
                ["Region", "Policy", "Source", "Snapshot", "Began (UTC)", "GiB", "Encrypted", "Zone"],
                &["GiB"],
                self.rows(),
            ));
        }
        parts.extend(self.leftovers.iter().map(Leftover::line));
        parts.extend(self.problems.iter().map(|problem| format!("error: {problem}")));
        parts.join("\n")
    }

    fn rows(&self) -> Vec<[String; 8]> {
        let rows = self.drawn.iter().map(|Drawn { place, snapshot, new, .. }| {
            [
                place.region.clone(),
                snapshot.tags.get(tag::POLICY).map(|policy| plain(policy)).unwrap_or_default(),
                source(snapshot).unwrap_or_default().into(),
                snapshot.id.clone(),
                snapshot.started.map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default(),
                new.shape.gib.to_string(),
                if snapshot.is_encrypted { "yes" } else { "no" }.into(),
                new.zone.clone(),
            ]
        });
        rows.collect()
    }
}

impl Leftover {
    fn line(&self) -> String {
        let (volume, region) = (&self.volume.volume, &self.place.region);
        let drill = volume.tags.get(tag::DRILL).map(|id| plain(id)).unwrap_or_default();
        let made = self.volume.created.map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
        let what = match self.is_young {
            true => {
                format!("may be of one that is under way. If not: snapkeep restore --undo {drill} --regions {region}")
            }
            false => "is deleted now".into(),
        };
        format!("left by drill {drill} at {made}: {} in {region}, {}; it {what}", volume.id, volume.state)
    }
}

impl Drill<'_> {
    pub(super) fn outcome(&self, plan: &Plan, trials: &[Trial], left: &[String], output: Output) -> String {
        match output {
            Output::Json => json!({"plan": plan.json(self), "result": json_of(plan, trials, left)}).to_string(),
            Output::Table => self.text(plan, trials, left),
        }
    }

    fn text(&self, plan: &Plan, trials: &[Trial], left: &[String]) -> String {
        let good = trials.iter().filter(|trial| trial.is_good()).count();
        let mut parts = Vec::new();
        for (drawn, trial) in plan.drawn.iter().zip(trials) {
            let Verdict::Failed(reason) = &trial.verdict else { continue };
            let (snapshot, region) = (&drawn.snapshot.id, &drawn.place.region);
            parts.push(format!(
                "failed: {snapshot} of {} in {region}: {}",
                source(&drawn.snapshot).unwrap_or_default(),
                plain(reason)
            ));
            parts.push(format!("  Look: aws ec2 describe-snapshots --region {region} --snapshot-ids {snapshot}"));
        }
        let not_tried = trials.iter().filter(|trial| trial.verdict == Verdict::NotTried).count();
        let stopped = if not_tried > 0 { format!("; stopped, {not_tried} not tried") } else { String::new() };
        parts.push(format!("{good} of {} became volumes{stopped}.", trials.len()));
        match left.is_empty() {
            true => parts.push("Nothing is left of it.".into()),
            false => {
                parts.extend(left.iter().map(|left| format!("still there: {}", plain(left))));
                parts.push(format!("Delete it: snapkeep restore --undo {}", self.id));
            }
        }
        if good > 0 {
            parts.push("This proves that EC2 makes volumes of these snapshots. What is on them was not read.".into());
        }
        parts.join("\n")
    }
}

fn json_of(plan: &Plan, trials: &[Trial], left: &[String]) -> Value {
    let rows = plan.drawn.iter().zip(trials).map(|(drawn, trial)| {
        let (verdict, reason) = match &trial.verdict {
            Verdict::NotTried => ("not-tried", None),
            Verdict::Available => ("available", None),
            Verdict::Failed(reason) => ("failed", Some(reason)),
        };
        json!({"snapshot": drawn.snapshot.id, "volume": trial.volume, "verdict": verdict, "reason": reason})
    });
    json!({"trials": rows.collect::<Vec<_>>(), "left": left})
}
