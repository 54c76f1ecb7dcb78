//! How the program authenticates at a target. In: resolved secrets. Out: headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// A target's authentication.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Each message is signed by Standard Webhooks.
    Signed(SecretString),
    /// `user:password`.
    Basic(SecretString),
    /// A token behind the word that the system wants before it.
    Bearer(&'static str, SecretString),
    /// A header, by its lower-case name.
    Header(String, SecretString),
}

impl Auth {
    /// The header of every message; none where each message is signed.
    pub fn header(&self) -> Option<(String, String)> {
        let authorization = |value| Some(("authorization".to_owned(), value));
        match self {
            Self::Signed(_) => None,
            Self::Basic(login) => {
                authorization(format!("Basic {}", STANDARD.encode(login.expose_secret())))
            }
            Self::Bearer(word, token) => authorization(format!("{word}{}", token.expose_secret())),
            Self::Header(name, value) => Some((name.clone(), value.expose_secret().to_owned())),
        }
    }
}
