//! The identity and the purpose of an API action, and the trait that lets one function send all
//! actions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::limits::Limit;

/// A product of the cloud: part of the host name and of the signature's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Lighthouse.
    Lighthouse,
    /// Cloud Virtual Machine.
    Cvm,
}

impl Service {
    /// The short name, as in the domain: `lighthouse`, `cvm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lighthouse => "lighthouse",
            Self::Cvm => "cvm",
        }
    }
}

/// The purpose of a call, which decides the class of an error: "already shared" is success for a
/// share, and a missing answer is harmless only for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Give access.
    Share,
    /// Take access away.
    Cancel,
    /// Change nothing.
    Read,
}

impl Purpose {
    /// Whether the call changes something in the cloud.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// `Permission` of the two actions that both share and cancel. The documentation's example has the
/// value `CANEL`, a misprint of the `CANCEL` in its parameter table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Permission {
    /// Share.
    Share,
    /// Stop sharing.
    Cancel,
}

impl Permission {
    /// The purpose of a call with this value.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Share => Purpose::Share,
            Self::Cancel => Purpose::Cancel,
        }
    }
}

/// Identifies an action in requests to the cloud and in the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Api {
    /// The product.
    pub service: Service,
    /// `X-TC-Version`.
    pub version: &'static str,
    /// `X-TC-Action`, case-sensitive.
    pub action: &'static str,
}

/// One action's request. A trait because one function sends all nine.
pub trait Action: Serialize + Send + Sync {
    /// The action's identity.
    const API: Api;
    /// The fields of the answer except `RequestId`.
    type Answer: DeserializeOwned + Send;

    /// The purpose of this request.
    fn purpose(&self) -> Purpose;

    /// Checks the request against the limits that the documentation publishes for it.
    ///
    /// # Errors
    /// The first limit that the request exceeds.
    fn check(&self) -> Result<(), Limit> {
        Ok(())
    }
}
