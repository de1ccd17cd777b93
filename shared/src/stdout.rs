//! What the deployed programs write to stdout beside their log.

use std::io::{Write, stdout};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::vocabulary::metric::{self, Metric, Namespace};

/// Writes `metrics` as of `at` with `properties` to search them by, where there is a namespace for them. Figures that
/// cannot be written are no reason to fail.
pub fn emit(namespace: Option<&Namespace>, at: DateTime<Utc>, metrics: &[Metric], properties: &[(&str, Value)]) {
    let Some(namespace) = namespace else { return };
    for line in metric::lines(namespace, at, metrics, properties) {
        // One write for each line: the log's lines come from the same process, perhaps from another thread.
        let _ = stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}
