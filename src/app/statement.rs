//! What an operator states with the requests of one command. A delivery cannot carry a statement.

use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    None,
    /// `drift --adopt`: the requests adopt shares that exist already, which then expire with them.
    Adopts {
        /// When the comparison that found the shares began to read the journal.
        read_at: Timestamp,
    },
    /// `revoke --gone`: an image that the cloud does not show is deleted.
    Gone,
}
