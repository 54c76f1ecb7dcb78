//! The only reader of the wall clock and of the system's randomness. Everything else takes both as
//! arguments. Deadlines and pauses use tokio's `Instant` where they are needed.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::Timestamp;

/// The source of the current time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that a test or a replay sets.
    Set(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that shows `instant` until `set` changes it.
    pub fn at(instant: Timestamp) -> Self {
        Self::Set(Arc::new(Mutex::new(instant)))
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Set(instant) => *instant.lock(),
        }
    }

    /// Changes a set clock. Has no effect on the system's clock.
    pub fn set(&self, to: Timestamp) {
        if let Self::Set(instant) = self {
            *instant.lock() = to;
        }
    }
}

/// The system's time.
#[allow(clippy::disallowed_methods)] // This is the one reader.
pub fn system_now() -> Timestamp {
    Timestamp::now()
}

/// Random bytes: eight identify an attempt, thirty-two are the seed of a key.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A random number, uniform over `u32`. Returns the middle when the system has no randomness, because
/// the number only spreads waits.
pub fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_stands_until_moved() {
        let clock = Clock::at(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        let later: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        clock.clone().set(later);
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn marks_differ() {
        assert_ne!(fresh_bytes::<8>().unwrap(), fresh_bytes().unwrap());
    }
}
