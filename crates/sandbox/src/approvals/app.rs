//! The apps of a company and their tokens. An app's first secret is its own: another one is refused later.

use std::collections::BTreeMap;

/// The apps that asked for a token.
#[derive(Debug, Default)]
pub(super) struct Apps {
    secrets: BTreeMap<String, String>,
    /// The number of the valid tokens; older ones are not accepted.
    valid: u32,
}

impl Apps {
    /// A token for an app; `None` when it has another secret.
    pub(super) fn token(&mut self, id: &str, secret: &str) -> Option<String> {
        if id.is_empty() || secret.is_empty() {
            return None;
        }
        let known = self.secrets.entry(id.to_owned());
        let known = known.or_insert_with(|| secret.to_owned());
        (known == secret).then(|| self.valid_token())
    }

    fn valid_token(&self) -> String {
        format!("sandboxtoken{}", self.valid)
    }

    /// Whether this is a valid token that some app got.
    pub(super) fn accept(&self, token: &str) -> bool {
        !self.secrets.is_empty() && token == self.valid_token()
    }

    pub(super) fn expire(&mut self) {
        self.valid += 1;
    }
}
