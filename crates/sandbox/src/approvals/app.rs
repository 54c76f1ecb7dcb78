//! Issues and checks the tokens of a company's apps. The first secret that an app sends becomes its
//! secret; a later call with another secret is refused.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Apps {
    secrets: BTreeMap<String, String>,
    /// The number that each valid token ends with. Tokens with an older number are refused.
    valid: u32,
}

impl Apps {
    /// Returns a token for an app, or `None` if `id` or `secret` is empty or the secret is not the
    /// app's.
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

    /// Whether `token` is the current token, which all apps share. No token is valid before an app
    /// has requested one.
    pub(super) fn accept(&self, token: &str) -> bool {
        !self.secrets.is_empty() && token == self.valid_token()
    }

    pub(super) fn expire(&mut self) {
        self.valid += 1;
    }
}
