//! A span as it is recorded. In: the fields of a span of `tracing`. Out: its attributes, and whether it failed.

use std::fmt;

use serde_json::{Value as Json, json};
use tracing::field::{Field, Visit};

use crate::domain::Timestamp;
use crate::telemetry::trace_context::TraceContext;

/// A span. Its context has its own id.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) context: TraceContext,
    pub(super) parent: Option<TraceContext>,
    pub(super) began: Timestamp,
    pub(super) fields: Fields,
}

/// What a span says of itself.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The step, which is the span's name.
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
            // Each span has it already.
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
