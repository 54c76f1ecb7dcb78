//! What an operator states with the requests of one command. A delivery cannot carry a statement.

use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    None,
    /// `drift --adopt`: the requests adopt existing shares. Each share then expires with the
    /// request that adopted it.
    Adopts {
        /// When the comparison that found the shares began to read the journal.
        read_at: Timestamp,
    },
    /// `drift --revoke-unknown`: the cancels end shares that no request names.
    EndsUnknown {
        /// When the comparison that found the shares began to read the journal. The cancel comes
        /// before the requests that were approved since.
        read_at: Timestamp,
    },
    /// `revoke --gone`: the image is deleted. If the cloud does not show it, it counts as not
    /// shared.
    Gone,
}
