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
        let oldest = oldest.map(|age| Metric::new("OldestBackupSeconds", Unit::Seconds, age as f64));
        let counts = [
            Metric::count("UncoveredVolumes", uncovered),
            Metric::count("UnknownPlaces", self.unknown_places()),
            Metric::count("UnselectedVolumes", self.unselected()),
        ];
        coverage.into_iter().chain(oldest).chain(counts).map(of_policy).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

