//! Coalesces concurrent calls that have the same key.
//!
//! For each key, one call runs at a time. Callers that arrive during a call wait, and a later call
//! may include the parts of several waiting callers. [`Queues::enter`] takes a key and the caller's
//! part of a call, and returns how the wait ended, as a [`Joined`]. A call is never delayed to
//! collect more callers.

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
    /// The answer to a call that included the waiter's part.
    Answer(R),
}

/// How a caller's wait in a queue ended.
pub(super) enum Joined<'a, K: Eq + Hash + Clone, P, R> {
    /// The caller makes the call, and may add waiters to its batch.
    Leader(Leader<'a, K, P, R>),
    /// Another caller's call included the part. Contains the answer to that call.
    Answered(R),
    /// The deadline passed before a call included the part.
    Late,
    /// A call included the part, but its answer is unknown: the deadline passed first, or the
    /// leader was dropped.
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
    /// Joins the queue of `key` and waits. If no call for `key` is under way, the caller becomes
    /// the leader at once.
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

    /// Makes the waiter that has waited longest the leader. Removes the queue if it has no waiters.
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

/// The caller's side of its entry in the queue. If the caller is dropped just after it was made the
/// leader, the next waiter becomes the leader.
struct Waiting<'a, K: Eq + Hash + Clone, P, R> {
    queues: &'a Queues<K, P, R>,
    key: Option<K>,
    receiver: oneshot::Receiver<Message<R>>,
}

impl<K: Eq + Hash + Clone, P, R> Waiting<'_, K, P, R> {
    /// Leaves the queue. Returns a message if one arrived before the caller could leave. The lock
    /// is held so that no leader adds the part to its call at the same time.
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

/// The right to make the next call of a key. Dropping it makes the next waiter the leader.
pub(super) struct Leader<'a, K: Eq + Hash + Clone, P, R> {
    queues: &'a Queues<K, P, R>,
    key: K,
}

impl<K: Eq + Hash + Clone, P, R> Leader<'_, K, P, R> {
    /// Removes from the queue the waiters whose parts fit into the leader's call, and returns them.
    /// Waiters that have waited longest come first.
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

/// The waiters whose parts a call includes. If a batch is dropped without an answer, each waiter
/// gets [`Joined::Lost`].
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
            // Sending fails if the waiter stopped waiting. It has then returned `Joined::Lost`, or
            // was dropped.
            drop(sender.send(Message::Answer(answer.clone())));
        }
    }
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
