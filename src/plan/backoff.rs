//! How long to wait before a call is repeated. Full jitter keeps many callers from repeating at the
//! same time ("Exponential Backoff And Jitter", AWS Architecture Blog). The random number is an
//! argument.

use std::time::Duration;

use crate::domain::ErrorClass;

/// The bounds of waiting and repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first wait. After a throttled call, the bound is four times as long.
    pub base: Duration,
    /// The longest single wait.
    pub cap: Duration,
    /// Maximum number of tries. Calls and failed reads count together.
    pub tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
            tries: 6,
        }
    }
}

/// How long a turn waits for a cloud that is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The waits between repetitions of a call.
    pub backoff: Backoff,
    /// Pause between two reads of an image that is not NORMAL yet.
    pub normal_pause: Duration,
    /// Maximum number of reads by which a turn finds out whether an image is NORMAL. The images of
    /// a chain are counted separately. If the image is still not NORMAL after these reads, the
    /// request stays pending, and a later turn continues.
    pub normal_polls: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            normal_pause: Duration::from_secs(1),
            normal_polls: 20,
        }
    }
}

/// Returns the wait before try `tries + 1`. `chance` must be a random number, uniform over `u32`.
pub fn wait_before(backoff: Backoff, tries: u32, class: ErrorClass, chance: u32) -> Duration {
    // Other callers share the rate limit. After a throttled call, begin with a longer wait, so that
    // the limit's time window passes.
    let extra = if class == ErrorClass::Throttled { 2 } else { 0 };
    let doublings = tries.saturating_sub(1).saturating_add(extra).min(16);
    let most = backoff
        .base
        .saturating_mul(1_u32 << doublings)
        .min(backoff.cap);
    most.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_capped() {
        let b = Backoff::default();
        let most = |tries, class| wait_before(b, tries, class, u32::MAX);
        assert_eq!(most(1, ErrorClass::Transient), Duration::from_millis(250));
        assert_eq!(most(3, ErrorClass::Transient), Duration::from_secs(1));
        assert_eq!(most(1, ErrorClass::Throttled), Duration::from_secs(1));
        assert_eq!(most(60, ErrorClass::Throttled), b.cap);
        assert_eq!(wait_before(b, 5, ErrorClass::Transient, 0), Duration::ZERO);
    }
}
