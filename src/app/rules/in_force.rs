//! Stores the rules that are in force, and when their secrets were last read. `reload` replaces
//! these rules.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use crate::config::{SecretRef, Vars};

use super::prepared::Prepared;

/// The age at which secrets are read again.
const MAX_AGE: Duration = Duration::from_secs(300);
/// If a signature matches no secret, the secrets are read again. This is the minimum time between
/// two such readings. It is needed because anyone can send a signature that matches no secret.
const MISMATCH_PAUSE: Duration = Duration::from_secs(10);

pub(in crate::app) struct InForce {
    prepared: RwLock<Arc<Prepared>>,
    /// The environment variables of the process.
    pub(in crate::app) vars: Vars,
    pub(super) read: Mutex<Read>,
    /// Held while rules are replaced.
    pub(super) replacing: tokio::sync::Mutex<()>,
    pub(super) readings: Readings,
}

/// The files that are being read, including those whose reader no longer waits for them.
#[derive(Clone, Default)]
pub(super) struct Readings(Arc<Mutex<BTreeSet<SecretRef>>>);

/// Marks a file as being read until it is dropped.
pub(super) struct Reading {
    file: SecretRef,
    among: Readings,
}

impl Readings {
    /// Marks a file as being read. Returns `None` if an earlier reading of the file has not ended.
    /// If the file system hangs, each further reading would block another thread.
    pub(super) fn begin(&self, file: &SecretRef) -> Option<Reading> {
        let is_new = self.0.lock().insert(file.clone());
        is_new.then(|| Reading {
            file: file.clone(),
            among: self.clone(),
        })
    }

    /// Forgets all readings, so that every file can be read again. For example, this is needed
    /// after a hanging file system was replaced.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.among.0.lock().remove(&self.file);
    }
}

pub(super) struct Read {
    pub(super) at: Instant,
    for_mismatch: Option<Instant>,
}

impl InForce {
    pub(in crate::app) fn new(prepared: Arc<Prepared>, vars: Vars) -> Self {
        let at = Instant::now();
        Self {
            prepared: RwLock::new(prepared),
            vars,
            read: Mutex::new(Read {
                at,
                for_mismatch: None,
            }),
            replacing: tokio::sync::Mutex::default(),
            readings: Readings::default(),
        }
    }

    pub(super) fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared.read())
    }

    pub(super) fn put(&self, prepared: Arc<Prepared>) {
        *self.prepared.write() = prepared;
    }
}

impl Read {
    /// Returns whether the secrets are so old that they must be read again. Within `MAX_AGE`, only
    /// one caller gets true.
    pub(super) fn is_old(&mut self, now: Instant) -> bool {
        let old = now.duration_since(self.at) >= MAX_AGE;
        if old {
            self.at = now;
        }
        old
    }

    /// Returns whether the secrets may be read again after a signature matched none of them. Within
    /// `MISMATCH_PAUSE`, only one caller gets true.
    pub(super) fn may_reread(&mut self, now: Instant) -> bool {
        let last = self.for_mismatch;
        let may = last.is_none_or(|last| now.duration_since(last) >= MISMATCH_PAUSE);
        if may {
            self.for_mismatch = Some(now);
        }
        may
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omit the fields, because the variables contain secrets.
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_old_after_five_minutes_and_one_caller_reads_them() {
        let start = Instant::now();
        let mut read = Read {
            at: start,
            for_mismatch: None,
        };
        assert!(!read.is_old(start + MAX_AGE - Duration::from_secs(1)));
        assert!(read.is_old(start + MAX_AGE));
        assert!(!read.is_old(start + MAX_AGE), "one caller");
        assert!(read.is_old(start + 2 * MAX_AGE));
    }

    #[test]
    fn a_file_whose_reading_hangs_is_not_read_again() {
        let readings = Readings::default();
        let [one, other] = ["one", "other"].map(|name| SecretRef::File(name.to_owned()));
        let reading = readings.begin(&one);
        assert!(reading.is_some() && readings.begin(&one).is_none());
        assert!(readings.begin(&other).is_some());
        drop(reading);
        assert!(readings.begin(&one).is_some());
    }

    #[test]
    fn strangers_make_secrets_be_read_once_in_a_while() {
        let start = Instant::now();
        let mut read = Read {
            at: start,
            for_mismatch: None,
        };
        assert!(read.may_reread(start));
        assert!(!read.may_reread(start + MISMATCH_PAUSE - Duration::from_millis(1)));
        assert!(read.may_reread(start + MISMATCH_PAUSE));
    }
}
