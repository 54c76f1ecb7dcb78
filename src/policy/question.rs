//! The input of a decision: the request, its identity, and the instants that the decision needs.

use crate::domain::{Identity, ShareRequest, Timestamp};

/// Asks whether a request that a source authenticated may be carried out now.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request's identity. It contains the configured source that authenticated the delivery.
    pub identity: &'a Identity,
    /// The request.
    pub request: &'a ShareRequest,
    /// The time of the decision.
    pub now: Timestamp,
    /// When sharehook first verified the request. An `expires_in` is counted from this instant.
    pub approved_at: Timestamp,
}
