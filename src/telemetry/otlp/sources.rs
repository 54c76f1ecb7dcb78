//! The time and the chance that spans need, as arguments.

use crate::domain::Timestamp;

/// A clock, and where random bytes come from.
#[derive(Debug, Clone, Copy)]
pub struct Sources {
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Random bytes.
    pub random: fn() -> Result<[u8; 8], getrandom::Error>,
}
