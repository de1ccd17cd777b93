//! What an audit tells CloudWatch.

use chrono::{DateTime, Utc};
use shared::vocabulary::metric::{Metric, Unit};

use super::Coverage;

impl Coverage {
    /// The figures for CloudWatch. Where nothing is known there is no percentage, and its absence is what an alarm sees.
    pub fn metrics(&self, now: DateTime<Utc>) -> Vec<Metric> {
        let (covered, uncovered) = self.covered();
        let known = covered + uncovered;
        let of_policy = |metric: Metric| metric.of("Policy", &self.policy);
        let coverage = (known > 0).then(|| Metric::new("Coverage", Unit::Percent, 100.0 * ratio(covered, known)));
        let oldest = self.oldest().map(|oldest| (now - oldest).num_seconds().max(0));
        let oldest = oldest.map(|age| Metric::new("OldestBackupSeconds", Unit::Seconds, seconds(age)));
        let counts = [
            Metric::count("UncoveredVolumes", uncovered),
            Metric::count("UnknownPlaces", self.unknown_places()),
            Metric::count("UnselectedVolumes", self.unselected()),
        ];
        coverage.into_iter().chain(oldest).chain(counts).map(of_policy).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "CloudWatch takes floating point")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use shared::vocabulary::metric::{Namespace, lines};

    use super::*;
    use crate::audit::RegionCoverage;

    /// The names and the dimension are the alarms' in `infra/`.
    fn check(regions: Vec<RegionCoverage>, expected: &[&str]) {
        let slot = "2026-11-20T06:00:00Z".parse().unwrap();
        let (policy, rpo) = ("daily".into(), "26h".into());
        let coverage = Coverage { policy, slot, rpo, run: None, jobs: 0, regions, errors: vec![], unsent: vec![] };
        let now = "2026-11-20T06:00:00Z".parse().unwrap();
        let namespace = Namespace::parse("x", "snapkeep/test").unwrap();
        let lines = lines(&namespace, now, &coverage.metrics(now), &[]);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((lines.len(), &line["Policy"]), (1, &serde_json::json!("daily")));
        const NAMES: [&str; 5] =
            ["Coverage", "OldestBackupSeconds", "UncoveredVolumes", "UnknownPlaces", "UnselectedVolumes"];
        let found = NAMES.iter().filter_map(|name| Some(format!("{name}={}", line.get(*name)?)));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_percentage_is_of_what_is_known_and_what_nobody_knows_is_a_figure_of_its_own() {
        let words = [("fresh", 6), ("pending", 1), ("stale", 1), ("new", 5), ("excluded", 9)];
        let oldest = "2026-11-19T02:00:00Z".parse().ok();
        let known = RegionCoverage { verdicts: words.into(), oldest, unselected_count: 3, ..RegionCoverage::default() };
        let unknown = RegionCoverage { error: Some("down".into()), ..RegionCoverage::default() };
        check(
            vec![known, unknown.clone()],
            &[
                "Coverage=87.5",
                "OldestBackupSeconds=100800.0",
                "UncoveredVolumes=1.0",
                "UnknownPlaces=1.0",
                "UnselectedVolumes=3.0",
            ],
        );
        check(vec![unknown], &["UncoveredVolumes=0.0", "UnknownPlaces=1.0", "UnselectedVolumes=0.0"]);
    }
}
