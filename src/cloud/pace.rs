//! Computes when the next call may be sent. Takes the current time, and which calls the cloud
//! throttled; returns the time of the next call. Pure: times are durations since a fixed start. The
//! algorithm is GCRA (the generic cell rate algorithm) with a burst of one. After a throttled call,
//! the rate becomes the number of calls that the cloud admitted in the last second; if there were
//! none, it is halved. In this way, processes that share a limit find their parts of it at once.

use std::collections::VecDeque;
use std::time::Duration;

/// How much the network delays of two calls may differ. The slots are so far apart that no second
/// holds more calls than the rate allows, even if one call arrives late by this much.
/// [`Pace::depart`] handles calls that this process itself sends late.
const JITTER: Duration = Duration::from_millis(10);
/// The second over which the cloud counts calls, plus the difference in network delay.
const WINDOW: Duration = Duration::from_secs(1).saturating_add(JITTER);
/// Minimum rate after throttling, in calls a second, unless the published rate is lower.
const FLOOR: f64 = 1.0;
/// Each admitted call raises the rate by this many calls a second if no call was throttled for
/// [`PROBE_AFTER`]. The pause is needed because a process that raises its rate while the limit is
/// still used up gets another throttled call.
const STEP: f64 = 1.0;
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// Throttled answers within this time of each other belong to the same overload.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

/// The pace of one action in one region.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    published: f64,
    rate: f64,
    next: Duration,
    slowed: Option<Duration>,
    /// The time at which the rate was last halved.
    halved: Option<Duration>,
    /// When the cloud answered the calls of the last second that its limit admitted.
    admitted: VecDeque<Duration>,
    /// When the calls of the last second were really sent. A busy process wakes late and may send
    /// several calls at once.
    sent: VecDeque<Duration>,
}

impl Pace {
    /// Starts at `published` calls a second, which is also the maximum. `published` must be
    /// positive.
    pub(super) fn new(published: f64) -> Self {
        Self {
            published,
            rate: published,
            next: Duration::ZERO,
            slowed: None,
            halved: None,
            admitted: VecDeque::new(),
            sent: VecDeque::new(),
        }
    }

    /// Returns the slot of a call that is ready at `now` while `before` calls wait ahead of it.
    pub(super) fn when(&self, now: Duration, before: usize) -> Duration {
        let queue = self
            .interval()
            .saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        self.next.max(now).saturating_add(queue)
    }

    /// Uses `slot`, which [`Pace::when`] returned, for the call that is sent now. The next slot
    /// comes one interval later.
    pub(super) fn take(&mut self, slot: Duration) {
        self.next = slot.saturating_add(self.interval());
    }

    /// Records that a call is sent at `now`. If the last second already has as many calls as the
    /// published rate allows, returns the time at which the call may be sent instead.
    pub(super) fn depart(&mut self, now: Duration) -> Result<(), Duration> {
        forget(&mut self.sent, now);
        match self.sent.front() {
            Some(first) if self.sent.len() as f64 >= self.published.max(1.0).floor() => {
                Err(first.saturating_add(WINDOW))
            }
            _ => {
                self.sent.push_back(now);
                Ok(())
            }
        }
    }

    /// The current rate, in calls a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Lowers the rate after a throttled call, to the number of calls that were admitted within the
    /// last second. The next slot comes a little more than a second after the first of these calls.
    /// If no call was admitted, this process's part of the limit is unknown. Then the rate is
    /// halved, at most once in [`ONE_OVERLOAD`] and not below [`FLOOR`].
    pub(super) fn slow_down(&mut self, now: Duration) {
        forget(&mut self.admitted, now);
        if let Some(first) = self.admitted.front() {
            self.rate = self.rate.min(self.admitted.len() as f64);
            self.next = first.saturating_add(WINDOW);
        } else if self
            .halved
            .is_none_or(|at| at.saturating_add(ONE_OVERLOAD) <= now)
        {
            self.rate = (self.rate / 2.0).max(FLOOR.min(self.published));
            self.halved = Some(now);
        }
        self.slowed = Some(now);
    }

    /// Records a call that the cloud's limit admitted: the cloud carried it out, or refused it for
    /// another reason. Raises the rate by [`STEP`], up to the published rate, if no call was
    /// throttled for [`PROBE_AFTER`].
    pub(super) fn speed_up(&mut self, now: Duration) {
        forget(&mut self.admitted, now);
        self.admitted.push_back(now);
        if self
            .slowed
            .is_none_or(|at| at.saturating_add(PROBE_AFTER) <= now)
        {
            self.rate = (self.rate + STEP).min(self.published);
        }
    }

