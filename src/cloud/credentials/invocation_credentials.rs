//! Stores the credentials that a host sends with an invocation. Takes the id, key and token of the
//! newest trusted invocation; returns these credentials to every chain that shares the slot. The
//! caller decides which invocations to trust. Source: Tencent's page on functions deployed as
//! images, "Common Headers".

use std::sync::Arc;

use parking_lot::Mutex;

use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials};

const PLACE: &str = "the invocation's headers X-Scf-Secret-Id/X-Scf-Secret-Key/X-Scf-Session-Token";

/// A slot for the newest credentials of an invocation. Clones share the slot.
#[derive(Debug, Clone, Default)]
pub struct InvocationCredentials(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    newest: Option<Credentials>,
    environment_refused: bool,
}

impl InvocationCredentials {
    /// Replaces the stored credentials by an id, a key and a token. If a part is missing or
    /// unusable, keeps the stored credentials. The token is required because the credentials of a
    /// role are temporary and always have one.
    ///
    /// # Errors
    /// Names the part that is missing or unusable, without its value.
    pub fn take(
        &self,
        id: Option<&str>,
        key: Option<&str>,
        token: Option<&str>,
    ) -> Result<(), CredentialsError> {
        let whole = CredentialSource::Invocation.checked(PLACE.to_owned(), id, key, token)?;
        if whole.token.is_none() {
            return Err(unusable(PLACE, "the token is missing"));
        }
        self.0.lock().newest = Some(whole);
        Ok(())
    }

    pub(super) fn newest(&self) -> Option<Credentials> {
        self.0.lock().newest.clone()
    }

    /// Records that the cloud refused `used`, or that a role could not be assumed with them. If
    /// they come from the function's environment, the credentials of an invocation take precedence
    /// from now on, because the environment does not change while the process runs.
    pub(super) fn refused(&self, used: &Credentials) {
        if used.source == CredentialSource::FunctionEnvironment {
            self.0.lock().environment_refused = true;
        }
    }

    /// Whether `used` come from the function's environment and an invocation has brought
    /// credentials that replace them.
    pub(super) fn replaces(&self, used: &Credentials) -> bool {
        used.source == CredentialSource::FunctionEnvironment && self.replaces_environment()
    }

    /// Whether an invocation's credentials replace those of the function's environment.
    pub(super) fn replaces_environment(&self) -> bool {
        let slot = self.0.lock();
        slot.environment_refused && slot.newest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn an_incomplete_set_is_an_error_and_the_previous_one_stays() {
        let slot = InvocationCredentials::default();
        slot.take(Some("id"), Some("HUSH"), Some("HUSH-token"))
            .unwrap();
        let cases = [
            (
                [None, Some("HUSH-2"), Some("HUSH-2")],
                "the id or the key is missing",
            ),
            (
                [Some("id-2"), None, Some("HUSH-2")],
                "the id or the key is missing",
            ),
            (
                [Some("id-2"), Some(""), Some("HUSH-2")],
                "the id or the key is missing",
            ),
            ([Some("id-2"), Some("HUSH-2"), None], "the token is missing"),
            (
                [Some("id-2"), Some("HUSH-2"), Some("")],
                "the token is missing",
            ),
            (
                [Some("id-2"), Some("HUSH 2"), Some("HUSH-2")],
                "the key contains blanks",
            ),
        ];
        for ([id, key, token], problem) in cases {
            let error = slot.take(id, key, token).unwrap_err().to_string();
            assert!(
                error.contains(problem) && error.contains("X-Scf-Secret-Id"),
                "{error}"
            );
            assert!(!error.contains("HUSH"), "{error}");
            let newest = slot.newest().unwrap();
            assert_eq!(
                (newest.secret_id.as_str(), newest.secret_key.expose_secret()),
                ("id", "HUSH")
            );
        }
        assert!(!format!("{slot:?}").contains("HUSH"));
    }
}
