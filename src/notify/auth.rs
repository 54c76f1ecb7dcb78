//! How the program authenticates to a notification target, or to the API from which it fetches
//! tickets. Takes resolved secrets; returns a header, or the path and the body that a bot needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use serde_json::Value;

use super::bot::Bot;
use super::sigv4::AwsKey;
use crate::domain::Timestamp;

/// The user and the password of a login are hidden only if they have at least this many bytes.
/// Hiding a shorter one, such as Freshservice's `X`, would make error texts unreadable.
const MIN_PART: usize = 6;

/// One way to authenticate.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Signs each message as Standard Webhooks specifies, with this secret.
    Signed(SecretString),
    /// A login, as `user:password`.
    Basic(SecretString),
    /// The prefix that the system requires, and the token after it.
    Bearer(&'static str, SecretString),
    /// A header with a lower-case name.
    Header(String, SecretString),
    /// Signs each message with an AWS key.
    Aws(AwsKey),
    /// The secret address of a bot, which may also sign each message.
    Bot(Bot),
    /// Sends each message through the app of the source's `fetch`.
    App,
}

impl Auth {
    /// Returns the header that authenticates every request to the address. Returns `None` if
    /// requests are authenticated in another way.
    pub fn header(&self) -> Option<(String, String)> {
        let authorization = |value| Some(("authorization".to_owned(), value));
        match self {
            Self::Signed(_) | Self::Aws(_) | Self::Bot(_) | Self::App => None,
            Self::Basic(login) => {
                authorization(format!("Basic {}", STANDARD.encode(login.expose_secret())))
            }
            Self::Bearer(word, token) => authorization(format!("{word}{}", token.expose_secret())),
            Self::Header(name, value) => Some((name.clone(), value.expose_secret().to_owned())),
        }
    }

    /// Returns the user of a login, which is the text before the colon. It can be a secret: at
    /// Freshservice, for example, it is the API key.
    pub fn user(&self) -> Option<&str> {
        let Self::Basic(login) = self else {
            return None;
        };
        let parts = login.expose_secret().split_once(':');
        parts.map(|(user, _)| user)
    }

    /// Whether the app of the source's `fetch` sends the messages.
    pub fn is_app(&self) -> bool {
        matches!(self, Self::App)
    }

    /// Returns the path and the body to send. For a bot, replaces the path and may add a signature.
    pub fn addressed(&self, path: &str, body: &Value, now: Timestamp) -> (String, Value) {
        match self {
            Self::Bot(bot) => bot.signed(body.clone(), now),
            _ => (path.to_owned(), body.clone()),
        }
    }

    /// Returns every secret, as configured and as sent, so that error texts can be cleared of them.
    /// For a login, also returns the user and the password, because a target may quote one of them.
    /// Omits one that is shorter than `MIN_PART`.
    pub fn secrets(&self) -> Vec<String> {
        let own = match self {
            Self::Signed(secret)
            | Self::Basic(secret)
            | Self::Bearer(_, secret)
            | Self::Header(_, secret) => vec![secret],
            Self::Aws(key) => key.token.iter().chain([&key.secret]).collect(),
            Self::Bot(bot) => bot.secrets().collect(),
            Self::App => Vec::new(),
        };
        let own = own
            .into_iter()
            .map(|secret| secret.expose_secret().to_owned());
        let mut all: Vec<String> = own.chain(self.header().map(|(_, value)| value)).collect();
        if let Self::Basic(login) = self {
            let parts = login.expose_secret().splitn(2, ':');
            let long = parts.filter(|part| part.len() >= MIN_PART);
            all.extend(long.map(str::to_owned));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_of_a_login_are_the_login_and_its_long_parts() {
        for (login, parts) in [
            ("svc-user:hunter2:x", &["svc-user", "hunter2:x"][..]),
            ("an-api-key:X", &["an-api-key"]),
        ] {
            let auth = Auth::Basic(login.into());
            let encoded = format!("Basic {}", STANDARD.encode(login));
            let mut wanted = vec![login.to_owned(), encoded];
            wanted.extend(parts.iter().map(|&part| part.to_owned()));
            assert_eq!(auth.secrets(), wanted);
        }
    }
}
