//! Caches the credentials in use. Takes a chain of sources and access to remote sources; returns
//! the credentials of the last successful look-up. Looks them up again shortly before they expire,
//! and when the cloud refuses them. Credentials without an expiry are looked up again after five
//! minutes, and on SCF for every call. Concurrent callers share one look-up and its failure.

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use parking_lot::Mutex;

use super::chain::KeyPair;
use super::owner_slot::OwnerSlot;
use super::{CredentialChain, Credentials, CredentialsError, Remote};
use crate::cloud::deadline::Deadline;
use crate::domain::Timestamp;

/// The cache replaces temporary credentials this long before they expire. The Python and Go SDKs
/// use the same time for the credentials of a CVM's role.
const EARLY: SignedDuration = SignedDuration::from_secs(300);
/// Age at which the cache looks up credentials without an expiry again: an operator may have
/// replaced them in their file.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(300);
/// Minimum time between two look-ups of credentials that are about to expire. After the cloud has
/// refused the credentials, the cache does not wait.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

type Loaded = Result<Arc<Credentials>, CredentialsError>;

/// A chain of sources, and the credentials that its last successful look-up found.
#[derive(Debug)]
pub(crate) struct CredentialCache {
    chain: CredentialChain,
    pub(super) remote: Arc<Remote>,
    slot: Mutex<Slot>,
    /// Locked during a look-up. Callers that wait for the lock use the result of that look-up.
    looking: tokio::sync::Mutex<()>,
    pub(super) owner: Arc<OwnerSlot>,
}

#[derive(Debug, Default)]
struct Slot {
    current: Option<Arc<Credentials>>,
    /// Increases when a look-up finishes, when the key is replaced, and when
    /// [`CredentialCache::look_again`] is called. A caller that remembers an older number knows
    /// that `last`, if set, is newer than that number.
    looks: u64,
    last: Option<Loaded>,
    next_look: Option<Timestamp>,
    /// When the current credentials were found, or kept after a failed look-up.
    found_at: Option<Timestamp>,
    /// Whether the next call must look the credentials up, whatever their age.
    outdated: bool,
}

impl CredentialCache {
    pub(crate) fn new(chain: CredentialChain, remote: Remote) -> Self {
        Self {
            chain,
            remote: Arc::new(remote),
            slot: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
            owner: Arc::default(),
        }
    }

    /// Returns the cached credentials. Looks them up if the cache has none, or if they are too old
    /// or about to expire.
    ///
    /// # Errors
    /// The errors of [`CredentialChain::load`], and `OutOfTime` if `deadline` passes first.
    pub(crate) async fn current(&self, deadline: Deadline) -> Loaded {
        let looks = {
            let slot = self.slot.lock();
            match slot.usable(self.remote.now(), self.chain.must_not_cache()) {
                Some(credentials) => return Ok(credentials),
                None => slot.looks,
            }
        };
        self.within(deadline, Box::pin(self.look_or_keep(looks)))
            .await
    }

    /// Replaces the configured key, if the chain has one. Later calls use the new key. `account` is
    /// the account's name, for errors.
    pub(crate) fn replace_key(&self, account: &str, key: &KeyPair) -> Result<(), CredentialsError> {
        if self.chain.replace_key(account, key)? {
            let mut slot = self.slot.lock();
            // Counts as a finished look-up without a result, so that a look-up that began with the
            // old key does not store its result.
            slot.looks = slot.looks.wrapping_add(1);
            (slot.current, slot.last) = (None, None);
        }
        Ok(())
    }

    /// Makes the next call look the credentials up again. If the look-up fails, the cached
    /// credentials stay in use while they are valid.
    pub(crate) fn look_again(&self) {
        let mut slot = self.slot.lock();
        // As in `replace_key`, a look-up that has already begun is repeated.
        slot.looks = slot.looks.wrapping_add(1);
        slot.last = None;
        slot.outdated = true;
    }

    pub(super) fn held(&self) -> Option<Arc<Credentials>> {
        self.slot.lock().current.clone()
    }

