//! The values of a process's metrics. In: counts, gauges, durations. Out: Prometheus' text format,
//! OTLP, and lines in CloudWatch's embedded metric format. The lines for CloudWatch have only what
//! changed since the previous lines. `metric.rs` defines the metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::metric::{Definition, Kind, Metric};
use super::output;

/// Upper bounds of a histogram's buckets, in seconds.
pub(super) const BUCKETS: [f64; 12] = [
    0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0,
];
/// The namespace of the metrics in CloudWatch.
pub const NAMESPACE: &str = "sharehook";
/// The only label that becomes a dimension in CloudWatch, because CloudWatch charges for each
/// combination of dimensions. The values of this label are a closed set.
const DIMENSION: &str = "result";

/// The metrics of a process.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Series>);

#[derive(Debug, Default)]
struct Series {
    values: BTreeMap<(Metric, Vec<String>), Value>,
    /// The total of each counter and result at the last call of `lines_for_cloudwatch`.
    sent: BTreeMap<(Metric, Option<String>), f64>,
    /// The gauges without labels that were set since the last call of `lines_for_cloudwatch`.
    fresh: BTreeMap<Metric, f64>,
}

/// The value of a metric for one set of labels.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Number(f64),
    Times(Histogram),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// The number of durations in each bucket. A duration counts only in the smallest bucket that
    /// it fits. A duration above the last bound is in no bucket, only in `count` and `sum`.
    pub(super) counts: [u64; BUCKETS.len()],
    pub(super) count: u64,
    pub(super) sum: f64,
}

impl Metrics {
    /// Adds one to a counter.
    pub fn count(&self, metric: Metric, labels: &[&str]) {
        self.change(metric, labels, Value::Number(0.0), |value| {
            if let Value::Number(number) = value {
                *number += 1.0;
            }
        });
    }

    /// Creates a counter with the value zero, unless it already has a value. A monitoring system
    /// can compute the first increase only if it has seen a value before.
    pub fn begin(&self, metric: Metric, labels: &[&str]) {
        self.change(metric, labels, Value::Number(0.0), |_| {});
    }

    /// Changes a value with `how`. If there is no value yet, starts with `first`.
    fn change(&self, metric: Metric, labels: &[&str], first: Value, how: impl FnOnce(&mut Value)) {
        let mut series = self.0.lock();
        how(series.values.entry(key(metric, labels)).or_insert(first));
    }

    /// Sets a gauge.
    pub fn set(&self, metric: Metric, labels: &[&str], number: f64) {
        self.show(metric, labels, number);
        if labels.is_empty() {
            self.0.lock().fresh.insert(metric, number);
        }
    }

    /// Sets a gauge, but writes no line for CloudWatch. Used for what another process measured, and
    /// wrote its own line about.
    pub fn show(&self, metric: Metric, labels: &[&str], number: f64) {
        let mut series = self.0.lock();
        // Remove the old value even if its labels differ. For example, `PolicyInfo` shows only the
        // current digest of the policies.
        series.values.retain(|(known, _), _| *known != metric);
        series
            .values
            .insert(key(metric, labels), Value::Number(number));
    }

    /// Removes a gauge whose value is no longer known.
    pub fn forget(&self, metric: Metric) {
        let mut series = self.0.lock();
        series.values.retain(|(known, _), _| *known != metric);
        series.fresh.remove(&metric);
    }

    /// Adds a duration to a histogram.
    pub fn observe(&self, metric: Metric, labels: &[&str], time: Duration) {
        let first = Value::Times(Histogram::default());
        self.change(metric, labels, first, |value| {
            let Value::Times(times) = value else { return };
            let seconds = time.as_secs_f64();
            times.count += 1;
            times.sum += seconds;
            let mut buckets = times.counts.iter_mut().zip(BUCKETS);
            if let Some((count, _)) = buckets.find(|(_, bound)| seconds <= *bound) {
                *count += 1;
            }
        });
    }

