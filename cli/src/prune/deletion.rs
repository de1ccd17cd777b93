//! A plan of what is to be deleted: shown to a person, and bound by a hash to what is then done.

use std::collections::{BTreeMap, BTreeSet};

use planner::prune::{Adoptable, Judged};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::vocabulary::problem::Problem;

/// What is to be deleted and adopted, by the snapshots' ids. Nothing else is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// Snapshot → why it goes.
    pub delete: BTreeMap<String, String>,
    /// Snapshot → the tags that make it ours.
    pub adopt: BTreeMap<String, Vec<(String, String)>>,
}

/// Hexadecimal digits of a plan's hash: short enough to type, long enough to be no other plan's by chance.
const DIGITS: usize = 12;

impl Deletion {
    /// What a plan deletes and adopts. Where the cap has stopped a Region, nothing of it.
    pub fn of(volumes: &[Judged], adoptable: &[Adoptable], is_capped: impl Fn(&Judged) -> bool) -> Self {
        let allowed = volumes.iter().filter(|judged| !is_capped(judged));
        let verdicts = allowed.flat_map(|judged| &judged.verdicts).filter(|verdict| verdict.expires());
        let adopt = adoptable
            .iter()
            .filter_map(|adoptable| Some((adoptable.snapshot.id.clone(), adoptable.tags.clone().ok()?)));
        Self {
            delete: verdicts.map(|verdict| (verdict.snapshot.clone(), verdict.why().join("; "))).collect(),
            adopt: adopt.collect(),
        }
    }

    /// The same snapshots, the same hash: why they go and in which order they were found does not matter.
    pub fn hash(&self) -> String {
        let delete: Vec<&String> = self.delete.keys().collect();
        let text = serde_json::to_string(&(delete, &self.adopt)).unwrap_or_default();
        let digest = Sha256::digest(text);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hash.chars().take(DIGITS).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.adopt.is_empty()
    }

    /// The ids of what is to be deleted.
    pub fn shown(&self) -> BTreeSet<String> {
        self.delete.keys().cloned().collect()
    }

    /// Reads what `prune --dry-run --output json` has written. One that was changed since is refused.
    pub fn read(file: &str, json: &Value) -> Result<Self, Problem> {
        const ALLOWED: &str = "what `snapkeep prune --dry-run --output json` has written, as it was written";
        let field = |name: &str| format!("{file}: {name}");
        let plan = Self::deserialize(&json["changes"])
            .map_err(|_| Problem::value(&field("changes"), &json["changes"], ALLOWED))?;
        match json["plan"] == plan.hash().as_str() {
            true => Ok(plan),
            false => Err(Problem::value(&field("plan"), &json["plan"], &format!("{}: {ALLOWED}", plan.hash()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(snapshots: &[&str]) -> Deletion {
        let delete = snapshots.iter().map(|id| (String::from(*id), "older than 7d".into())).collect();
        Deletion { delete, adopt: BTreeMap::new() }
    }

    #[test]
    fn a_plan_is_known_by_its_snapshots() {
        let one = plan(&["snap-1", "snap-2"]);
        let mut other = plan(&["snap-2", "snap-1"]);
        other.delete.insert("snap-1".into(), "another reason".into());
        assert_eq!((one.hash().len(), one.hash()), (12, other.hash()));
        assert_ne!(one.hash(), plan(&["snap-1"]).hash());
        let adopting = Deletion { adopt: [("snap-3".into(), vec![("a".into(), "b".into())])].into(), ..one.clone() };
        assert_ne!(one.hash(), adopting.hash());
    }

    #[test]
    fn a_plan_that_somebody_has_changed_is_refused() {
        let one = plan(&["snap-1"]);
        let mut written = json!({"plan": one.hash(), "changes": one});
        assert_eq!(Deletion::read("plan.json", &written), Ok(one));
        written["changes"]["delete"]["snap-2"] = json!("because");
        assert_eq!(Deletion::read("plan.json", &written).unwrap_err().field, "plan.json: plan");
        assert_eq!(Deletion::read("plan.json", &json!({})).unwrap_err().field, "plan.json: changes");
    }
}
