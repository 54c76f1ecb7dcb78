//! The credentials in use. In: a chain, and how to ask beyond this process. Out: what it gave last,
//! until shortly before its end or until the cloud says that it has expired. Callers that come at
//! once share one look-up, and its failure.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use tokio::time::{Instant, timeout};

use super::{CredentialChain, Credentials, CredentialsError, Remote};
use crate::cloud::deadline::Deadline;
use crate::domain::Timestamp;

/// So long before their end temporary credentials are replaced, as the Python and Go SDKs do.
const EARLY: SignedDuration = SignedDuration::from_secs(300);
/// So long a look-up that gave nothing newer is not repeated while the credentials at hand still
/// hold.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);

type Loaded = Result<Arc<Credentials>, CredentialsError>;

/// A chain and what it gave last.
#[derive(Debug)]
pub struct CredentialCache {
    chain: CredentialChain,
    remote: Remote,
    slot: Mutex<Slot>,
    /// Held by whoever looks; the others wait, and take what came of it.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Slot {
    current: Option<Arc<Credentials>>,
    /// How many looks have ended, and the last one's end.
    looks: u64,
    last: Option<Loaded>,
    next_look: Option<Timestamp>,
}

impl CredentialCache {
    /// Nothing is looked up yet.
    pub fn new(chain: CredentialChain, remote: Remote) -> Self {
        Self {
            chain,
            remote,
            slot: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// The credentials in use, looked up when there are none that will do.
    ///
    /// # Errors
    /// As [`CredentialChain::load`], and when `deadline` comes first.
    pub async fn current(&self, deadline: Deadline) -> Loaded {
        let looks = {
            let slot = self.lock();
            match slot.usable(self.remote.now(), self.chain.keeps_nothing()) {
                Some(credentials) => return Ok(credentials),
                None => slot.looks,
            }
        };
        within(deadline, Box::pin(self.look(looks))).await
    }

    /// The root account of the credentials at hand, where their place tells; nothing is looked up
    /// for it.
    pub fn owner(&self) -> Option<String> {
        self.lock().current.as_ref()?.owner.clone()
    }

    /// Looks the credentials up anew after the cloud refused `used`. `None` when the chain still
    /// gives the same: repeating a call with them is pointless.
    ///
    /// # Errors
    /// As [`CredentialCache::current`].
    pub async fn renew(
        &self,
        used: &Credentials,
        deadline: Deadline,
    ) -> Result<Option<Arc<Credentials>>, CredentialsError> {
        self.chain.refused(used);
        let looks = {
            let slot = self.lock();
            match &slot.current {
                // Somebody else was refused before, and has renewed them.
                Some(current) if !current.same_as(used) && !self.chain.keeps_nothing() => {
                    return Ok(Some(Arc::clone(current)));
                }
                _ => slot.looks,
            }
        };
        let loaded = within(deadline, Box::pin(self.look_anew(looks))).await?;
        Ok((!loaded.same_as(used)).then_some(loaded))
    }

    /// A look that lets credentials that still hold stand when it fails.
    async fn look(&self, looks: u64) -> Loaded {
        let found = self.look_anew(looks).await;
        let Err(problem) = found else { return found };
        let now = self.remote.now();
        let mut slot = self.lock();
        match slot
            .current
            .clone()
            .filter(|held| held.expires.is_some_and(|end| end > now))
        {
            Some(held) => {
                slot.next_look = now.checked_add(PAUSE).ok();
                tracing::warn!(%problem, "credentials were not refreshed; the present ones hold a little longer");
                Ok(held)
            }
            None => Err(problem),
        }
    }

    /// One look for all who saw the same number of looks before it.
    async fn look_anew(&self, looks: u64) -> Loaded {
        let _looking = self.looking.lock().await;
        {
            let slot = self.lock();
            if let (true, Some(last)) = (slot.looks != looks, &slot.last) {
                return last.clone();
            }
        }
        let loaded = self.chain.load(&self.remote).await.map(Arc::new);
        let mut slot = self.lock();
        slot.looks = slot.looks.wrapping_add(1);
        slot.last = Some(loaded.clone());
        if let Ok(credentials) = &loaded {
            // A place that still gives the old ones is not asked for each call.
            slot.next_look = self.remote.now().checked_add(PAUSE).ok();
            slot.current = Some(Arc::clone(credentials));
        }
        loaded
    }

    /// The slot always holds whole credentials, so a poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn usable(&self, now: Timestamp, keeps_nothing: bool) -> Option<Arc<Credentials>> {
        let held = self.current.as_ref()?;
        let good = match held.expires {
            None => !keeps_nothing,
            Some(end) => {
                let left = end.duration_since(now);
                let asked_just_now = self.next_look.is_some_and(|next| now < next);
                left > EARLY || (left.is_positive() && asked_just_now)
            }
        };
        good.then(|| Arc::clone(held))
    }
}

/// A look is rare and its future large and deep, so it stands on the heap without its type.
async fn within(
    deadline: Deadline,
    look: Pin<Box<dyn Future<Output = Loaded> + Send + '_>>,
) -> Loaded {
    match deadline.remaining(Instant::now()) {
        None => look.await,
        Some(left) => timeout(left, look)
            .await
            .unwrap_or(Err(CredentialsError::OutOfTime)),
    }
}

#[cfg(test)]
mod tests;
