//! Whether this process has written records that it has not sealed. All clones of a journal share
//! it. Ignores records of other processes.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Set by each written record, cleared by the sealer.
#[derive(Debug)]
pub struct Unsealed {
    any: AtomicBool,
    written: Notify,
}

impl Default for Unsealed {
    /// Set at first: an earlier process may have stopped without sealing.
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

    /// Records that there are such records.
    pub fn set(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// Records a write, and wakes [`Unsealed::written`].
    pub(super) fn note_write(&self) {
        self.set();
        self.written.notify_one();
    }

    /// Clears the flag before a seal.
    pub fn clear(&self) {
        self.any.store(false, Ordering::Release);
    }

    /// Waits for a write after the previous return. For one caller.
    pub async fn written(&self) {
        self.written.notified().await;
    }
}
