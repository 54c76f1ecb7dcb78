//! Finds the root account of the credentials in use. In: the cached credentials. Out: the account
//! that their source names, or else the answer of `GetCallerIdentity`, which is kept for these
//! credentials. Calls can be made without knowing the account.

use super::owner_slot::Asked;
use super::{CredentialCache, Credentials, CredentialsError, sts};
use crate::cloud::deadline::Deadline;
use crate::domain::{AccountId, CloudError};

impl CredentialCache {
    /// Returns the root account of the credentials that the next call uses. Asks the token service
    /// if neither the credentials' source nor an earlier answer names the account.
    pub(crate) async fn owner_account(&self, deadline: Deadline) -> Result<AccountId, CloudError> {
        let used = self.current(deadline).await?;
        if let Some(owner) = named(&used) {
            return Ok(owner);
        }
        let late = CloudError::from(CredentialsError::OutOfTime);
        let asking = deadline.limit(self.owner.asking.lock());
        let _asking = asking.await.ok_or_else(|| late.clone())?;
        let known = self.asked(&used);
        if let Some(known) = known.as_ref().filter(|it| it.is_fresh(self.remote.now())) {
            return known.owner.clone();
        }
        if deadline.passed() {
            return Err(late);
        }
        let answer = deadline.limit(sts::caller(&self.remote, &used)).await;
        let owner = answer.unwrap_or(Err(late));
        if let (Err(error), None) = (&owner, known.filter(|known| known.owner.is_err())) {
            tracing::warn!(
                %error,
                "cannot learn which root account the key belongs to: allow it sts:GetCallerIdentity. \
                 Shares go on; where such a share ends after its image was deleted, an operator must \
                 confirm it"
            );
        }
        *self.owner.newest.lock() = Some(Asked {
            credentials: used,
            owner: owner.clone(),
            at: self.remote.now(),
        });
        owner
    }

    /// Returns the root account of the cached credentials if it is already known. Sends nothing.
    pub(crate) fn known_owner(&self) -> Option<AccountId> {
        let used = self.held()?;
        named(&used).or_else(|| self.asked(&used)?.owner.ok())
    }

    /// Returns the last answer of the token service if it is about `used`.
    fn asked(&self, used: &Credentials) -> Option<Asked> {
        let newest = self.owner.newest.lock().clone();
        newest.filter(|asked| asked.credentials.same_as(used))
    }
}

/// Returns the account that the source of the credentials names.
fn named(credentials: &Credentials) -> Option<AccountId> {
    credentials.owner.as_ref()?.parse().ok()
}
