//! Whether this process has written records that it has not sealed. Shared by all clones of a
//! journal. Knows nothing of other processes' records.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Set by each record that is written, cleared by the sealer.
#[derive(Debug)]
pub struct Unsealed {
    any: AtomicBool,
    written: Notify,
}

impl Default for Unsealed {
    /// Set: a process that ran before may have stopped without sealing.
    fn default() -> Self {
        Self {
            any: AtomicBool::new(true),
            written: Notify::new(),
        }
    }
}

impl Unsealed {
    /// Whether there may be such records.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Notes that such records exist.
    pub fn set(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// Notes a record that was just written, and wakes [`Unsealed::written`].
    pub(super) fn note_write(&self) {
        self.set();
        self.written.notify_one();
    }

    /// Notes that a seal is about to be made.
    pub fn clear(&self) {
        self.any.store(false, Ordering::Release);
    }

    /// Returns once a record was written since it returned last. For one waiter.
    pub async fn written(&self) {
        self.written.notified().await;
    }
}