    fn interval(&self) -> Duration {
        let seconds = (1.0 + JITTER.as_secs_f64()) / self.rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Removes the instants that are more than a second ago.
fn forget(instants: &mut VecDeque<Duration>, now: Duration) {
    while instants
        .front()
        .is_some_and(|at| at.saturating_add(WINDOW) <= now)
    {
        instants.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn slots(pace: &mut Pace, asked: &[Duration]) -> Vec<Duration> {
        let mut now = Duration::ZERO;
        let mut taken = Vec::new();
        for wait in asked {
            now += *wait;
            let slot = pace.when(now, 0);
            pace.take(slot);
            taken.push(slot);
        }
        taken
    }

    /// The largest number of arrivals in any closed window of one second.
    fn fullest_window(arrivals: &[Duration]) -> usize {
        let mut sorted = arrivals.to_vec();
        sorted.sort_unstable();
        let within = |from: Duration| {
            sorted
                .iter()
                .filter(|at| **at >= from && **at <= from + SECOND)
                .count()
        };
        sorted
            .iter()
            .map(|from| within(*from))
            .max()
            .unwrap_or_default()
    }

    proptest! {
        #[test]
        fn any_second_holds_no_more_than_the_rate(
            rate in 1_u32..=40,
            calls in prop::collection::vec((0_u64..200, 0_u64..10), 1..200),
        ) {
            let mut pace = Pace::new(f64::from(rate));
            let waits: Vec<Duration> = calls.iter().map(|(wait, _)| Duration::from_millis(*wait)).collect();
            let taken = slots(&mut pace, &waits);
            let late = |(slot, (_, late)): (&Duration, &(u64, u64))| *slot + Duration::from_millis(*late);
            let arrivals: Vec<Duration> = taken.iter().zip(&calls).map(late).collect();
            prop_assert!(fullest_window(&arrivals) <= rate as usize);
        }

        /// A busy process may wake calls arbitrarily late, and many of them at once. Their network
        /// delays differ by less than [`JITTER`].
        #[test]
        fn however_late_calls_wake_any_second_holds_no_more_than_the_rate(
            rate in 1_u32..=40,
            calls in prop::collection::vec((0_u64..200, 0_u64..600, 0_u64..10), 1..200),
        ) {
            let mut pace = Pace::new(f64::from(rate));
            let waits: Vec<Duration> = calls.iter().map(|(wait, ..)| Duration::from_millis(*wait)).collect();
            let mut woken: Vec<(Duration, Duration)> = slots(&mut pace, &waits).into_iter().zip(&calls)
                .map(|(slot, (_, late, way))| (slot + Duration::from_millis(*late), Duration::from_millis(*way)))
                .collect();
            let mut arrivals = Vec::new();
            // Calls depart in the order in which they wake. A delayed call wakes again at the time
            // that `depart` returned.
            while let Some(first) = (0..woken.len()).min_by_key(|n| woken[*n].0) {
                let (now, way) = woken[first];
                match pace.depart(now) {
                    Ok(()) => {
                        woken.swap_remove(first);
                        arrivals.push(now + way);
                    }
                    Err(later) => {
                        prop_assert!(later > now, "a call that is held back has to wait");
                        woken[first].0 = later;
                    }
                }
            }
            prop_assert!(fullest_window(&arrivals) <= rate as usize);
        }

        #[test]
        fn the_rate_stays_between_floor_and_published(
            published in 0.1_f64..100.0,
            answers in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let mut pace = Pace::new(published);
            for (second, throttled) in answers.into_iter().enumerate() {
                let now = SECOND * second as u32;
                if throttled { pace.slow_down(now) } else { pace.speed_up(now) }
                prop_assert!(pace.rate() <= published && pace.rate() >= FLOOR.min(published));
            }
        }
    }

    #[test]
    fn the_rate_is_used_when_there_is_work() {
        let taken = slots(&mut Pace::new(20.0), &[Duration::ZERO; 400]);
        let per_second = 399.0 / taken.last().unwrap().as_secs_f64();
        assert!((19.0..=20.0).contains(&per_second), "{per_second}");
    }

    #[test]
    fn calls_that_wake_late_together_do_not_go_together() {
        let mut pace = Pace::new(20.0);
        let at = |millis| Duration::from_millis(millis);
        assert!((0..20).all(|_| pace.depart(at(500)).is_ok()));
        assert_eq!(pace.depart(at(501)), Err(at(1_510)));
        assert_eq!(pace.depart(at(1_509)), Err(at(1_510)));
        assert_eq!(pace.depart(at(1_510)), Ok(()));
    }

    #[test]
    fn a_call_after_a_pause_goes_at_once_and_no_burst_is_saved_up() {
        let mut pace = Pace::new(10.0);
        let hour = Duration::from_secs(3600);
        assert_eq!(pace.when(hour, 0), hour);
        pace.take(hour);
        assert!(pace.when(hour, 0) >= hour + Duration::from_millis(100));
    }

    #[test]
    fn a_throttled_call_lowers_the_rate_to_what_the_last_second_admitted() {
        let mut pace = Pace::new(20.0);
        let at = |millis| Duration::from_millis(millis);
        for millis in [0, 1_500, 1_550, 1_600] {
            pace.speed_up(at(millis));
        }
        // Both throttled calls were sent before either was answered, so they belong to the same
        // overload.
        pace.slow_down(at(1_650));
        pace.slow_down(at(1_660));
        assert!((pace.rate() - 3.0).abs() < 1e-9, "{}", pace.rate());
        assert_eq!(pace.when(at(1_660), 0), at(2_510));
    }

    #[test]
    fn an_overload_before_any_success_halves_the_rate_once_a_second() {
        let mut pace = Pace::new(20.0);
        for millisecond in 0..10 {
            pace.slow_down(SECOND + Duration::from_millis(millisecond));
        }
        assert!((pace.rate() - 10.0).abs() < 1e-9);
        for second in 3..20 {
            pace.slow_down(SECOND * second);
        }
        assert!((pace.rate() - FLOOR).abs() < 1e-9);
    }

    #[test]
    fn an_overload_that_lasts_halves_the_rate_each_second() {
        let mut pace = Pace::new(20.0);
        for tenth in 0..60 {
            pace.slow_down(Duration::from_millis(tenth * 100));
        }
        assert!((pace.rate() - FLOOR).abs() < 1e-9, "{}", pace.rate());
    }

    #[test]
    fn success_brings_the_rate_back_when_nothing_is_throttled() {
        let mut pace = Pace::new(20.0);
        pace.slow_down(SECOND);
        pace.speed_up(SECOND + PROBE_AFTER - JITTER);
        assert!((pace.rate() - 10.0).abs() < 1e-9);
        for _ in 0..100 {
            pace.speed_up(SECOND + PROBE_AFTER);
        }
        assert!((pace.rate() - 20.0).abs() < 1e-9);
    }

    /// The processes do not know of each other, and each makes the same number of calls. The cloud
    /// allows 20 calls in any second.
    #[test]
    fn processes_that_share_a_limit_find_their_parts_of_it() {
        const EACH: usize = 100;
        let mut paces = vec![Pace::new(20.0); 8];
        let mut left = vec![EACH; paces.len()];
        let (mut admitted, mut refused) = (VecDeque::new(), 0);
        let (mut now, mut number) = (Duration::ZERO, 0_u64);
        let calls = EACH * paces.len();
        while left.iter().any(|calls| *calls > 0) {
            let waiting = (0..paces.len()).filter(|n| left[*n] > 0);
            let n = waiting.min_by_key(|n| paces[*n].when(now, 0)).unwrap();
            now = paces[n].when(now, 0);
            paces[n].take(now);
            while admitted.front().is_some_and(|at| now >= *at + SECOND) {
                admitted.pop_front();
            }
            // The network delay differs from call to call.
            number += 1;
            let answer = now + Duration::from_millis(2 + number * 7 % 19);
            if admitted.len() < 20 {
                admitted.push_back(now);
                left[n] -= 1;
                paces[n].speed_up(answer);
            } else {
                refused += 1;
                paces[n].slow_down(answer);
            }
        }
        let floor = calls as f64 / 20.0;
        let part = f64::from(refused) / (calls as f64 + f64::from(refused));
        assert!(part <= 0.15, "{refused} refused, {part:.2}");
        assert!(now.as_secs_f64() <= 1.2 * floor, "{now:?}");
    }
}
