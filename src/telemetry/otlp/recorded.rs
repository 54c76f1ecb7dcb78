//! A span as it is recorded. In: the fields of a `tracing` span. Out: its attributes and its error.

use std::fmt;

use serde_json::{Value as Json, json};
use tracing::field::{Field, Visit};

use crate::domain::Timestamp;
use crate::telemetry::trace_context::TraceContext;

/// A recorded span. The span id in `context` is the id of this span.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) context: TraceContext,
    pub(super) parent: Option<TraceContext>,
    pub(super) began: Timestamp,
    pub(super) fields: Fields,
}

#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The step. Its name becomes the name of the exported span.
    pub(super) step: Option<String>,
    pub(super) attributes: Vec<(&'static str, Json)>,
    pub(super) error: Option<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Json) {
        self.attributes.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "step" => self.step = Some(value.to_owned()),
            "error" => self.error = Some(value.to_owned()),
            // The exported span has the trace id already, as its `traceId`.
            "trace_id" => {}
            _ => self.add(field, json!({ "stringValue": value })),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, json!({ "boolValue": value }));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, json!({ "intValue": value.to_string() }));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, json!({ "intValue": value.to_string() }));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
