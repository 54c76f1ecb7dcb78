//! How the program authenticates at a target. In: resolved secrets. Out: headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use serde_json::Value;

use super::bot::Bot;
use super::sigv4::AwsKey;
use crate::domain::Timestamp;

/// A target's authentication.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Each message is signed by Standard Webhooks.
    Signed(SecretString),
    /// `user:password`.
    Basic(SecretString),
    /// A token, after the prefix that the system wants.
    Bearer(&'static str, SecretString),
    /// A header, by its lower-case name.
    Header(String, SecretString),
    /// Each message is signed with an AWS key.
    Aws(AwsKey),
    /// A bot's own address, and its signature in each message.
    Bot(Bot),
    /// The app of the source's `fetch` sends each message.
    App,
}

impl Auth {
    /// The header of every message; `None` where each message is signed.
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

    /// Whether the app of the source's `fetch` sends.
    pub fn is_app(&self) -> bool {
        matches!(self, Self::App)
    }

    /// The path and the body of a message as they are sent.
    pub fn addressed(&self, path: &str, body: &Value, now: Timestamp) -> (String, Value) {
        match self {
            Self::Bot(bot) => bot.signed(body.clone(), now),
            _ => (path.to_owned(), body.clone()),
        }
    }

    /// Every secret, as written and as sent, to remove from reasons.
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
        own.chain(self.header().map(|(_, value)| value)).collect()
    }
}
