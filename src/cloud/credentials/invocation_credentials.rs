//! Credentials that a host sends with an invocation. In: the credentials of the newest trusted
//! invocation. Out: the same, for every chain that shares the slot. The caller decides which
//! invocations to trust. Source: Tencent's page on functions made of images, "Common Headers".

use std::sync::Arc;

use parking_lot::Mutex;

use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials};

const PLACE: &str = "the invocation's headers X-Scf-Secret-Id/X-Scf-Secret-Key/X-Scf-Session-Token";

/// A slot for the newest credentials; clones share it.
#[derive(Debug, Clone, Default)]
pub struct InvocationCredentials(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    newest: Option<Credentials>,
    environment_refused: bool,
}

impl InvocationCredentials {
    /// Replaces the stored credentials by an id, a key and a token. Keeps the stored ones when a
    /// part is missing: a role's credentials are temporary and always have a token.
    ///
    /// # Errors
    /// The part that is missing or unusable, without its value.
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

    /// Notes that the cloud refused the token of these credentials. The environment's never change
    /// while the process runs, so from now on an invocation's credentials come before them.
    pub(super) fn refused(&self, used: &Credentials) {
        if used.source == CredentialSource::FunctionEnvironment {
            self.0.lock().environment_refused = true;
        }
    }

    /// Whether an invocation's credentials replace `used`, which are the environment's.
    pub(super) fn replaces(&self, used: &Credentials) -> bool {
        used.source == CredentialSource::FunctionEnvironment && self.replaces_environment()
    }

    /// Whether an invocation's credentials replace the environment's.
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
