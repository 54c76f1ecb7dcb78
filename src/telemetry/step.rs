//! The steps of the straight line (ARCHITECTURE.md) that every request takes. With the feature
//! `otlp` each step has a span, which is exported if a collector is configured.

use tracing::Span;

use crate::domain::spelled;

spelled! {
    /// A step of the straight line.
    Step {
        /// A sweep resumes a request.
        Resume = "resume",
        /// The sender is authenticated.
        Verify = "verify",
        /// The map turns the event into requests.
        Map = "map",
        /// The policies decide.
        Decide = "decide",
        /// The cloud is read.
        Observe = "observe",
        /// A record becomes durable.
        Record = "record",
        /// The delta is computed.
        Plan = "plan",
        /// The cloud changes a share.
        Call = "call",
        /// The instance or ticket that an event names is fetched.
        Fetch = "fetch",
        /// A target is notified.
        Notify = "notify",
    }
}

/// Returns a span for a step. All fields except `step` are empty at first, and the caller records
/// them once they are known. No field may contain a secret.
#[cfg(feature = "otlp")]
pub fn step(step: Step) -> Span {
    use tracing::field::Empty;
    tracing::info_span!(
        "step",
        step = step.as_str(),
        source = Empty,
        identity = Empty,
        allowed = Empty,
        action = Empty,
        code = Empty,
        cloud_request_id = Empty,
        notify = Empty,
        error = Empty
    )
}

/// Returns an empty span, because this build exports no spans.
#[cfg(not(feature = "otlp"))]
pub fn step(_: Step) -> Span {
    Span::none()
}
