//! What an action is given, and what it gives back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::behaviour::{Behaviour, ServiceRole};
use crate::error::ApiError;
use crate::params::Params;
use crate::world::Stock;

/// What an action works with.
pub(crate) struct ActionContext<'a> {
    pub(crate) stock: &'a mut Stock,
    pub(crate) params: &'a Params,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) now: Timestamp,
}

impl ActionContext<'_> {
    /// `now` and a length of time from the options; the end of time when it does not fit.
    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        self.now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Lighthouse reads CVM images through a role that the account must have approved.
    pub(super) fn check_service_role(&self) -> Result<(), ApiError> {
        match self.behaviour.service_role {
            ServiceRole::Granted => Ok(()),
            ServiceRole::Missing => Err(ApiError::new(
                "ResourceNotFound.RoleNotFound",
                "The Lighthouse service role does not exist.",
            )),
            ServiceRole::NotAssumable => Err(ApiError::new(
                "UnsupportedOperation.AssumeRoleFailed",
                "The Lighthouse service role cannot be assumed.",
            )),
        }
    }
}

/// The fields of `Response` beside `RequestId`, or a refusal.
pub(crate) type Answer = Result<Map<String, Value>, ApiError>;
