//! A call to the cloud in a record. In: the call's action and end. Out: whether the cloud can have a
//! trace of it.

use serde::{Deserialize, Serialize};

use crate::domain::ResultCode;

/// A call to the cloud, recorded as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// The API action, as in `ShareBlueprintAcrossAccounts`.
    pub action: String,
    /// The cloud's `RequestId`. `None` if no answer with one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The error code. `None` if the call succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl CallNote {
    /// Whether the call failed before it was sent, so that the cloud has no trace of it.
    pub fn is_unsent(&self) -> bool {
        let code = self.code.as_deref().and_then(ResultCode::read);
        self.request_id.is_none() && code.is_some_and(ResultCode::is_unsent)
    }
}
