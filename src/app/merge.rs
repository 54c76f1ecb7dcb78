//! Natural batching: for each key one call at a time. Who asks while none is under way goes at
//! once; who asks meanwhile waits, and the next call carries as many of those who wait as fit. In:
//! a key and a part. Out: who leads the next call, or the answer of the call that carried the part.
//! Knows neither clouds nor images; nobody waits for others to come.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::cloud::Deadline;

/// The lanes of all keys: a key has one while a call of it is under way.
#[derive(Debug)]
pub(super) struct Lanes<K, P, R> {
    waiting: Mutex<HashMap<K, VecDeque<Waiter<P, R>>>>,
}

/// Somebody who waits for a call under way to end.
#[derive(Debug)]
struct Waiter<P, R> {
    part: P,
    tell: oneshot::Sender<Told<R>>,
    taken: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Told<R> {
    /// The lane is free, and it is your turn to call.
    Lead,
    /// A call that carried your part has ended so.
    Answer(R),
}

/// What became of a caller.
pub(super) enum Place<'a, K: Eq + Hash + Clone, P, R> {
    /// It makes the call, and may take company along.
    Lead(Lead<'a, K, P, R>),
    /// Another's call carried its part.
    Rode(R),
    /// The deadline passed before any call began with its part.
    Late,
    /// A call with its part began, and its end is not known: the deadline passed, or its leader was
    /// stopped.
    Lost,
}

impl<K, P, R> Default for Lanes<K, P, R> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone, P, R> Lanes<K, P, R> {
    /// Waits for a place in the lane of `key`; at once when the lane is free.
    pub(super) async fn enter(&self, key: K, part: P, deadline: Deadline) -> Place<'_, K, P, R> {
        let (tell, told) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        {
            let mut lanes = self.lock();
            let Some(lane) = lanes.get_mut(&key) else {
                lanes.insert(key.clone(), VecDeque::new());
                return Place::Lead(Lead { lanes: self, key });
            };
            lane.push_back(Waiter {
                part,
                tell,
                taken: Arc::clone(&taken),
            });
        }
        let mut seat = Seat {
            lanes: self,
            key: Some(key),
            told,
        };
        let told = match deadline.remaining(Instant::now()) {
            None => (&mut seat.told).await.ok(),
            Some(left) => match timeout_at(Instant::now() + left, &mut seat.told).await {
                Ok(told) => told.ok(),
                Err(_) => seat.leave(),
            },
        };
        match (told, seat.key.take()) {
            (Some(Told::Lead), Some(key)) => Place::Lead(Lead { lanes: self, key }),
            (Some(Told::Answer(answer)), _) => Place::Rode(answer),
            _ if taken.load(Ordering::SeqCst) => Place::Lost,
            _ => Place::Late,
        }
    }

    /// Gives the lane to whoever has waited longest; frees it when nobody waits.
    fn pass_on(&self, key: &K) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(key) else {
            return;
        };
        while let Some(waiter) = lane.pop_front() {
            if waiter.tell.send(Told::Lead).is_ok() {
                return;
            }
        }
        lanes.remove(key);
    }

    /// Every change under the lock is whole, so a poisoned one is used as it is.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, VecDeque<Waiter<P, R>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter's end of its channel. Whoever is stopped when the lane has just become its own passes
/// it on.
struct Seat<'a, K: Eq + Hash + Clone, P, R> {
    lanes: &'a Lanes<K, P, R>,
    key: Option<K>,
    told: oneshot::Receiver<Told<R>>,
}

impl<K: Eq + Hash + Clone, P, R> Seat<'_, K, P, R> {
    /// Leaves the queue; what was told in the last moment counts. Under the lock, so that no leader
    /// takes it meanwhile.
    fn leave(&mut self) -> Option<Told<R>> {
        let mut lanes = self.lanes.lock();
        self.told.close();
        if let Some(lane) = self.key.as_ref().and_then(|key| lanes.get_mut(key)) {
            lane.retain(|waiter| !waiter.tell.is_closed());
        }
        self.told.try_recv().ok()
    }
}

impl<K: Eq + Hash + Clone, P, R> Drop for Seat<'_, K, P, R> {
    fn drop(&mut self) {
        if self.key.is_some()
            && let Some(Told::Lead) = self.leave()
            && let Some(key) = self.key.take()
        {
            self.lanes.pass_on(&key);
        }
    }
}

/// The right to make the next call of a key; dropping it, also by being stopped, passes the lane
/// on.
pub(super) struct Lead<'a, K: Eq + Hash + Clone, P, R> {
    lanes: &'a Lanes<K, P, R>,
    key: K,
}

impl<K: Eq + Hash + Clone, P, R> Lead<'_, K, P, R> {
    /// Takes along those who wait and fit, the longest waiting first.
    pub(super) fn company(&self, mut fits: impl FnMut(&P) -> bool) -> Company<R> {
        let mut lanes = self.lanes.lock();
        let mut company = Vec::new();
        if let Some(lane) = lanes.get_mut(&self.key) {
            for waiter in std::mem::take(lane) {
                if !waiter.tell.is_closed() && fits(&waiter.part) {
                    waiter.taken.store(true, Ordering::SeqCst);
                    company.push(waiter.tell);
                } else {
                    lane.push_back(waiter);
                }
            }
        }
        Company(company)
    }
}

impl<K: Eq + Hash + Clone, P, R> Drop for Lead<'_, K, P, R> {
    fn drop(&mut self) {
        self.lanes.pass_on(&self.key);
    }
}

/// Those whose parts ride along. Dropped without an answer, they learn that the end is not known.
pub(super) struct Company<R>(Vec<oneshot::Sender<Told<R>>>);

impl<R: Clone> Company<R> {
    /// Nobody.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells everybody how the call ended.
    pub(super) fn answer(self, answer: &R) {
        for tell in self.0 {
            // Who no longer waits has taken its end for unknown.
            drop(tell.send(Told::Answer(answer.clone())));
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
