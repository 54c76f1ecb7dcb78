//! The progress of the current work on a journal, for people who wait for it. All clones of a
//! journal share the counts. Work that counts its parts resets them when it begins.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the parts of the current work, and those that are finished.
#[derive(Debug, Default)]
pub struct WorkDone {
    done: AtomicU64,
    all: AtomicU64,
}

impl WorkDone {
    /// Begins work on `all` parts.
    pub fn begin(&self, all: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.all.store(all as u64, Ordering::Relaxed);
    }

    /// Adds `parts` to the finished parts.
    pub fn add(&self, parts: usize) {
        self.done.fetch_add(parts as u64, Ordering::Relaxed);
    }

    /// The number of finished parts and of all parts; `None` if no work has begun, or if the
    /// current work has no parts.
    pub fn counts(&self) -> Option<(u64, u64)> {
        let all = self.all.load(Ordering::Relaxed);
        let done = self.done.load(Ordering::Relaxed).min(all);
        (all > 0).then_some((done, all))
    }
}
