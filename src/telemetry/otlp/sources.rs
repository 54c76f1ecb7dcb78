//! The clock and the source of randomness that the export receives as arguments.

use crate::domain::Timestamp;

/// A clock and a source of random bytes.
#[derive(Debug, Clone, Copy)]
pub struct Sources {
    /// Returns the current time.
    pub now: fn() -> Timestamp,
    /// Returns random bytes.
    pub random: fn() -> Result<[u8; 8], getrandom::Error>,
}
