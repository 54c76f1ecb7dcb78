//! The credentials that an invocation brings in its headers. In: the headers of a delivery. Out:
//! the headers without them; and, on a host that writes them itself, once the sender has proved who
//! it is, the set that signs the calls from then on.

use crate::cloud::credentials::InvocationCredentials;
use crate::inbound::{Headers, Twice};

use super::App;

/// What stood in the three headers, so far of no effect. It has no `Debug`: all of it is secret.
pub(super) struct Brought([Result<Option<String>, Twice>; 3]);

impl Brought {
    /// Takes the three headers out, on every host: no step after this one can see, log or keep
    /// them.
    pub(super) fn out_of(headers: &mut Headers) -> Self {
        Self(
            ["x-scf-secret-id", "x-scf-secret-key", "x-scf-session-token"]
                .map(|name| headers.take(name)),
        )
    }

    /// Nothing, as of a delivery without headers.
    pub(super) fn nothing() -> Self {
        Self([Ok(None), Ok(None), Ok(None)])
    }

    /// Puts a whole set into `invocation_credentials`; one that is not whole is told and left.
    fn hand_to(&self, invocation_credentials: &InvocationCredentials) {
        let Self([id, key, token]) = self;
        let taken = match (id, key, token) {
            (Ok(None), Ok(None), Ok(None)) => return,
            (Ok(id), Ok(key), Ok(token)) => invocation_credentials
                .take(id.as_deref(), key.as_deref(), token.as_deref())
                .map_err(|problem| problem.to_string()),
            (Err(twice), _, _) | (_, Err(twice), _) | (_, _, Err(twice)) => Err(twice.to_string()),
        };
        if let Err(problem) = taken {
            tracing::warn!(
                problem,
                "an invocation's credentials are not used; those before it still are"
            );
        }
    }
}

impl App {
    /// The same application on a host that writes the credentials of its role into each request's
    /// headers. On any other these headers are the sender's own words.
    #[must_use]
    pub fn believing_invocations(mut self) -> Self {
        self.clouds.believe_invocations();
        self
    }

    /// Uses what a delivery brought. To be asked only after its sender was verified: the platform's
    /// word that nobody else writes these headers is then not all that stands between a stranger
    /// and the key of every call.
    pub(super) fn accept(&self, brought: &Brought) {
        if let Some(invocation_credentials) = self.clouds.invocation_credentials() {
            brought.hand_to(invocation_credentials);
        }
    }
}
