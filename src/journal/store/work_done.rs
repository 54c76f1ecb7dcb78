//! How far the work on a journal has come, for people who wait for it. All clones of a journal share it;
//! each work that counts begins anew.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much of a work is done.
#[derive(Debug, Default)]
pub struct WorkDone {
    done: AtomicU64,
    all: AtomicU64,
}

impl WorkDone {
    /// Begins work on so many parts.
    pub fn begin(&self, all: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.all.store(all as u64, Ordering::Relaxed);
    }

    /// Counts parts as done.
    pub fn add(&self, parts: usize) {
        self.done.fetch_add(parts as u64, Ordering::Relaxed);
    }

    /// How many parts are done, of how many; `None` where nothing is counted.
    pub fn counts(&self) -> Option<(u64, u64)> {
        let all = self.all.load(Ordering::Relaxed);
        let done = self.done.load(Ordering::Relaxed).min(all);
        (all > 0).then_some((done, all))
    }
}
