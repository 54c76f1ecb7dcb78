//! The trace to which work belongs. In: the context that a sender or a host names. Out: the context
//! for outgoing requests. If spans are exported (feature `otlp`), this is the context of the
//! current span. Otherwise it is the context that the sender or host named, unchanged.

use std::future::Future;

use tracing::Span;

use super::trace_context::{self, TraceContext, within};

/// Begins the work on an event of a host, for which the caller has created `span`. If spans are
/// exported and `sender` names a trace, moves `span` into that trace. Returns the context that the
/// caller must pass to [`within`].
pub fn begin(span: &Span, sender: Option<TraceContext>) -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    if let Some(own) = super::otlp::adopt(span, sender) {
        return Some(own);
    }
    let _ = span;
    sender.or_else(trace_context::carried)
}

/// Returns the context of the current work.
pub fn current() -> Option<TraceContext> {
    #[cfg(feature = "otlp")]
    if let Some(own) = super::otlp::context_of(&Span::current()) {
        return Some(own);
    }
    trace_context::carried()
}

/// Returns a future that runs `work` in the context of the current work, even in another task.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    within(current(), work)
}
