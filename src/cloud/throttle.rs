//! Delays calls so that each action stays within its rate limit per region. In: a call that is
//! ready to be sent. Out: permission to send it, before the deadline. Holds the state and sleeps;
//! `pace` does the arithmetic.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::actions::{Api, Service};
use super::deadline::Deadline;
use super::error::not_sent;
use super::pace::Pace;
use crate::domain::{CloudError, Region, ResultCode};

/// The cloud counts calls per action and region.
type Key = (Api, Region);

/// Receives the action of each call that had to wait, and for how long it did.
#[derive(Clone)]
pub struct WaitObserver(Arc<dyn Fn(&'static str, Duration) + Send + Sync>);

impl WaitObserver {
    /// Observes with `observe`.
    pub fn new(observe: impl Fn(&'static str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for WaitObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitObserver")
    }
}

/// The rate limits of all actions and regions, within one process.
#[derive(Debug)]
pub struct Throttle {
    lighthouse_per_second: f64,
    cvm_per_second: f64,
    start: Instant,
    paces: Mutex<HashMap<Key, Pace>>,
    observer: Option<WaitObserver>,
}

impl Throttle {
    /// Takes the rate of each action of the two products, in calls a second; both must be positive.
    pub fn new(lighthouse_per_second: f64, cvm_per_second: f64) -> Self {
        Self {
            lighthouse_per_second,
            cvm_per_second,
            start: Instant::now(),
            paces: Mutex::default(),
            observer: None,
        }
    }

    /// The same, which tells `observer` of each wait.
    pub(super) fn observed(self, observer: Option<WaitObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Reserves the next free slot and waits for it.
    ///
    /// # Errors
    /// `Throttled` when the next slot is after the deadline; then no slot is reserved.
    pub async fn wait_for_slot(
        &self,
        api: Api,
        region: &Region,
        deadline: Deadline,
    ) -> Result<(), CloudError> {
        let at = self.reserve(api, region, deadline)?;
        self.wait_until(at, api).await;
        while let Err(at) = self.depart(api, region) {
            self.wait_until(at, api).await;
        }
        Ok(())
    }

    async fn wait_until(&self, at: Instant, api: Api) {
        let wait = at.saturating_duration_since(Instant::now());
        sleep_until(at).await;
        if let Some(WaitObserver(observe)) = self.observer.as_ref().filter(|_| !wait.is_zero()) {
            observe(api.action, wait);
        }
    }

    /// Lets a call go whose slot has come. Returns the time to wait for instead when calls that
    /// went late have filled the current second.
    fn depart(&self, api: Api, region: &Region) -> Result<(), Instant> {
        let now = self.start.elapsed();
        let gone = self
            .paces()
            .get_mut(&(api, region.clone()))
            .map_or(Ok(()), |pace| pace.depart(now));
        gone.map_err(|at| self.start.checked_add(at).unwrap_or(self.start))
    }

    /// Waits until a slot is free, without reserving it; returns at once when that is after the
    /// deadline. A batch uses the wait to collect more accounts.
    pub async fn free(&self, api: Api, region: &Region, deadline: Deadline) {
        let slot = self
            .paces()
            .get(&(api, region.clone()))
            .map(|pace| pace.when(Duration::ZERO));
        if let Some(at) = slot
            .and_then(|slot| self.start.checked_add(slot))
            .filter(|at| deadline.allows(*at))
        {
            self.wait_until(at, api).await;
        }
    }

    /// Adapts the pace to the result of a call.
    pub fn observe(&self, api: Api, region: &Region, throttled: bool) {
        let now = self.start.elapsed();
        let mut paces = self.paces();
        if let Some(pace) = paces.get_mut(&(api, region.clone())) {
            if throttled {
                pace.slow_down(now)
            } else {
                pace.speed_up()
            }
        }
    }

    fn reserve(
        &self,
        api: Api,
        region: &Region,
        deadline: Deadline,
    ) -> Result<Instant, CloudError> {
        let now = self.start.elapsed();
        let mut paces = self.paces();
        let published = self.published(api.service);
        let pace = paces
            .entry((api, region.clone()))
            .or_insert_with(|| Pace::new(published));
        let slot = pace.when(now);
        let at = self
            .start
            .checked_add(slot)
            .filter(|at| deadline.allows(*at));
        let Some(at) = at else {
            return Err(too_late(api, region, slot.saturating_sub(now), pace.rate()));
        };
        pace.take(slot);
        Ok(at)
    }

    fn published(&self, service: Service) -> f64 {
        match service {
            Service::Lighthouse => self.lighthouse_per_second,
            Service::Cvm => self.cvm_per_second,
        }
    }

    /// Ignores poisoning: no panic can leave a pace half-changed.
    fn paces(&self) -> MutexGuard<'_, HashMap<Key, Pace>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late(api: Api, region: &Region, wait: Duration, rate: f64) -> CloudError {
    let message = format!(
        "{} in {region} was not sent: the rate limit of {rate:.1} calls a second delays it by {:.1} s, past the deadline",
        api.action,
        wait.as_secs_f64()
    );
    not_sent(
        ResultCode::Throttled,
        message,
        "none now: the program repeats the call later",
    )
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

    #[test]
    fn calls_of_one_action_and_region_wait_for_each_other_and_no_others() {
        let throttle = Throttle::new(10.0, 10.0);
        let (here, there) = (region("ap-tokyo"), region("ap-seoul"));
        let turn = |api, region| throttle.reserve(api, region, Deadline::NEVER).unwrap();
        let first = turn(READ, &here);
        let second = turn(READ, &here);
        let third = turn(READ, &here);
        let interval = Duration::from_millis(100);
        assert!(second >= first + interval && third >= second + interval);
        for other in [turn(READ, &there), turn(LIST, &here)] {
            assert!(other <= Instant::now(), "others wait");
        }
    }

    #[tokio::test]
    async fn a_turn_after_the_deadline_is_refused_at_once_and_not_taken() {
        // The next turn comes in an hour.
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
            throttle.reserve(READ, &here, two_hours).is_ok(),
            "refusals took turns"
        );
    }

    /// A request that needs many calls asks again after each: it cannot crowd out one that needs a
    /// single call.
    #[test]
    fn turns_are_shared_fairly_between_requests() {
        let throttle = Throttle::new(100.0, 100.0);
        let here = region("ap-tokyo");
        let turn = || throttle.reserve(READ, &here, Deadline::NEVER).unwrap();
        let mut waiting = vec![(turn(), 'a', 5), (turn(), 'b', 1), (turn(), 'c', 3)];
        let mut order = String::new();
        while !waiting.is_empty() {
            waiting.sort();
            let (_, name, calls) = waiting.remove(0);
            order.push(name);
            if calls > 1 {
                waiting.push((turn(), name, calls - 1));
            }
        }
        assert_eq!(order, "abcacacaa");
    }

    #[tokio::test]
    async fn to_wait_for_a_free_turn_takes_none() {
        let throttle = Throttle::new(10.0, 10.0);
        let here = region("ap-tokyo");
        let free = |deadline| throttle.free(READ, &here, deadline);
        let next = || throttle.paces()[&(READ, here.clone())].when(Duration::ZERO);
        free(Deadline::NEVER).await;
        assert!(throttle.paces().is_empty(), "nothing is waited for");
        let begin = Instant::now();
        throttle
            .wait_for_slot(READ, &here, Deadline::NEVER)
            .await
            .unwrap();
        let slot = next();
        free(Deadline::after(Duration::from_millis(20))).await;
        free(Deadline::NEVER).await;
        assert!(begin.elapsed() >= Duration::from_millis(100));
        assert_eq!(next(), slot);
    }

    #[test]
    fn a_throttled_answer_slows_its_own_action_only() {
        let throttle = Throttle::new(20.0, 10.0);
        let here = region("ap-tokyo");
        for api in [READ, LIST] {
            throttle.reserve(api, &here, Deadline::NEVER).unwrap();
        }
        throttle.observe(READ, &here, true);
        let rate = |api| throttle.paces()[&(api, here.clone())].rate();
        assert!((rate(READ) - 5.0).abs() < 1e-9);
        assert!((rate(LIST) - 20.0).abs() < 1e-9);
    }
}