    /// Returns every metric in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut series = self.0.lock();
        series.note_dropped();
        let mut text = String::new();
        for metric in Metric::ALL {
            let Definition {
                name, kind, help, ..
            } = metric.definition();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            let rows = series.values.iter().filter(|((of, _), _)| *of == metric);
            for ((_, labels), value) in rows {
                write_value(&mut text, metric, labels, value);
            }
        }
        text
    }

    #[cfg(feature = "otlp")]
    pub(super) fn all(&self) -> Vec<(Metric, Vec<String>, Value)> {
        let mut series = self.0.lock();
        series.note_dropped();
        let values = series.values.iter();
        values
            .map(|((metric, labels), value)| (*metric, labels.clone(), value.clone()))
            .collect()
    }

    /// Returns lines in CloudWatch's embedded metric format: how much each counter grew since the
    /// last call, and the gauges without labels that were set since then. Source:
    /// docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
    pub fn lines_for_cloudwatch(&self, function: &str, milliseconds: i64) -> Vec<String> {
        let mut series = self.0.lock();
        series.note_dropped();
        let mut changed: BTreeMap<Option<String>, Vec<(Definition, f64)>> = BTreeMap::new();
        for ((metric, result), total) in series.totals() {
            let sent = series.sent.insert((metric, result.clone()), total);
            let more = total - sent.unwrap_or_default();
            if more > 0.0 {
                let of_result = changed.entry(result).or_default();
                of_result.push((metric.definition(), more));
            }
        }
        let fresh = std::mem::take(&mut series.fresh).into_iter();
        let gauges: Vec<_> = fresh
            .map(|(metric, now)| (metric.definition(), now))
            .collect();
        if !gauges.is_empty() {
            changed.entry(None).or_default().extend(gauges);
        }
        let line = |(result, values)| emf(function, milliseconds, result, values).to_string();
        changed.into_iter().map(line).collect()
    }
}

impl Series {
    fn note_dropped(&mut self) {
        let (lines, copies) = output::dropped();
        for (metric, dropped) in [
            (Metric::LogLinesDropped, lines),
            (Metric::EvidenceCopiesDropped, copies),
        ] {
            // An `f64` is exact up to 2^53.
            let number = Value::Number(dropped as f64);
            self.values.insert(key(metric, &[]), number);
        }
        #[cfg(feature = "otlp")]
        {
            let lost = super::lost_spans::LOST_SPANS.load(std::sync::atomic::Ordering::Relaxed);
            let number = Value::Number(lost as f64);
            self.values.insert(key(Metric::SpansDropped, &[]), number);
        }
    }

    /// Returns the total of each counter and result, summed over the counter's other labels.
    fn totals(&self) -> BTreeMap<(Metric, Option<String>), f64> {
        let mut totals = BTreeMap::new();
        for ((metric, labels), value) in &self.values {
            let Definition {
                kind,
                labels: names,
                ..
            } = metric.definition();
            if let (Kind::Counter, Value::Number(number)) = (kind, value) {
                let result = names
                    .iter()
                    .zip(labels)
                    .find(|(name, _)| **name == DIMENSION);
                let result = result.map(|(_, value)| value.clone());
                *totals.entry((*metric, result)).or_insert(0.0) += number;
            }
        }
        totals
    }
}

fn key(metric: Metric, labels: &[&str]) -> (Metric, Vec<String>) {
    let labels = labels.iter().map(|label| (*label).to_owned());
    (metric, labels.collect())
}

