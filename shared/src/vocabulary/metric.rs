//! Figures for CloudWatch in its Embedded Metric Format: a line of JSON in the log, out of which CloudWatch makes metrics.
//! No call, no permission, and nothing that could fail a backup.
//!
//! What a line may hold:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! CloudWatch is paid for each metric with each set of dimension values that it has seen in a month. So dimensions are
//! words of ours (an action, an outcome) or a policy's name, never an account, a Region or a volume: those are
//! [properties](lines) of the line, which cost nothing and can be searched for in the log.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::problem::Problem;

/// The namespace of the metrics: 1 to 255 of the characters that CloudWatch takes, and not AWS's own.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Namespace>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// Reads a namespace; `field` is the name under which it is refused.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        const ALLOWED: &str = "1 to 255 of A-Z a-z 0-9 . - _ / # : and spaces, such as snapkeep/production; \
            it does not begin with a colon, a space or AWS/";
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
        let begins_well = !text.starts_with([':', ' ']) && !text.starts_with("AWS/");
        match (1..=255).contains(&text.len()) && text.chars().all(is_allowed) && begins_well {
            true => Ok(Self(text.into())),
            false => Err(Problem::value(field, &text, ALLOWED)),
        }
    }
}

/// What a figure counts in, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// So many.
    Count,
    /// A length of time.
    Seconds,
    /// 0 to 100.
    Percent,
}

/// One metric with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    values: Vec<f64>,
    dimensions: BTreeMap<&'static str, String>,
}

impl Metric {
    /// So many, of no dimension.
    pub fn count(name: &'static str, count: usize) -> Self {
        Self::new(name, Unit::Count, count as f64)
    }

    /// A value, of no dimension. One that is no number (a division by zero) is left out of the line.
    pub fn new(name: &'static str, unit: Unit, value: f64) -> Self {
        Self { name, unit, values: vec![value], dimensions: BTreeMap::new() }
    }

    /// The same with these values, each of which counts for itself in an average or a percentile.
    #[must_use]
    pub fn with_values(self, values: Vec<f64>) -> Self {
        Self { values, ..self }
    }

    /// The same in one dimension more. What CloudWatch refuses in a dimension's value (anything but ASCII) is replaced
    /// by `?`.
    #[must_use]
    pub fn of(mut self, dimension: &'static str, value: &str) -> Self {
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let value: String = value.chars().map(printable).take(1024).collect();
        self.dimensions.insert(dimension, if value.trim().is_empty() { "?".into() } else { value });
        self
    }
}

/// Metrics in one directive, and values in one metric: the specification allows no more.
const MOST: usize = 100;

/// The lines for `metrics` at `at`, each with all `properties`: plain values by which it is found in the log.
///
/// A line holds one value of each dimension, so there are as many lines as there are values of a dimension: metrics of
/// no dimension travel with the first. Lambda drops no line that says INFO, and encodes none that is JSON already once
/// more: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>
pub fn lines(
    namespace: &Namespace,
    at: DateTime<Utc>,
    metrics: &[Metric],
    properties: &[(&str, Value)],
) -> Vec<String> {
    let mut documents: Vec<Document<'_>> = Vec::new();
    for metric in metrics {
        let values: Vec<f64> = metric.values.iter().copied().filter(|value| value.is_finite()).collect();
        for values in values.chunks(MOST) {
            let fitting = documents.iter_mut().find(|document| document.has_room_for(metric));
            match fitting {
                Some(document) => document.add(metric, values),
                None => documents.push(Document::of(metric, values)),
            }
        }
    }
    documents.iter().map(|document| document.line(namespace, at, properties).to_string()).collect()
}

/// What fits into one line: one value for each metric and each dimension.
#[derive(Default)]
struct Document<'a> {
    dimensions: BTreeMap<&'a str, &'a str>,
    metrics: BTreeMap<&'a str, (&'a Metric, Vec<f64>)>,
}

impl<'a> Document<'a> {
    fn of(metric: &'a Metric, values: &[f64]) -> Self {
        let mut document = Self::default();
        document.add(metric, values);
        document
    }

    fn has_room_for(&self, metric: &Metric) -> bool {
        let is_same = |(name, value): (&&str, &String)| self.dimensions.get(*name).is_none_or(|there| *there == value);
        let is_free = !self.metrics.contains_key(metric.name);
        is_free && self.metrics.len() < MOST && metric.dimensions.iter().all(is_same)
    }

    fn add(&mut self, metric: &'a Metric, values: &[f64]) {
        self.dimensions.extend(metric.dimensions.iter().map(|(name, value)| (*name, value.as_str())));
        self.metrics.insert(metric.name, (metric, values.to_vec()));
    }

    /// A metric's name, a dimension and a property are members of the same object: the metric goes before.
    fn line(&self, namespace: &Namespace, at: DateTime<Utc>, properties: &[(&str, Value)]) -> Value {
        let mut line: Map<String, Value> =
            properties.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        // For Lambda's filter by level, as every other line of the log has them.
        line.insert("level".into(), json!("INFO"));
        line.insert("timestamp".into(), json!(at.to_rfc3339_opts(SecondsFormat::Millis, true)));
        line.extend(self.dimensions.iter().map(|(name, value)| ((*name).into(), json!(value))));
        for (name, (_, values)) in &self.metrics {
            let value = if let [value] = values[..] { json!(value) } else { json!(values) };
            line.insert((*name).into(), value);
        }
        let directives: Vec<Value> = self.dimension_sets().iter().map(|set| self.directive(namespace, set)).collect();
        line.insert("_aws".into(), json!({"Timestamp": at.timestamp_millis(), "CloudWatchMetrics": directives}));
        Value::Object(line)
    }

