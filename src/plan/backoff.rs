//! How long to wait before a repetition: full jitter, so that many waiters do not come back
//! together. Rule: "Exponential Backoff And Jitter", AWS Architecture Blog; chance arrives as an
//! argument.

use std::time::Duration;

use crate::domain::ErrorClass;

/// The bounds of waiting and repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait's upper bound.
    pub base: Duration,
    /// No single wait is longer.
    pub cap: Duration,
    /// A call is made at most this often.
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

/// How long the work waits for a cloud that is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between repetitions of a call.
    pub backoff: Backoff,
    /// Between two looks at a fresh blueprint that is not NORMAL yet.
    pub normal_pause: Duration,
    /// How often it is looked at in one turn; then the request stays pending and a later turn goes
    /// on.
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

/// The wait before try `tries + 1`; `chance` is uniform in 0..=u32::MAX.
pub fn wait_before(backoff: Backoff, tries: u32, class: ErrorClass, chance: u32) -> Duration {
    // Throttling says that others share the limit: start higher, so that the window can pass.
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