fn write_value(text: &mut String, metric: Metric, labels: &[String], value: &Value) {
    let Definition {
        name,
        labels: names,
        ..
    } = metric.definition();
    let pairs: Vec<String> = names
        .iter()
        .zip(labels)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    let of = |more: Option<String>| {
        let all: Vec<String> = pairs.iter().cloned().chain(more).collect();
        match all.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", all.join(",")),
        }
    };
    match value {
        Value::Number(number) => {
            let _ = writeln!(text, "{name}{} {number}", of(None));
        }
        Value::Times(times) => {
            let mut below = 0;
            for (bound, count) in BUCKETS.iter().zip(times.counts) {
                below += count;
                let le = of(Some(format!("le=\"{bound}\"")));
                let _ = writeln!(text, "{name}_bucket{le} {below}");
            }
            let infinite = of(Some("le=\"+Inf\"".to_owned()));
            let (count, sum, labels) = (times.count, times.sum, of(None));
            let _ = writeln!(text, "{name}_bucket{infinite} {count}");
            let _ = writeln!(
                text,
                "{name}_sum{labels} {sum}\n{name}_count{labels} {count}"
            );
        }
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn emf(
    function: &str,
    milliseconds: i64,
    result: Option<String>,
    values: Vec<(Definition, f64)>,
) -> Json {
    let mut dimensions = vec!["FunctionName"];
    dimensions.extend(result.as_ref().map(|_| DIMENSION));
    let metrics: Vec<Json> = values
        .iter()
        .map(|(metric, _)| json!({ "Name": metric.name, "Unit": metric.unit() }))
        .collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": milliseconds,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics }],
        },
        "FunctionName": function,
    });
    if let Json::Object(fields) = &mut line {
        fields.extend(result.map(|result| (DIMENSION.to_owned(), json!(result))));
        let values = values.into_iter();
        fields.extend(values.map(|(metric, value)| (metric.name.to_owned(), json!(value))));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_follow_the_rules_of_prometheus() {
        let mut names = std::collections::BTreeSet::new();
        for metric in Metric::ALL {
            let Definition {
                name,
                kind,
                labels,
                help,
                ..
            } = metric.definition();
            assert!(
                name.starts_with("sharehook_") && names.insert(name),
                "{name}"
            );
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}");
        }
    }

    #[test]
    fn a_histogram_counts_each_duration_in_all_larger_buckets() {
        let metrics = Metrics::default();
        for milliseconds in [3, 300, 500_000] {
            let time = Duration::from_millis(milliseconds);
            metrics.observe(Metric::DeliverySeconds, &["a\"b"], time);
        }
        let text = metrics.render();
        for line in [
            "sharehook_delivery_duration_seconds_bucket{source=\"a\\\"b\",le=\"0.005\"} 1\n",
            "sharehook_delivery_duration_seconds_bucket{source=\"a\\\"b\",le=\"0.5\"} 2\n",
            "sharehook_delivery_duration_seconds_bucket{source=\"a\\\"b\",le=\"180\"} 2\n",
            "sharehook_delivery_duration_seconds_bucket{source=\"a\\\"b\",le=\"+Inf\"} 3\n",
            "sharehook_delivery_duration_seconds_count{source=\"a\\\"b\"} 3\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn cloudwatch_receives_what_changed_by_result_alone() {
        let metrics = Metrics::default();
        metrics.count(Metric::Deliveries, &["jira", "denied"]);
        metrics.count(Metric::Deliveries, &["github", "denied"]);
        metrics.set(Metric::GrantsOverdue, &[], 3.0);
        metrics.set(Metric::PolicyInfo, &["d"], 1.0);
        let lines = metrics.lines_for_cloudwatch("f", 7);
        let lines: Vec<Json> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let aws = |dimensions: Json, name: &str, unit: &str| {
            json!({ "Timestamp": 7, "CloudWatchMetrics": [{
                "Namespace": "sharehook", "Dimensions": [dimensions],
                "Metrics": [{ "Name": name, "Unit": unit }],
            }]})
        };
        assert_eq!(
            lines,
            [
                json!({ "_aws": aws(json!(["FunctionName"]), "sharehook_grants_overdue", "None"),
                    "FunctionName": "f", "sharehook_grants_overdue": 3.0 }),
                json!({ "_aws": aws(json!(["FunctionName", "result"]), "sharehook_deliveries_total", "Count"),
                    "FunctionName": "f", "result": "denied", "sharehook_deliveries_total": 2.0 }),
            ]
        );
        assert!(metrics.lines_for_cloudwatch("f", 8).is_empty());
        metrics.count(Metric::Deliveries, &["jira", "denied"]);
        assert_eq!(metrics.lines_for_cloudwatch("f", 9).len(), 1);
        metrics.set(Metric::GrantsOverdue, &[], 4.0);
        metrics.forget(Metric::GrantsOverdue);
        assert!(metrics.lines_for_cloudwatch("f", 10).is_empty());
    }
}
