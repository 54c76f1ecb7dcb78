//! What an action is to the rest of the module: what identifies it, what it is for, and the trait
//! that one function sends by.

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

/// What a call is for. It decides what an error means: a share that exists already is as wanted for
/// a share, and an answer that never came is harmless for a read only.
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

/// `Permission` of the two actions that both share and cancel. The documentation's example value
/// `CANEL` is a misprint of its own parameter table.
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

/// What identifies an action to the cloud, and to the pacing of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Api {
    /// Which product.
    pub service: Service,
    /// `X-TC-Version`.
    pub version: &'static str,
    /// `X-TC-Action`, case-sensitive.
    pub action: &'static str,
}

/// One action's request. A trait because one function sends all nine.
pub trait Action: Serialize + Send + Sync {
    /// What identifies it.
    const API: Api;
    /// The answer's fields besides `RequestId`.
    type Answer: DeserializeOwned + Send;

    /// What this request is for.
    fn purpose(&self) -> Purpose;

    /// Checks the request against the limits that the documentation publishes for it.
    ///
    /// # Errors
    /// The first limit that it breaks.
    fn check(&self) -> Result<(), Limit> {
        Ok(())
    }
}
