//! Slows down a flood of requests from unauthenticated senders, so that it cannot take the
//! processor from verified work. Computes how long each answer to such a request must be delayed.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Maximum number of answers that are sent without a delay in one period.
const MAX_PROMPT: u32 = 50;
const PERIOD: Duration = Duration::from_millis(100);
/// The delay of every further answer in the period. During the delay, the connection carries no
/// other request.
const DELAY: Duration = Duration::from_millis(250);

/// Counts the answers of the current period to unauthenticated senders.
pub(super) struct Pace(Mutex<Period>);

struct Period {
    began: Instant,
    answers: u32,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Period {
            began: now,
            answers: 0,
        }))
    }

    /// Counts an answer, and returns how long to delay it.
    pub(super) fn delay(&self, now: Instant) -> Duration {
        let mut period = self.0.lock();
        if now.saturating_duration_since(period.began) >= PERIOD {
            *period = Period {
                began: now,
                answers: 0,
            };
        }
        period.answers = period.answers.saturating_add(1);
        if period.answers > MAX_PROMPT {
            DELAY
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_held_back_and_a_few_answers_are_not() {
        let now = Instant::now();
        let pace = Pace::new(now);
        let held_back = |now, answers| {
            let delays = (0..answers).map(|_| pace.delay(now));
            delays.filter(|delay| !delay.is_zero()).count()
        };
        assert_eq!(held_back(now, 60), 10);
        assert_eq!(held_back(now + PERIOD, 50), 0);
        assert_eq!(held_back(now + PERIOD, 1), 1);
    }
}
