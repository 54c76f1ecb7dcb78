//! Encodes spans and metrics in OTLP's JSON: ids in hexadecimal, 64-bit integers as text, enums as
//! numbers. In: ended spans, values of metrics. Out: the messages `ExportTraceServiceRequest` and
//! `ExportMetricsServiceRequest`. Source: opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

use serde_json::{Value as Json, json};

use super::recorded::Recorded;
use crate::domain::Timestamp;
use crate::telemetry::metric::{Definition, Kind, Metric};
use crate::telemetry::metrics::{BUCKETS, Value};
use crate::telemetry::step::Step;
use crate::telemetry::trace_context::TraceContext;

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const STATUS_ERROR: u8 = 2;
const CUMULATIVE: u8 = 2;

pub(super) fn span(name: &'static str, recorded: Recorded, ended: Timestamp) -> Json {
    let Recorded {
        context,
        parent,
        began,
        fields,
    } = recorded;
    let step = fields.step.as_deref();
    present(json!({
        "traceId": context.trace_id(),
        "spanId": context.span_id(),
        "name": step.unwrap_or(name),
        "kind": kind(step),
        "startTimeUnixNano": nanoseconds(began),
        "endTimeUnixNano": nanoseconds(ended),
        "attributes": attributes(fields.attributes),
        "parentSpanId": parent.map(TraceContext::span_id),
        "status": fields.error.map(|error| json!({ "code": STATUS_ERROR, "message": error })),
    }))
}

/// Removes the fields that are null.
fn present(mut message: Json) -> Json {
    if let Json::Object(fields) = &mut message {
        fields.retain(|_, value| !value.is_null());
    }
    message
}

/// Returns the kind of a span. A span without a step is the work on an event of the host, and its
/// kind is `SERVER`. The kind of a step is `CLIENT` if the step calls another service; otherwise it
/// is `INTERNAL`.
fn kind(step: Option<&str>) -> u8 {
    let Some(step) = step else {
        return SERVER;
    };
    let step = Step::ALL.iter().find(|known| known.as_str() == step);
    match step {
        Some(Step::Observe | Step::Call | Step::Fetch | Step::Notify) => CLIENT,
        Some(
            Step::Resume | Step::Verify | Step::Map | Step::Decide | Step::Record | Step::Plan,
        )
        | None => INTERNAL,
    }
}

/// Returns an `ExportTraceServiceRequest` with these spans.
pub(super) fn traces(resource: &Json, spans: &[Json]) -> Json {
    let of_scope = json!([{ "scope": scope(), "spans": spans }]);
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": of_scope }] })
}

/// Returns an `ExportMetricsServiceRequest` with these metrics, whose counts start at `began`.
pub(super) fn metrics(
    resource: &Json,
    series: &[(Metric, Vec<String>, Value)],
    (began, now): (Timestamp, Timestamp),
) -> Json {
    let times = (nanoseconds(began), nanoseconds(now));
    let metric = |metric: Metric| {
        let rows = series.iter().filter(|(of, ..)| *of == metric);
        let points: Vec<Json> = rows
            .map(|(_, labels, value)| point(metric.definition(), labels, value, &times))
            .collect();
        (!points.is_empty()).then(|| message(metric.definition(), points))
    };
    let metrics: Vec<Json> = Metric::ALL.into_iter().filter_map(metric).collect();
    let of_scope = json!([{ "scope": scope(), "metrics": metrics }]);
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": of_scope }] })
}

fn message(definition: Definition, points: Vec<Json>) -> Json {
    let Definition {
        name, kind, help, ..
    } = definition;
    let unit = if definition.unit() == "Seconds" {
        "s"
    } else {
        "1"
    };
    let cumulative = (kind != Kind::Gauge).then_some(CUMULATIVE);
    let data = present(json!({
        "dataPoints": points,
        "aggregationTemporality": cumulative,
        "isMonotonic": (kind == Kind::Counter).then_some(true),
    }));
    let field = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "sum",
        Kind::Histogram => "histogram",
    };
    json!({ "name": name, "description": help, "unit": unit, field: data })
}

fn point(
    definition: Definition,
    labels: &[String],
    value: &Value,
    (began, now): &(String, String),
) -> Json {
    let labels = definition.labels.iter().copied().zip(labels);
    let labels = labels.map(|(name, label)| (name, json!({ "stringValue": label })));
    let labels = attributes(labels);
    let began = (definition.kind != Kind::Gauge).then_some(began);
    present(match value {
        Value::Number(number) => json!({
            "attributes": labels, "startTimeUnixNano": began, "timeUnixNano": now, "asDouble": number,
        }),
        Value::Times(times) => {
            let rest = times.count - times.counts.iter().sum::<u64>();
            let counts = times.counts.iter().chain([&rest]).map(u64::to_string);
            json!({
                "attributes": labels, "startTimeUnixNano": began, "timeUnixNano": now,
                "count": times.count.to_string(), "sum": times.sum,
                "bucketCounts": counts.collect::<Vec<_>>(), "explicitBounds": BUCKETS,
            })
        }
    })
}

/// Encodes pairs of name and value as an OTLP list of attributes.
pub(super) fn attributes<N: AsRef<str>>(pairs: impl IntoIterator<Item = (N, Json)>) -> Json {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| json!({ "key": name.as_ref(), "value": value }))
        .collect()
}

fn scope() -> Json {
    json!({ "name": "sharehook", "version": env!("CARGO_PKG_VERSION") })
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}
