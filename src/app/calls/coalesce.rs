//! Coalesces concurrent calls per key: one call at a time. Callers that arrive during a call wait,
//! and a later call carries those whose parts fit. Takes a key and the caller's part of a call.
//! Returns the right to make the next call, the answer of the call that carried the part, or that
//! the deadline passed or the call's end is unknown. Never waits for more callers, and knows neither
//! clouds nor images.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::cloud::Deadline;

/// The queues of all keys. A key has a queue while a call for it is under way.
#[derive(Debug)]
pub(in crate::app) struct Queues<K, P, R> {
    waiting: Mutex<HashMap<K, VecDeque<Waiter<P, R>>>>,
}

/// A caller that waits for the current call to end.
#[derive(Debug)]
struct Waiter<P, R> {
    part: P,
    sender: oneshot::Sender<Message<R>>,
    taken: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Message<R> {
    /// No call is under way: make the next one.
    Lead,
    /// The answer of a call that carried the waiter's part.
    Answer(R),
}

/// How a caller's wait in the queue of a key ended.
pub(super) enum Joined<'a, K: Eq + Hash + Clone, P, R> {
    /// The caller makes the call, and may add waiters to its batch.
    Leader(Leader<'a, K, P, R>),
    /// Another caller's call carried the part.
    Answered(R),
    /// The deadline passed before a call with the part began.
    Late,
    /// A call with the part began, but its end is unknown: the deadline passed, or the leader was
    /// dropped.
    Lost,
}

impl<K, P, R> Default for Queues<K, P, R> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone, P, R> Queues<K, P, R> {
    /// Joins the queue of `key`; leads at once when no call is under way.
    pub(super) async fn enter(&self, key: K, part: P, deadline: Deadline) -> Joined<'_, K, P, R> {
        let (sender, receiver) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        {
            let mut queues = self.waiting.lock();
            let Some(queue) = queues.get_mut(&key) else {
                queues.insert(key.clone(), VecDeque::new());
                return Joined::Leader(Leader { queues: self, key });
            };
            queue.push_back(Waiter {
                part,
                sender,
                taken: Arc::clone(&taken),
            });
        }
        let mut waiting = Waiting {
            queues: self,
            key: Some(key),
            receiver,
        };
        let message = match deadline.limit(&mut waiting.receiver).await {
            Some(message) => message.ok(),
            None => waiting.leave(),
        };
        match (message, waiting.key.take()) {
            (Some(Message::Lead), Some(key)) => Joined::Leader(Leader { queues: self, key }),
            (Some(Message::Answer(answer)), _) => Joined::Answered(answer),
            _ if taken.load(Ordering::SeqCst) => Joined::Lost,
            _ => Joined::Late,
        }
    }

    /// Makes the longest-waiting waiter the leader; removes the queue when none waits.
    fn pass_on(&self, key: &K) {
        let mut queues = self.waiting.lock();
        let Some(queue) = queues.get_mut(key) else {
            return;
        };
        while let Some(waiter) = queue.pop_front() {
            if waiter.sender.send(Message::Lead).is_ok() {
                return;
            }
        }
        queues.remove(key);
    }
}

/// A waiting caller: the receiving half of its channel. If the caller is dropped just after it
/// became the leader, this passes the lead on.
struct Waiting<'a, K: Eq + Hash + Clone, P, R> {
    queues: &'a Queues<K, P, R>,
    key: Option<K>,
    receiver: oneshot::Receiver<Message<R>>,
}

impl<K: Eq + Hash + Clone, P, R> Waiting<'_, K, P, R> {
    /// Leaves the queue. Returns a message that arrived in the last moment. Holds the lock, so that
    /// no leader takes the part at the same time.
    fn leave(&mut self) -> Option<Message<R>> {
        let mut queues = self.queues.waiting.lock();
        self.receiver.close();
        if let Some(queue) = self.key.as_ref().and_then(|key| queues.get_mut(key)) {
            queue.retain(|waiter| !waiter.sender.is_closed());
        }
        self.receiver.try_recv().ok()
    }
}

impl<K: Eq + Hash + Clone, P, R> Drop for Waiting<'_, K, P, R> {
    fn drop(&mut self) {
        if self.key.is_some()
            && let Some(Message::Lead) = self.leave()
            && let Some(key) = self.key.take()
        {
            self.queues.pass_on(&key);
        }
    }
}

/// The right to make the next call of a key. Dropping it passes the lead on.
pub(super) struct Leader<'a, K: Eq + Hash + Clone, P, R> {
    queues: &'a Queues<K, P, R>,
    key: K,
}

impl<K: Eq + Hash + Clone, P, R> Leader<'_, K, P, R> {
    /// Takes the waiters whose parts fit, the longest-waiting first.
    pub(super) fn batch(&self, mut fits: impl FnMut(&P) -> bool) -> Batch<R> {
        let mut queues = self.queues.waiting.lock();
        let mut batch = Vec::new();
        if let Some(queue) = queues.get_mut(&self.key) {
            for waiter in std::mem::take(queue) {
                if !waiter.sender.is_closed() && fits(&waiter.part) {
                    waiter.taken.store(true, Ordering::SeqCst);
                    batch.push(waiter.sender);
                } else {
                    queue.push_back(waiter);
                }
            }
        }
        Batch(batch)
    }
}

impl<K: Eq + Hash + Clone, P, R> Drop for Leader<'_, K, P, R> {
    fn drop(&mut self) {
        self.queues.pass_on(&self.key);
    }
}

/// The waiters whose parts a call carries. If a batch is dropped without an answer, the waiters
/// treat the call's end as unknown.
pub(super) struct Batch<R>(Vec<oneshot::Sender<Message<R>>>);

impl<R: Clone> Batch<R> {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn answer(self, answer: &R) {
        for sender in self.0 {
            // Sending fails if the waiter stopped waiting. It has treated the call's end as
            // unknown.
            drop(sender.send(Message::Answer(answer.clone())));
        }
    }
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
