//! The instant until which a caller waits for a call. Takes a monotonic instant of the runtime;
//! returns the time left. Does not know the date or the time of day.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The instant after which the caller no longer waits. Hosts that end the process at a known time
/// set a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline; each call still has its own time limit.
    pub const NEVER: Self = Self(None);

    /// Creates a deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// Creates a deadline `duration` from now. If the clock cannot represent that instant, there is
    /// no deadline.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// Returns the time left at `now`. `None` if there is no deadline.
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(now))
    }

    /// Returns true if `instant` is before the deadline, or if there is no deadline.
    pub fn allows(self, instant: Instant) -> bool {
        self.0.is_none_or(|end| instant < end)
    }

    /// Whether the deadline has passed.
    pub fn passed(self) -> bool {
        !self.allows(Instant::now())
    }

    /// Runs `work` and returns its result. `None` if the deadline passes first.
    pub async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        match self.0 {
            None => Some(work.await),
            Some(end) => timeout_at(end, work).await.ok(),
        }
    }

    /// Returns the earlier of two deadlines.
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
