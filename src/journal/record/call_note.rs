//! A record's note of one call to the cloud: the call's action and how the call ended.

use serde::{Deserialize, Serialize};

use crate::domain::ResultCode;

/// A call to the cloud, recorded as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// The API action, as in `ShareBlueprintAcrossAccounts`.
    pub action: String,
    /// The cloud's `RequestId`. `None` if the cloud did not return one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The error code. `None` if the call succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl CallNote {
    /// Whether the call failed before it was sent. If so, the cloud has no trace of the call.
    pub fn is_unsent(&self) -> bool {
        let code = self.code.as_deref().and_then(ResultCode::read);
        self.request_id.is_none() && code.is_some_and(ResultCode::is_unsent)
    }
}