    /// Looks the credentials up again after the cloud refused `used`. Returns `None` if the look-up
    /// finds the same credentials, because repeating the call is then pointless.
    pub(crate) async fn renew(
        &self,
        used: &Credentials,
        deadline: Deadline,
    ) -> Result<Option<Arc<Credentials>>, CredentialsError> {
        self.chain.refused(used);
        let looks = {
            let slot = self.slot.lock();
            match &slot.current {
                // Another caller has renewed the credentials in the meantime.
                Some(current) if !current.same_as(used) && !self.chain.must_not_cache() => {
                    return Ok(Some(Arc::clone(current)));
                }
                _ => slot.looks,
            }
        };
        let look = Box::pin(self.look_up_once(looks));
        let loaded = self.within(deadline, look).await?;
        Ok((!loaded.same_as(used)).then_some(loaded))
    }

    /// Looks the credentials up. After a failure, returns the cached credentials if they are still
    /// valid.
    async fn look_or_keep(&self, looks: u64) -> Loaded {
        let found = self.look_up_once(looks).await;
        let Err(problem) = found else { return found };
        let now = self.remote.now();
        let mut slot = self.slot.lock();
        match slot.current.clone().filter(|held| match held.expires {
            Some(end) => end > now,
            None => !self.chain.must_not_cache(),
        }) {
            Some(held) => {
                slot.found_at = Some(now);
                slot.next_look = now.checked_add(PAUSE).ok();
                slot.outdated = false;
                tracing::warn!(%problem, "cannot refresh the credentials; the current ones are still valid");
                Ok(held)
            }
            None => Err(problem),
        }
    }

    /// Looks the credentials up. `looks` is the value of [`Slot::looks`] that the caller saw. If
    /// another look-up has finished since then, returns the result of that look-up.
    async fn look_up_once(&self, looks: u64) -> Loaded {
        let _looking = self.looking.lock().await;
        {
            let slot = self.slot.lock();
            if let (true, Some(last)) = (slot.looks != looks, &slot.last) {
                return last.clone();
            }
        }
        loop {
            let looks = self.slot.lock().looks;
            self.remote.forget_unanswered();
            let loaded = self.chain.load(&self.remote).await.map(Arc::new);
            let mut slot = self.slot.lock();
            if slot.looks != looks {
                // `replace_key` or `look_again` was called during this look-up.
                continue;
            }
            slot.looks = slot.looks.wrapping_add(1);
            slot.last = Some(loaded.clone());
            if let Ok(credentials) = &loaded {
                // A source may return credentials that are about to expire. `PAUSE` prevents a
                // look-up for every call.
                let now = self.remote.now();
                slot.next_look = now.checked_add(PAUSE).ok();
                slot.found_at = Some(now);
                slot.outdated = false;
                slot.current = Some(Arc::clone(credentials));
            }
            return loaded;
        }
    }

    /// Runs a look-up, at most until the deadline. The look-up is boxed because its future is large
    /// and rarely used.
    async fn within(
        &self,
        deadline: Deadline,
        look: Pin<Box<dyn Future<Output = Loaded> + Send + '_>>,
    ) -> Loaded {
        let found = deadline.limit(look).await;
        found.unwrap_or_else(|| Err(self.remote.out_of_time()))
    }
}

impl Slot {
    fn usable(&self, now: Timestamp, must_not_cache: bool) -> Option<Arc<Credentials>> {
        let held = self.current.as_ref().filter(|_| !self.outdated)?;
        let good = match held.expires {
            None => {
                let age = self.found_at.map(|at| now.duration_since(at));
                !must_not_cache && age.is_some_and(|age| age < MAX_AGE)
            }
            Some(end) => {
                let left = end.duration_since(now);
                let asked_just_now = self.next_look.is_some_and(|next| now < next);
                left > EARLY || (left.is_positive() && asked_just_now)
            }
        };
        good.then(|| Arc::clone(held))
    }
}

#[cfg(test)]
mod tests;
