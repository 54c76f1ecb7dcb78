//! Delays calls so that each action stays within its rate limit per region. Takes a call that is
//! ready to be sent. Returns when the call may be sent, or fails if its slot is after the deadline.
//! This file holds the state and sleeps; `pace` does the arithmetic.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::actions::{Api, Service, describe_blueprints};
use super::deadline::Deadline;
use super::error::{TRY_LATER, deadline_passed, not_sent};
use super::pace::Pace;
use crate::domain::{CloudError, Region, ResultCode};

/// The cloud counts calls per action and region.
type Key = (Api, Region);

/// The lock on which calls wait for their slots. It lets them through one at a time, in the order
/// in which they came.
type Queue = tokio::sync::Mutex<()>;

/// Used in place of an instant that the clock cannot represent. Later than any real deadline.
const FAR: Duration = Duration::from_secs(86_400 * 365);

/// Waits shorter than this are not reported.
const MIN_WAIT: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct PacedQueue {
    pace: Pace,
    queue: Arc<Queue>,
    waiting: usize,
}

/// A function that is called with each wait for the rate limit that takes at least a millisecond.
/// Its arguments are the name of the action and how long the call waited.
#[derive(Clone)]
pub struct WaitObserver(Arc<dyn Fn(&'static str, Duration) + Send + Sync>);

impl WaitObserver {
    pub fn new(observe: impl Fn(&'static str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for WaitObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitObserver")
    }
}

/// The rate limits of one [`Cloud`](super::Cloud), for each of its actions and regions.
#[derive(Debug)]
pub(super) struct Throttle {
    lighthouse_per_second: f64,
    cvm_per_second: f64,
    start: Instant,
    queues: Mutex<HashMap<Key, PacedQueue>>,
    observer: Option<WaitObserver>,
}

impl Throttle {
    /// Creates a throttle from the maximum rate of each action of the two products, in calls a
    /// second. Both rates must be positive.
    pub(super) fn new(lighthouse_per_second: f64, cvm_per_second: f64) -> Self {
        Self {
            lighthouse_per_second,
            cvm_per_second,
            start: Instant::now(),
            queues: Mutex::default(),
            observer: None,
        }
    }

    /// Returns the throttle with `observer`, which is called with the waits.
    pub(super) fn observed(self, observer: Option<WaitObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Waits for the next free slot, behind the calls that already wait.
    pub(super) async fn wait_for_slot(
        &self,
        api: Api,
        region: &Region,
        deadline: Deadline,
    ) -> Result<(), CloudError> {
        let begun = Instant::now();
        if !deadline.allows(begun) {
            return Err(deadline_passed(&format!("{} in {region}", api.action)));
        }
        let place = self.enter((api, region.clone()), deadline)?;
        let key = &place.key;
        let first = deadline.limit(place.queue.lock()).await;
        let _first = first.ok_or_else(|| self.too_late(key, self.slot(key)))?;
        loop {
            // The rate may have changed while this call waited.
            let slot = self.slot(key);
            self.sleep_until(key, slot, deadline).await?;
            match self.depart(key, slot) {
                Ok(()) => break,
                Err(later) => self.sleep_until(key, later, deadline).await?,
            }
        }
        self.waited(api, begun);
        Ok(())
    }

    /// Waits until a slot comes. Fails at once if the slot is after the deadline.
    async fn sleep_until(
        &self,
        key: &Key,
        slot: Duration,
        deadline: Deadline,
    ) -> Result<(), CloudError> {
        let at = self.instant(slot);
        if !deadline.allows(at) {
            return Err(self.too_late(key, slot));
        }
        sleep_until(at).await;
        Ok(())
    }

    /// Takes a place in the queue of an action and region. Fails if the expected slot is after the
    /// deadline.
    fn enter(&self, key: Key, deadline: Deadline) -> Result<Place<'_>, CloudError> {
        let mut queues = self.queues.lock();
        let published = self.published(key.0);
        let paced = queues.entry(key.clone()).or_insert_with(|| PacedQueue {
            pace: Pace::new(published),
            queue: Arc::default(),
            waiting: 0,
        });
        let slot = paced.pace.when(self.start.elapsed(), paced.waiting);
        if !deadline.allows(self.instant(slot)) {
            drop(queues);
            return Err(self.too_late(&key, slot));
        }
        paced.waiting += 1;
        let queue = Arc::clone(&paced.queue);
        Ok(Place {
            throttle: self,
            key,
            queue,
        })
    }

    /// Returns the slot of a call that is ready now and first in its queue.
    fn slot(&self, key: &Key) -> Duration {
        let now = self.start.elapsed();
        let queues = self.queues.lock();
        queues.get(key).map_or(now, |paced| paced.pace.when(now, 0))
    }

    fn instant(&self, slot: Duration) -> Instant {
        self.start
            .checked_add(slot)
            .unwrap_or_else(|| self.start + FAR)
    }

    fn waited(&self, api: Api, begun: Instant) {
        let wait = begun.elapsed();
        if let Some(WaitObserver(observe)) = self.observer.as_ref().filter(|_| wait >= MIN_WAIT) {
            observe(api.action, wait);
        }
    }

    /// Takes `slot`, whose time has come, for a call. If calls that were sent late have filled the
    /// current second, or the rate was lowered since `slot` was computed, returns a later slot.
    fn depart(&self, key: &Key, slot: Duration) -> Result<(), Duration> {
        let now = self.start.elapsed();
        let mut queues = self.queues.lock();
        let Some(paced) = queues.get_mut(key) else {
            return Ok(());
        };
        let due = paced.pace.when(now, 0);
        if due > now {
            return Err(due);
        }
        paced.pace.depart(now)?;
        paced.pace.take(slot);
        Ok(())
    }

    /// Adapts the pace to the result of a call.
    pub(super) fn observe(&self, api: Api, region: &Region, throttled: bool) {
        let now = self.start.elapsed();
        if let Some(paced) = self.queues.lock().get_mut(&(api, region.clone())) {
            if throttled {
                paced.pace.slow_down(now)
            } else {
                paced.pace.speed_up(now)
            }
        }
    }

    fn published(&self, api: Api) -> f64 {
        match api.service {
            Service::Lighthouse if api == describe_blueprints::API => {
                // `DescribeBlueprints` gets at most the rate that its own page publishes. Only
                // tests set a Lighthouse rate above 20. The action then gets half of that rate.
                let most = (self.lighthouse_per_second / 2.0).max(describe_blueprints::PER_SECOND);
                self.lighthouse_per_second.min(most)
            }
            Service::Lighthouse => self.lighthouse_per_second,
            Service::Cvm => self.cvm_per_second,
        }
    }

    fn too_late(&self, key: &Key, slot: Duration) -> CloudError {
        let (api, region) = key;
        let queues = self.queues.lock();
        let paced = queues.get(key);
        let rate = paced.map_or(self.published(*api), |paced| paced.pace.rate());
        let message = format!(
            "{} in {region} was not sent: the rate limit of {rate:.1} calls a second delays it by {:.1} s, past the deadline",
            api.action,
            slot.saturating_sub(self.start.elapsed()).as_secs_f64()
        );
        not_sent(ResultCode::Throttled, message, TRY_LATER)
    }
}

/// The place of a call in a queue. Dropping it removes the call from the queue.
struct Place<'a> {
    throttle: &'a Throttle,
    key: Key,
    queue: Arc<Queue>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(paced) = self.throttle.queues.lock().get_mut(&self.key) {
            paced.waiting = paced.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorClass;

    const READ: Api = Api::cvm("DescribeImages");
    const LIST: Api = Api::lighthouse("DescribeImagesToShare");

    fn region(text: &str) -> Region {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn calls_of_one_action_and_region_wait_for_each_other_and_no_others() {
        let throttle = Throttle::new(10.0, 10.0);
        let (here, there) = (region("ap-tokyo"), region("ap-seoul"));
        let begin = Instant::now();
        let took = async |api, region| {
            let slot = throttle.wait_for_slot(api, region, Deadline::NEVER).await;
            slot.unwrap();
            begin.elapsed()
        };
        let (_, second, third, elsewhere, other) = tokio::join!(
            took(READ, &here),
            took(READ, &here),
            took(READ, &here),
            took(READ, &there),
            took(LIST, &here)
        );
        let interval = Duration::from_millis(100);
        // The times are measured from the beginning, because a busy machine may notice the first
        // slot late.
        assert!(second >= interval && third >= 2 * interval);
        assert!(elsewhere < second && other < second, "others wait");
    }

    #[tokio::test]
    async fn a_turn_after_the_deadline_is_refused_at_once_and_not_taken() {
        // The next slot comes in an hour.
        let throttle = Throttle::new(1.0, 1.0 / 3_600.0);
        let here = region("ap-tokyo");
        throttle
            .wait_for_slot(READ, &here, Deadline::NEVER)
            .await
            .unwrap();
        let soon = Deadline::after(Duration::from_secs(1_800));
        for _ in 0..100 {
            let error = throttle.wait_for_slot(READ, &here, soon).await.unwrap_err();
            assert_eq!(
                (error.class, error.code.as_str()),
                (ErrorClass::NotSent, "Throttled")
            );
        }
        let two_hours = Deadline::after(Duration::from_secs(7_200));
        assert!(
            throttle.enter((READ, here.clone()), two_hours).is_ok(),
            "refusals took turns"
        );
    }

    /// A request that needs many calls queues again for each of them, so it cannot crowd out a
    /// request that needs a single call.
    #[tokio::test]
    async fn turns_are_shared_fairly_between_requests() {
        let throttle = Throttle::new(100.0, 100.0);
        let here = region("ap-tokyo");
        let order = Mutex::new(String::new());
        let request = async |name: char, calls: usize| {
            for _ in 0..calls {
                let slot = throttle.wait_for_slot(READ, &here, Deadline::NEVER).await;
                slot.unwrap();
                order.lock().push(name);
            }
        };
        tokio::join!(request('a', 5), request('b', 1), request('c', 3));
        assert_eq!(*order.lock(), "abcacacaa");
    }

    /// Lighthouse allows 20 calls a second of an action, but only 10 of `DescribeBlueprints`.
    #[test]
    fn the_list_of_blueprints_has_the_rate_of_its_own_page() {
        for (configured, list) in [(20.0, 10.0), (15.0, 10.0), (5.0, 5.0), (0.1, 0.1)] {
            let throttle = Throttle::new(configured, 10.0);
            for (api, rate) in [(describe_blueprints::API, list), (LIST, configured)] {
                let here = region("ap-tokyo");
                drop(
                    throttle
                        .enter((api, here.clone()), Deadline::NEVER)
                        .unwrap(),
                );
                let kept = throttle.queues.lock()[&(api, here)].pace.rate();
                assert!(
                    (kept - rate).abs() < 1e-9,
                    "{api:?} at {configured}: {kept}"
                );
            }
        }
    }

    #[test]
    fn a_throttled_answer_slows_its_own_action_only() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        for api in [READ, LIST] {
            throttle
                .enter((api, here.clone()), Deadline::NEVER)
                .unwrap();
        }
        throttle.observe(READ, &here, true);
        let rate = |api| throttle.queues.lock()[&(api, here.clone())].pace.rate();
        assert!((rate(READ) - 5.0).abs() < 1e-9);
        assert!((rate(LIST) - 20.0).abs() < 1e-9);
    }

    #[tokio::test]
    async fn a_throttled_answer_delays_the_calls_that_wait_already() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        let wait = || throttle.wait_for_slot(LIST, &here, Deadline::NEVER);
        wait().await.unwrap();
        throttle.observe(LIST, &here, false);
        let begin = Instant::now();
        let answer = async { throttle.observe(LIST, &here, true) };
        // Without the throttled answer, the two slots would be 50 and 100 ms away.
        let (first, second, ()) = tokio::join!(wait(), wait(), answer);
        first.unwrap();
        second.unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_call_does_not_wait_past_its_deadline_behind_calls_that_were_slowed_down() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        let wait = |deadline| throttle.wait_for_slot(LIST, &here, deadline);
        wait(Deadline::NEVER).await.unwrap();
        throttle.observe(LIST, &here, false);
        let begin = Instant::now();
        let soon = Deadline::after(Duration::from_millis(300));
        let late = async { (wait(soon).await, begin.elapsed()) };
        let answer = async { throttle.observe(LIST, &here, true) };
        // The rate is now one call a second: the two calls ahead are sent after one and two
        // seconds.
        let never = Deadline::NEVER;
        let (_, _, (late, took), ()) = tokio::join!(wait(never), wait(never), late, answer);
        assert_eq!(late.unwrap_err().code.as_str(), "Throttled");
        assert!(took < Duration::from_millis(1_900), "{took:?}");
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_leaves_the_queue() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        let wait = || throttle.wait_for_slot(LIST, &here, Deadline::NEVER);
        wait().await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(5), async {
            tokio::join!(wait(), wait(), wait())
        });
        given_up.await.unwrap_err();
        assert_eq!(throttle.queues.lock()[&(LIST, here.clone())].waiting, 0);
        wait().await.unwrap();
    }

    /// Calls that were sent late have filled the second. So when the slot comes, the call gets
    /// another one, which is after the deadline.
    #[tokio::test]
    async fn a_call_does_not_sleep_past_its_deadline() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        let wait = |deadline| throttle.wait_for_slot(LIST, &here, deadline);
        wait(Deadline::NEVER).await.unwrap();
        if let Some(paced) = throttle.queues.lock().get_mut(&(LIST, here.clone())) {
            while paced.pace.depart(throttle.start.elapsed()).is_ok() {}
        }
        let begin = Instant::now();
        let error = wait(Deadline::after(Duration::from_millis(300))).await;
        assert_eq!(error.unwrap_err().code.as_str(), "Throttled");
        assert!(begin.elapsed() < Duration::from_millis(800));
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_is_not_called_throttling() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        let passed = Deadline::after(Duration::ZERO);
        let error = throttle.wait_for_slot(READ, &here, passed).await;
        let error = error.unwrap_err();
        assert_eq!(error.code, ResultCode::DeadlinePassed.as_str(), "{error}");
    }
}
