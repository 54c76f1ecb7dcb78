//! A flag that shows whether there may be records to seal. It is set at first, because an earlier
//! process may have left unsealed records, and again at each write. All clones of a journal share
//! the flag. The writes of other running processes do not set it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether there may be records to seal. Writing a record sets this flag, and the sealer clears it.
#[derive(Debug)]
pub struct Unsealed {
    any: AtomicBool,
    written: Notify,
}

impl Default for Unsealed {
    fn default() -> Self {
        Self {
            any: AtomicBool::new(true),
            written: Notify::new(),
        }
    }
}

impl Unsealed {
    /// Whether there may be unsealed records.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Sets the flag.
    pub fn set(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// Sets the flag after a write, and wakes [`Unsealed::written`].
    pub(super) fn note_write(&self) {
        self.set();
        self.written.notify_one();
    }

    /// Clears the flag. The sealer calls this before a seal, so that a record that is written
    /// during the seal sets the flag again.
    pub fn clear(&self) {
        self.any.store(false, Ordering::Release);
    }

    /// Waits until a record is written. Returns at once if one was written since the last call.
    /// Only one task may call this.
    pub async fn written(&self) {
        self.written.notified().await;
    }
}
