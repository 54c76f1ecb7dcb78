//! Handles the credentials that some hosts add to an invocation, in three headers. Removes the
//! headers from every delivery. On a host that writes them, and once the sender is verified, the
//! credentials sign the calls that follow.

use crate::app::cloud_accounts::CloudAccounts;
use crate::cloud::credentials::InvocationCredentials;
use crate::inbound::{DuplicateHeader, Headers};

/// The values of the three headers. Does not implement `Debug`, because every value is secret.
pub(in crate::app) struct CredentialHeaders([Result<Option<String>, DuplicateHeader>; 3]);

impl CredentialHeaders {
    /// Removes the three headers from `headers`, so that no later step can see, log or keep them.
    pub(in crate::app) fn take_from(headers: &mut Headers) -> Self {
        Self(
            ["x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token"]
                .map(|name| headers.take(name)),
        )
    }

    pub(in crate::app) fn none() -> Self {
        Self([Ok(None), Ok(None), Ok(None)])
    }

    /// Makes `clouds` sign its following calls with these credentials, if the host writes the
    /// headers. Call this only after the sender is verified. Otherwise a stranger could choose the
    /// key if the platform passed on the stranger's headers.
    pub(in crate::app) fn hand_to(&self, clouds: &CloudAccounts) {
        if let Some(credentials) = clouds.invocation_credentials() {
            self.replace(credentials);
        }
    }

    /// Replaces `credentials` if all values are present. Otherwise logs the problem.
    fn replace(&self, credentials: &InvocationCredentials) {
        let Self([id, key, token]) = self;
        let taken = match (id, key, token) {
            (Ok(None), Ok(None), Ok(None)) => return,
            (Ok(id), Ok(key), Ok(token)) => credentials
                .take(id.as_deref(), key.as_deref(), token.as_deref())
                .map_err(|problem| problem.to_string()),
            (Err(twice), _, _) | (_, Err(twice), _) | (_, _, Err(twice)) => Err(twice.to_string()),
        };
        if let Err(problem) = taken {
            tracing::warn!(
                problem,
                "an invocation's credentials are not used; those of an earlier invocation stay in use, if there are any"
            );
        }
    }
}
