//! The credentials of an invocation. Takes the three headers with credentials out of a delivery. On
//! a host that writes these headers itself, the credentials sign the calls that follow, once the
//! sender is verified.

use crate::app::cloud_accounts::CloudAccounts;
use crate::cloud::credentials::InvocationCredentials;
use crate::inbound::{DuplicateHeader, Headers};

/// The values of the three headers. No `Debug`, because every value is secret.
pub(in crate::app) struct CredentialHeaders([Result<Option<String>, DuplicateHeader>; 3]);

impl CredentialHeaders {
    /// Removes the three headers, on every host, so that no later step can see, log or keep them.
    pub(in crate::app) fn take_from(headers: &mut Headers) -> Self {
        Self(
            ["x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token"]
                .map(|name| headers.take(name)),
        )
    }

    pub(in crate::app) fn none() -> Self {
        Self([Ok(None), Ok(None), Ok(None)])
    }

    /// Signs the following calls with these credentials, on a host that sends them. Call it only
    /// after the sender is verified, so that a stranger cannot choose the key even if the platform
    /// lets the headers through.
    pub(in crate::app) fn hand_to(&self, clouds: &CloudAccounts) {
        if let Some(credentials) = clouds.invocation_credentials() {
            self.replace(credentials);
        }
    }

    /// Replaces `credentials` by a complete set; logs and skips an incomplete one.
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
