//! Until when an answer is of use. In: a monotonic instant of the runtime. Out: how long is left.
//! Knows no calendar.

use std::time::Duration;

use tokio::time::Instant;

/// The moment after which the caller no longer waits; a host that ends the process at a known
/// moment has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// None: each call still has its own longest duration.
    pub const NEVER: Self = Self(None);

    /// At `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// `duration` from now; never, when that lies beyond what the clock can count.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// How much is left at `now`; `None` when there is no deadline.
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(now))
    }

    /// Whether `instant` is still before it.
    pub fn allows(self, instant: Instant) -> bool {
        self.0.is_none_or(|end| instant < end)
    }

    /// The earlier of two.
    pub fn or_sooner(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_never_negative() {
        let now = Instant::now();
        let deadline = Deadline::at(now + Duration::from_secs(2));
        assert_eq!(deadline.remaining(now), Some(Duration::from_secs(2)));
        assert_eq!(
            deadline.remaining(now + Duration::from_secs(3)),
            Some(Duration::ZERO)
        );
        assert!(deadline.allows(now) && !deadline.allows(now + Duration::from_secs(2)));
        assert_eq!(Deadline::NEVER.remaining(now), None);
        assert!(Deadline::NEVER.allows(now));
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    }

    #[test]
    fn the_sooner_of_two_counts() {
        let now = Instant::now();
        let (one, two) = (
            Deadline::at(now),
            Deadline::at(now + Duration::from_secs(1)),
        );
        assert_eq!(one.or_sooner(two), one);
        assert_eq!(two.or_sooner(Deadline::NEVER), two);
        assert_eq!(Deadline::NEVER.or_sooner(two), two);
    }
}
