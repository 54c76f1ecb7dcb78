//! The identity and the purpose of an API action, and the trait that lets one function send all
//! actions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use super::limits::Limit;
use crate::domain;

/// A product of the cloud. Its name is part of the host name and of the signature's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    Lighthouse,
    /// Cloud Virtual Machine.
    Cvm,
}

impl Service {
    /// Returns the short name, as in the host name: `lighthouse`, `cvm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lighthouse => "lighthouse",
            Self::Cvm => "cvm",
        }
    }

    /// Returns the version of the API, the value of the header `X-TC-Version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Lighthouse => "2020-03-24",
            Self::Cvm => "2017-03-12",
        }
    }
}

/// What a call is for. The class of an error depends on it: "already shared" can mean success only
/// if the call shares, and a lost answer is harmless only if the call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    Share,
    Cancel,
    Read,
}

impl Purpose {
    /// Whether the call changes something in the cloud.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

impl From<domain::Action> for Purpose {
    fn from(action: domain::Action) -> Self {
        match action {
            domain::Action::Share => Self::Share,
            domain::Action::Cancel => Self::Cancel,
        }
    }
}

/// Serialises the parameter `Permission` of the two actions named `ModifyImageSharePermission`. An
/// example in the documentation has the value `CANEL`. This is a misprint: the parameter table has
/// `CANCEL`.
pub(super) fn permission<S: Serializer>(
    action: &domain::Action,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match action {
        domain::Action::Share => "SHARE",
        domain::Action::Cancel => "CANCEL",
    })
}

/// Identifies an action in requests to the cloud and in the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Api {
    pub service: Service,
    /// The value of the header `X-TC-Action`, case-sensitive.
    pub action: &'static str,
}

impl Api {
    pub(in crate::cloud) const fn lighthouse(action: &'static str) -> Self {
        Self {
            service: Service::Lighthouse,
            action,
        }
    }

    pub(in crate::cloud) const fn cvm(action: &'static str) -> Self {
        Self {
            service: Service::Cvm,
            action,
        }
    }
}

/// The request of an API action.
pub trait Action: Serialize + Send + Sync {
    /// The fields of the answer except `RequestId`.
    type Answer: DeserializeOwned + Send;

    fn api(&self) -> Api;

    fn purpose(&self) -> Purpose {
        Purpose::Read
    }

    /// Checks the request against the limits that the documentation publishes for it.
    fn check(&self) -> Result<(), Limit> {
        Ok(())
    }
}

/// The answer of an action that returns only `RequestId`.
#[derive(Debug, Clone, Deserialize)]
pub struct NoFields {}