    fn dimension_sets(&self) -> BTreeSet<Vec<&str>> {
        self.metrics.values().map(|(metric, _)| dimension_set(metric)).collect()
    }

    fn directive(&self, namespace: &Namespace, set: &[&str]) -> Value {
        let metrics = self.metrics.values().filter(|(metric, _)| dimension_set(metric) == *set);
        let metrics: Vec<Value> =
            metrics.map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
        json!({"Namespace": namespace.0, "Dimensions": [set], "Metrics": metrics})
    }
}

fn dimension_set(metric: &Metric) -> Vec<&str> {
    metric.dimensions.keys().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metrics: &[Metric], properties: &[(&str, Value)]) -> Vec<Value> {
        let namespace = Namespace::parse("NAMESPACE", "snapkeep/test").unwrap();
        let at = "2026-11-20T02:00:05.250Z".parse().unwrap();
        let lines = lines(&namespace, at, metrics, properties);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn jobs(outcome: &str, count: usize) -> Metric {
        Metric::count("Jobs", count).of("Action", "snapshot").of("Outcome", outcome)
    }

    #[test]
    fn a_line_is_what_the_specification_asks_for() {
        let metrics = [jobs("created", 7), Metric::new("LaneSeconds", Unit::Seconds, 1.5)];
        let expected = json!({
            "_aws": {"Timestamp": 1_795_140_005_250_i64, "CloudWatchMetrics": [
                {"Namespace": "snapkeep/test", "Dimensions": [[]], "Metrics": [{"Name": "LaneSeconds", "Unit": "Seconds"}]},
                {"Namespace": "snapkeep/test", "Dimensions": [["Action", "Outcome"]],
                 "Metrics": [{"Name": "Jobs", "Unit": "Count"}]}]},
            "level": "INFO", "timestamp": "2026-11-20T02:00:05.250Z",
            "Action": "snapshot", "Outcome": "created", "Jobs": 7.0, "LaneSeconds": 1.5,
            "region": "eu-central-1",
        });
        assert_eq!(of(&metrics, &[("region", json!("eu-central-1"))]), [expected]);
    }

    #[test]
    fn another_value_of_a_dimension_is_another_line_and_what_has_no_dimension_is_said_once() {
        let lines = of(&[jobs("created", 7), Metric::count("SnapshotsCreated", 7), jobs("again", 2)], &[]);
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["Outcome"], &lines[0]["Jobs"]), (&json!("created"), &json!(7.0)));
        assert_eq!((&lines[1]["Outcome"], &lines[1]["Jobs"]), (&json!("again"), &json!(2.0)));
        assert_eq!((&lines[0]["SnapshotsCreated"], lines[1].get("SnapshotsCreated")), (&json!(7.0), None));
    }

    #[test]
    fn many_values_are_an_array_and_no_array_holds_more_than_a_hundred() {
        let waits = Metric::new("LaneSeconds", Unit::Seconds, 0.0).with_values((0..250).map(f64::from).collect());
        let counts: Vec<usize> =
            of(&[waits], &[]).iter().map(|line| line["LaneSeconds"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [100, 100, 50]);
    }

    #[test]
    fn no_directive_holds_more_than_a_hundred_metrics() {
        let metrics = (0..101).map(|number| Metric::count(String::leak(format!("Metric{number}")), 1));
        let lines = of(&metrics.collect::<Vec<_>>(), &[]);
        let sizes = lines.iter().map(|line| line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len());
        assert_eq!(sizes.collect::<Vec<_>>(), [100, 1]);
    }

    #[test]
    fn what_cloudwatch_would_refuse_is_not_written() {
        let lines = of(&[Metric::count("Coverage", 1).of("Policy", "tägl\u{7}ich"), Metric::count("Other", 1)], &[]);
        assert_eq!(lines[0]["Policy"], "t?gl?ich");
        assert_eq!(of(&[Metric::count("Coverage", 1).of("Policy", " ")], &[])[0]["Policy"], "?");
        assert_eq!(of(&[Metric::new("Coverage", Unit::Percent, f64::NAN)], &[]).len(), 0, "NaN is no number");
        assert_eq!(of(&[], &[("region", json!("eu-central-1"))]).len(), 0, "a line without a metric is no line");
    }

    #[test]
    fn a_property_does_not_hide_a_metric() {
        let lines = of(&[Metric::count("Jobs", 3)], &[("Jobs", json!("many")), ("_aws", json!(1))]);
        assert_eq!((&lines[0]["Jobs"], lines[0]["_aws"]["Timestamp"].is_number()), (&json!(3.0), true));
    }

    #[test]
    fn a_namespace_that_cloudwatch_would_refuse_is_refused_by_its_name() {
        for good in ["snapkeep/production", "a", "My backups #1:x_y.z-0"] {
            assert_eq!(Namespace::parse("NAMESPACE", good), Ok(Namespace(good.into())));
        }
        for bad in ["", ":snapkeep", " ", "AWS/Lambda", "snapkeep*", "schlüssel", &"x".repeat(256)] {
            let problem = Namespace::parse("NAMESPACE", bad).unwrap_err();
            assert_eq!(problem.field, "NAMESPACE", "{bad:?}");
        }
    }
}
