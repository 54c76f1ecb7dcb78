//! The layer of `tracing` that records spans. In: spans as they begin and end. Out: the spans of
//! sampled traces, in the queue. A span joins the trace of the span around it, or else the trace
//! whose context its task carries. If there is neither, the span starts a new trace.

use std::sync::Arc;

use tracing::span::{Attributes, Id, Record};
use tracing::{Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use super::json;
use super::queue::Queue;
use super::recorded::{Fields, Recorded};
use super::sources::Sources;
use crate::telemetry::trace_context::{TraceContext, carried};

pub(super) struct SpanLayer {
    queue: Arc<Queue>,
    sources: Sources,
}

impl SpanLayer {
    pub(super) fn new(queue: Arc<Queue>, sources: Sources) -> Self {
        Self { queue, sources }
    }

    /// Returns a random id. Returns `None` if the system has no randomness, or if the id is zero,
    /// which is no valid id. The span is then not recorded.
    fn fresh(&self) -> Option<u64> {
        let id = u64::from_ne_bytes((self.sources.random)().ok()?);
        (id != 0).then_some(id)
    }

    fn begin(&self, around: Option<TraceContext>, fields: Fields) -> Option<Recorded> {
        let span = self.fresh()?;
        let context = match around {
            Some(around) => around.under(span),
            None => {
                let trace = u128::from(self.fresh()?) << 64 | u128::from(self.fresh()?);
                TraceContext::beginning(trace, span)
            }
        };
        Some(Recorded {
            context,
            parent: around,
            began: (self.sources.now)(),
            fields,
        })
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let around = span.parent().and_then(|parent| recorded_around(parent));
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(recorded) = self.begin(around.or_else(carried), fields) {
            span.extensions_mut().insert(recorded);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(recorded) = span.extensions_mut().get_mut::<Recorded>()
        {
            values.record(&mut recorded.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let recorded = span.extensions_mut().remove::<Recorded>();
        if let Some(recorded) = recorded.filter(|recorded| recorded.context.is_sampled()) {
            let ended = (self.sources.now)();
            self.queue.push(json::span(span.name(), recorded, ended));
        }
    }
}

fn recorded_around<'a, R: LookupSpan<'a>>(span: SpanRef<'a, R>) -> Option<TraceContext> {
    let context = |span: SpanRef<'a, R>| Some(span.extensions().get::<Recorded>()?.context);
    span.scope().find_map(context)
}

/// Returns the context of `span`, or of the nearest recorded span around it. Returns `None` if
/// neither `span` nor any span around it is recorded.
pub(in crate::telemetry) fn context_of(span: &Span) -> Option<TraceContext> {
    let found = span.with_subscriber(|(id, subscriber)| {
        let registry = subscriber.downcast_ref::<Registry>()?;
        recorded_around(registry.span(id)?)
    });
    found.flatten()
}

/// Moves `span` into the trace of `sender`, if there is a `sender`. The span must not have children
/// yet, because they would not move with it. Returns the context of the span, or `None` if the span
/// is not recorded.
pub(in crate::telemetry) fn adopt(
    span: &Span,
    sender: Option<TraceContext>,
) -> Option<TraceContext> {
    let found = span.with_subscriber(|(id, subscriber)| {
        let registry = subscriber.downcast_ref::<Registry>()?;
        let span = registry.span(id)?;
        let mut extensions = span.extensions_mut();
        let recorded = extensions.get_mut::<Recorded>()?;
        if let Some(sender) = sender {
            recorded.context = sender.under(recorded.context.span());
            recorded.parent = Some(sender);
        }
        Some(recorded.context)
    });
    found.flatten()
}
