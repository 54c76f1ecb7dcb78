//! When a failed notification is sent again: after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, as
//! Svix does, and twice after a day, so that the ticket system may be down for a weekend. Takes the number of the failed attempt and the receiver's `Retry-After`.

use jiff::SignedDuration;

use crate::domain::{Timestamp, http_date};

/// The pause after each failed attempt, in seconds. After a tenth failure there is no further
/// attempt.
const PAUSES: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 86_400, 86_400];
/// Maximum `Retry-After` that is honoured, in seconds.
const MAX_RETRY_AFTER: i64 = 86_400;

/// Returns when the attempt after `attempt` is due, or `None` if `attempt` was the last. Attempts
/// are counted from 1. `retry_after` is the receiver's `Retry-After` in seconds.
pub(crate) fn next_attempt(
    attempt: u32,
    failed_at: Timestamp,
    retry_after: Option<i64>,
) -> Option<Timestamp> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let pause = PAUSES.get(index)?;
    let pause = (*pause).max(retry_after.unwrap_or(0).min(MAX_RETRY_AFTER));
    failed_at.checked_add(SignedDuration::from_secs(pause)).ok()
}

/// Reads a `Retry-After` header, which has a number or a date. Returns seconds from now.
pub(crate) fn retry_after(header: &str, now: Timestamp) -> Option<i64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(seconds.into());
    }
    let at = http_date(header)?;
    Some(at.duration_since(now).as_secs().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_in_three_days() {
        let start = Timestamp::UNIX_EPOCH;
        let mut at = start;
        let mut waits = Vec::new();
        for attempt in 1..=10 {
            let Some(next) = next_attempt(attempt, at, None) else {
                assert_eq!(attempt, 10);
                break;
            };
            waits.push(next.duration_since(at).as_secs());
            at = next;
        }
        assert_eq!(waits, PAUSES);
        assert!(at.duration_since(start).as_hours() >= 72);
        assert_eq!(next_attempt(0, start, None), None);
        assert_eq!(next_attempt(u32::MAX, start, None), None);
    }

    #[test]
    fn a_receiver_can_put_it_off_but_not_for_ever() {
        let pause = |wish| {
            let next = next_attempt(1, Timestamp::UNIX_EPOCH, Some(wish)).unwrap();
            next.as_second()
        };
        assert_eq!([pause(1), pause(60), pause(i64::MAX)], [5, 60, 86_400]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(retry_after(" 120", now), Some(120));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:02:00 GMT", now), Some(120));
        let obsolete = "Thu Jan  1 00:02:00 1970";
        assert_eq!(retry_after(obsolete, now), Some(120));
        let past = "Thu, 01 Jan 1970 00:00:00 GMT";
        let later = Timestamp::from_second(120).unwrap();
        assert_eq!(retry_after(past, later), Some(0));
        for bad in ["", "soon", "-5", "1.5", "99999999999999"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }
}
