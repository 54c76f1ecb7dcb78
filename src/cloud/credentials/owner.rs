//! Finds the root account of the credentials in use. Takes the cached credentials. Returns the
//! account that their source names, or else the answer of `GetCallerIdentity`, which is kept for
//! these credentials. Calls can be made without knowing the account.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use tracing::Instrument as _;

use super::owner_slot::{Asked, OwnerSlot};
use super::{CredentialCache, Credentials, Remote, sts};
use crate::cloud::deadline::Deadline;
use crate::domain::{AccountId, CloudError, ErrorClass};

impl CredentialCache {
    /// Returns the root account of the credentials that the next call uses. Asks the token service
    /// if neither the credentials' source nor an earlier answer names the account. If the service
    /// fails, its error is returned for a while (see `owner_slot`) before the service is asked
    /// again. A request that has begun continues after `deadline`, so that a later caller finds the
    /// answer.
    pub(crate) async fn owner_account(&self, deadline: Deadline) -> Result<AccountId, CloudError> {
        let used = self.current(deadline).await?;
        if let Some(owner) = named(&used) {
            return Ok(owner);
        }
        let late = || CloudError::from(self.remote.out_of_time());
        let asking = Arc::clone(&self.owner.asking).lock_owned();
        let asking = deadline.limit(asking).await.ok_or_else(late)?;
        let known = self.owner.about(&used);
        if let Some(known) = known.filter(|it| it.is_fresh(self.remote.now())) {
            return known.owner;
        }
        if deadline.passed() {
            return Err(late());
        }
        let (remote, slot) = (Arc::clone(&self.remote), Arc::clone(&self.owner));
        let question = tokio::spawn(ask(remote, slot, used, asking).in_current_span());
        match deadline.limit(question).await {
            Some(Ok(owner)) => owner,
            Some(Err(_)) | None => Err(late()),
        }
    }

    /// Returns the root account of the cached credentials if it is already known. Sends nothing.
    pub(crate) fn known_owner(&self) -> Option<AccountId> {
        let used = self.held()?;
        named(&used).or_else(|| self.owner.about(&used)?.owner.ok())
    }
}

/// Asks the token service about `used` and keeps its answer. Holds `asking` until the answer is
/// stored, so that concurrent callers wait for it.
async fn ask(
    remote: Arc<Remote>,
    slot: Arc<OwnerSlot>,
    used: Arc<Credentials>,
    asking: OwnedMutexGuard<()>,
) -> Result<AccountId, CloudError> {
    let owner = sts::caller(&remote, &used).await;
    let failed_before = slot.about(&used).is_some_and(|known| known.owner.is_err());
    if let (Err(error), false) = (&owner, failed_before) {
        let remedy = match error.class {
            ErrorClass::Operator => "allow the key to call sts:GetCallerIdentity",
            _ => "the program asks again later",
        };
        tracing::warn!(
            %error,
            "cannot learn which root account the key belongs to: {remedy}. Shares are still made, but \
             their records do not name this account. If such a share's image is deleted before the \
             share ends, an operator must confirm the deletion with `sharehook revoke --gone`"
        );
    }
    *slot.newest.lock() = Some(Asked {
        credentials: used,
        owner: owner.clone(),
        at: remote.now(),
    });
    drop(asking);
    owner
}

/// Returns the account that the source of the credentials names.
fn named(credentials: &Credentials) -> Option<AccountId> {
    credentials.owner.as_ref()?.parse().ok()
}
