//! [`Statement`]: what an operator asserts about the requests that a command makes. A delivery
//! cannot contain a statement.

use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    None,
    /// Made by `drift --adopt`: the requests adopt existing shares. Each share then expires when
    /// the request that adopted it expires.
    Adopts {
        /// When `drift` began to read the journal for the comparison that found the shares.
        read_at: Timestamp,
    },
    /// Made by `drift --revoke-unknown`: the cancels end shares that no request names.
    EndsUnknown {
        /// When `drift` began to read the journal for the comparison that found the shares. The
        /// cancel sorts at this time, so requests that were approved since then come after it.
        read_at: Timestamp,
    },
    /// Made by `revoke --gone`: the image was deleted. If the cloud does not show the image, it
    /// counts as not shared.
    Gone,
}
