//! The trace that work belongs to. In: what a sender or a host says of it. Out: the context that requests to
//! others carry: that of the present span, which the feature `otlp` exports, else the sender's, unchanged.

use std::future::Future;

use tracing::Span;

use super::trace_context::{self, TraceContext, within};

/// Begins the work that a host delivers: puts its span into the trace of its sender, if that names one. Returns
/// the context for [`within`].
pub fn begin(span: &Span, sender: Option<TraceContext>) -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    if let Some(own) = super::otlp::adopt(span, sender) {
        return Some(own);
    }
    let _ = span;
    sender.or_else(trace_context::carried)
}

/// The context of the present work.
pub fn current() -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    if let Some(own) = super::otlp::context_of(&Span::current()) {
        return Some(own);
    }
    trace_context::carried()
}

/// Carries the context of the present work into a task of its own.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    within(current(), work)
}
