//! The input and the result of an action.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::behaviour::{Behaviour, ServiceRole};
use crate::error::{ApiError, refuse};
use crate::params::Params;
use crate::world::Stock;

/// The input of an action. `stock` holds the images of the call's region.
pub(crate) struct ActionContext<'a> {
    pub(crate) stock: &'a mut Stock,
    /// The accounts in [`World::accounts`](crate::World::accounts).
    pub(crate) accounts: &'a BTreeSet<String>,
    /// The root account of the key that signed the call.
    pub(crate) owner: &'a str,
    pub(crate) params: &'a Params,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) now: Timestamp,
}

impl ActionContext<'_> {
    /// Returns `now` plus a delay from the options, or the latest timestamp if the sum is out of
    /// range.
    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        self.now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Checks that Lighthouse can use the role through which it reads the account's CVM images.
    pub(super) fn check_service_role(&self) -> Result<(), ApiError> {
        match self.behaviour.service_role {
            ServiceRole::Granted => Ok(()),
            ServiceRole::Missing => refuse(
                "ResourceNotFound.RoleNotFound",
                "The Lighthouse service role does not exist.",
            ),
            ServiceRole::NotAssumable => refuse(
                "UnsupportedOperation.AssumeRoleFailed",
                "The Lighthouse service role cannot be assumed.",
            ),
        }
    }
}

/// The result of an action: the fields of `Response` except `RequestId`, or a refusal.
pub(crate) type Answer = Result<Map<String, Value>, ApiError>;
