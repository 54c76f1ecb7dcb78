//! Computes when the next call may go. In: the current time, and which calls the cloud throttled.
//! Out: the time of the next call. Pure: time is a `Duration` since a fixed start. GCRA with a
//! burst of one; the rate adapts by AIMD.

use std::collections::VecDeque;
use std::time::Duration;

/// How much the network delay of two calls may differ. Slots are so far apart that one second
/// holds no more calls than the rate allows even when one call is late by this much.
/// [`Pace::depart`] handles calls that this process sends later than that.
const JITTER: Duration = Duration::from_millis(10);
/// The second in which the cloud counts calls, plus the difference in network delay.
const WINDOW: Duration = Duration::from_secs(1).saturating_add(JITTER);
/// Lowest rate after throttling, in calls a second.
const FLOOR: f64 = 1.0;
/// Added to the rate after each success, in calls a second. The rate takes some seconds to return
/// from half to full.
const STEP: f64 = 0.1;
/// Throttled answers within this time of a slow-down belong to the same overload.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

/// The pace of one action in one region.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    published: f64,
    rate: f64,
    next: Duration,
    slowed: Option<Duration>,
    /// When the latest calls were really sent: a busy process wakes late, several calls at once.
    gone: VecDeque<Duration>,
}

impl Pace {
    /// Starts at `published` calls a second, which is also the maximum. It must be positive.
    pub(super) fn new(published: f64) -> Self {
        Self {
            published,
            rate: published,
            next: Duration::ZERO,
            slowed: None,
            gone: VecDeque::new(),
        }
    }

    /// The next slot for a call that is ready at `now`. [`Pace::take`] reserves it.
    pub(super) fn when(&self, now: Duration) -> Duration {
        self.next.max(now)
    }

    /// Reserves `slot`, which [`Pace::when`] returned.
    pub(super) fn take(&mut self, slot: Duration) {
        self.next = slot.saturating_add(self.interval());
    }

    /// Notes that a call goes at `now`. When the published rate is used up within the last second,
    /// returns the time at which the call may go instead.
    pub(super) fn depart(&mut self, now: Duration) -> Result<(), Duration> {
        while self
            .gone
            .front()
            .is_some_and(|at| at.saturating_add(WINDOW) <= now)
        {
            self.gone.pop_front();
        }
        match self.gone.front() {
            Some(first) if self.gone.len() as f64 >= self.published.max(1.0).floor() => {
                Err(first.saturating_add(WINDOW))
            }
            _ => {
                self.gone.push_back(now);
                Ok(())
            }
        }
    }

    /// The current rate, in calls a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Halves the rate after a throttled call, once per overload.
    pub(super) fn slow_down(&mut self, now: Duration) {
        if self
            .slowed
            .is_some_and(|at| now < at.saturating_add(ONE_OVERLOAD))
        {
            return;
        }
        self.slowed = Some(now);
        self.rate = (self.rate / 2.0).max(FLOOR.min(self.published));
    }

    /// Raises the rate a little after a success, up to the published rate.
    pub(super) fn speed_up(&mut self) {
        self.rate = (self.rate + STEP).min(self.published);
    }

    fn interval(&self) -> Duration {
        let seconds = (1.0 + JITTER.as_secs_f64()) / self.rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
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
            let slot = pace.when(now);
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

        /// A busy process wakes calls late by any time, many at once; their network delays differ by
        /// less than the margin.
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
            // Calls ask in the order in which they wake; a delayed call wakes again at the time
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
                if throttled { pace.slow_down(SECOND * second as u32) } else { pace.speed_up() }
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
        assert_eq!(pace.when(hour), hour);
        pace.take(hour);
        assert!(pace.when(hour) >= hour + Duration::from_millis(100));
    }

    #[test]
    fn one_overload_halves_once_and_success_brings_the_rate_back() {
        let mut pace = Pace::new(20.0);
        for millisecond in 0..10 {
            pace.slow_down(SECOND + Duration::from_millis(millisecond));
        }
        assert!((pace.rate() - 10.0).abs() < 1e-9);
        for second in 3..20 {
            pace.slow_down(SECOND * second);
        }
        assert!((pace.rate() - FLOOR).abs() < 1e-9);
        for _ in 0..200 {
            pace.speed_up();
        }
        assert!((pace.rate() - 20.0).abs() < 1e-9);
    }
}
