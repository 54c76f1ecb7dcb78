//! The only module that reads the wall clock and the system's randomness. Pure code receives both
//! as arguments. Code with a deadline or a pause reads the monotonic clock itself, as an `Instant`.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::Timestamp;

/// A clock that code asks for the current time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A fixed clock for tests and benchmarks. It changes only through [`Clock::set`].
    Set(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// Returns a clock that shows `instant` until `set` changes it.
    pub fn at(instant: Timestamp) -> Self {
        Self::Set(Arc::new(Mutex::new(instant)))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Set(instant) => *instant.lock(),
        }
    }

    /// Sets a fixed clock to another instant. Does nothing if this is the system's clock.
    pub fn set(&self, to: Timestamp) {
        if let Self::Set(instant) = self {
            *instant.lock() = to;
        }
    }
}

/// Returns the system's time.
#[allow(clippy::disallowed_methods)] // Only this function may read the clock.
pub fn system_now() -> Timestamp {
    Timestamp::now()
}

/// Returns `N` random bytes, for ids and keys.
///
/// # Errors
/// Fails if the system has no randomness.
pub fn fresh_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns a random number, uniform over `u32`. Returns `u32::MAX / 2` if the system has no
/// randomness. That is good enough for the callers, which use it to spread waits and to split
/// batches.
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
