//! What a caller decides about a sandbox: where it listens, whom it knows, how it behaves where the
//! real cloud's behaviour is not documented.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::fault::Fault;
use super::seed::{SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
use super::world::World;

/// A key pair that the sandbox accepts. All belong to the one account that owns the images.
#[derive(Clone)]
pub struct SandboxKey {
    /// `SecretId`.
    pub id: String,
    /// `SecretKey`.
    pub secret: SecretString,
    /// The session token of temporary credentials: then every call must carry it, and otherwise
    /// none may.
    pub token: Option<SecretString>,
}

impl SandboxKey {
    /// A permanent key pair.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: SecretString::from(secret.into()),
            token: None,
        }
    }

    /// Whether a call carries the session token that belongs to this key, and none where none
    /// belongs.
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

    /// The same pair as temporary credentials.
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self {
            token: Some(SecretString::from(token.into())),
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

/// What one bad account does to the others of its call. The API pages leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Nothing is changed.
    AllOrNothing,
    /// The accounts before it are served; it and those after it are not.
    UntilFirstBad,
}

/// The service role through which Lighthouse reads CVM images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceRole {
    /// In place.
    Granted,
    /// Never approved: `ResourceNotFound.RoleNotFound`.
    Missing,
    /// There, but unusable: `UnsupportedOperation.AssumeRoleFailed`.
    NotAssumable,
}

/// Calls per second for each action, region and key; `None` does not limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Every Lighthouse action. The pages say 20.
    pub lighthouse: Option<u32>,
    /// CVM's `ModifyImageSharePermission`. The page says 10. CVM's reads are not limited here.
    pub cvm_modify: Option<u32>,
}

impl RateLimits {
    /// No limit at all.
    pub const OFF: Self = Self {
        lighthouse: None,
        cvm_modify: None,
    };
}

/// How the sandbox behaves where the documentation gives a number or leaves a question open.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Whether `DescribeBlueprintsShareAcrossAccountInfos` exists; the international site does not
    /// offer it.
    pub read_shares_api: bool,
    /// For `ShareBlueprintAcrossAccounts`.
    pub lighthouse_batch: Batch,
    /// For CVM's `ModifyImageSharePermission`.
    pub cvm_batch: Batch,
    /// Whether one account that has the blueprint already is enough for `BlueprintAlreadyShared`;
    /// otherwise all must.
    pub any_already_shared_refuses: bool,
    /// Whether `ShareBlueprintAcrossAccounts` takes a blueprint that was published from a CVM
    /// image. Its page says "custom images only" and not whether such a blueprint is one.
    pub shares_published_blueprints: bool,
    /// Accounts that one blueprint can be shared with. A quota exists; its size is not documented.
    pub lighthouse_accounts_per_image: usize,
    /// Accounts that one CVM image can be shared with. The page says 500.
    pub cvm_accounts_per_image: usize,
    /// Accounts in one CVM call. A limit exists; its size is not documented.
    pub cvm_accounts_per_call: usize,
    /// How long an image that was shared to Lighthouse stays `SYNCING` there.
    pub publish_delay: Duration,
    /// How long a blueprint refuses further changes after its shares were changed.
    pub modifying_delay: Duration,
    /// Lighthouse's role.
    pub service_role: ServiceRole,
    /// Call rates.
    pub rate_limits: RateLimits,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            read_shares_api: true,
            lighthouse_batch: Batch::AllOrNothing,
            cvm_batch: Batch::AllOrNothing,
            any_already_shared_refuses: false,
            shares_published_blueprints: true,
            lighthouse_accounts_per_image: 500,
            cvm_accounts_per_image: 500,
            cvm_accounts_per_call: 50,
            publish_delay: Duration::ZERO,
            modifying_delay: Duration::ZERO,
            service_role: ServiceRole::Granted,
            rate_limits: RateLimits {
                lighthouse: Some(20),
                cvm_modify: Some(10),
            },
        }
    }
}

/// Everything that `Sandbox::start` needs.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whose signatures are accepted.
    pub keys: Vec<SandboxKey>,
    /// See [`Behaviour`].
    pub behaviour: Behaviour,
    /// What exists at the start.
    pub world: World,
    /// What goes wrong; more can be added while it runs.
    pub faults: Vec<Fault>,
    /// The cloud's clock: signatures are checked and `Date` is answered by it.
    pub clock: fn() -> Timestamp,
}

impl SandboxOptions {
    /// The seeded world and key pair on a free port of 127.0.0.1.
    pub fn seeded(clock: fn() -> Timestamp) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: vec![SandboxKey::new(SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY)],
            behaviour: Behaviour::default(),
            world: World::seeded(),
            faults: Vec::new(),
            clock,
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
