//! The options of a sandbox: address, accepted keys, initial world, faults, clock and behaviour.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::behaviour::{Behaviour, Site};
use super::error::ApiError;
use super::fault::Fault;
use super::seed::{AddedImage, SANDBOX_OWNER, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
use super::world::World;

/// A key pair that the sandbox accepts.
#[derive(Clone)]
pub struct SandboxKey {
    /// `SecretId`.
    pub id: String,
    /// `SecretKey`.
    pub secret: SecretString,
    /// The session token of temporary credentials. Calls with this key must carry the token, or no
    /// token when this is `None`.
    pub token: Option<SecretString>,
    /// The root account of the key. An account other than [`SANDBOX_OWNER`] has no images.
    pub owner: String,
}

impl SandboxKey {
    /// Creates a permanent key pair of [`SANDBOX_OWNER`].
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: SecretString::from(secret.into()),
            token: None,
            owner: SANDBOX_OWNER.to_owned(),
        }
    }

    /// Checks that a call carries the session token of this key, or no token for a permanent key.
    pub(super) fn check_token(&self, given: Option<&str>) -> Result<(), ApiError> {
        let right = match (&self.token, given) {
            (Some(token), Some(given)) => token
                .expose_secret()
                .as_bytes()
                .ct_eq(given.as_bytes())
                .into(),
            (None, None) => true,
            _ => false,
        };
        if right {
            return Ok(());
        }
        Err(ApiError::new(
            "AuthFailure.TokenFailure",
            "The token does not belong to this SecretId.",
        ))
    }

    /// Turns the pair into temporary credentials with a session token.
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self {
            token: Some(SecretString::from(token.into())),
            ..self
        }
    }

    /// Turns the pair into a key of another root account.
    pub fn of_account(self, owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            ..self
        }
    }
}

impl fmt::Debug for SandboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxKey")
            .field("id", &self.id)
            .field("temporary", &self.token.is_some())
            .finish()
    }
}

/// Everything that `Sandbox::start` needs.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// A loopback address; with port 0 the system chooses a free port.
    pub listen: SocketAddr,
    /// The accepted key pairs.
    pub keys: Vec<SandboxKey>,
    /// How the sandbox behaves where the documentation leaves a choice.
    pub behaviour: Behaviour,
    /// The initial world.
    pub world: World,
    /// A file that keeps the world across restarts. A new file starts with `world`.
    pub state_file: Option<PathBuf>,
    /// Images to add to the initial world, or to the world in the state file.
    pub images: Vec<AddedImage>,
    /// Root accounts to add to the initial world, or to the world in the state file.
    pub accounts: Vec<String>,
    /// The faults at the start. A running sandbox accepts more.
    pub faults: Vec<Fault>,
    /// The cloud's clock. Signature checks, rate limits and the `Date` header use it, for example.
    pub clock: fn() -> Timestamp,
}

impl SandboxOptions {
    /// Returns options for the seeded world and key pair, on a free port of 127.0.0.1. The sandbox
    /// imitates the international site.
    pub fn seeded(clock: fn() -> Timestamp) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: vec![SandboxKey::new(SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY)],
            behaviour: Behaviour::default(),
            world: World::seeded(),
            state_file: None,
            images: Vec::new(),
            accounts: Vec::new(),
            faults: Vec::new(),
            clock,
        }
    }

    /// Imitates `site` with its default behaviour.
    #[must_use]
    pub fn on(self, site: Site) -> Self {
        Self {
            behaviour: Behaviour::of(site),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let key = SandboxKey::new("AKIDx", "hush-hush").with_token("also-hush");
        let options = SandboxOptions {
            keys: vec![key],
            ..SandboxOptions::seeded(|| Timestamp::UNIX_EPOCH)
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains("AKIDx") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
