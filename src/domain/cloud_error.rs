//! A call to the cloud that did not succeed, in the words that decide what to do next.
//! Which code belongs to which class is `cloud::error`'s table; this only names the classes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a failed call means for the work at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The state may already be as wanted: confirm by reading back.
    AsWanted,
    /// Will pass: wait and repeat.
    Transient,
    /// The call rate is exceeded: wait, slow down, repeat.
    Throttled,
    /// One of the accounts is wrong and spoils the batch.
    Account,
    /// A quota is used up.
    Quota,
    /// An operator must act: permission, role, key.
    Operator,
    /// The credentials have expired: refresh once and repeat.
    Refresh,
    /// This machine's clock is off: correct by the answer's `Date` once and repeat.
    Clock,
    /// Will never succeed as it stands.
    Permanent,
    /// Sent, and no usable answer came: it may have been carried out. Read back before repeating.
    Ambiguous,
    /// Never sent (no connection, no credentials in time): safe to repeat.
    NotSent,
}

impl ErrorClass {
    /// Whether the same call may well be answered later, with nobody doing anything about it.
    pub fn passing(self) -> bool {
        matches!(
            self,
            Self::Transient | Self::Throttled | Self::Ambiguous | Self::NotSent
        )
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CloudError {
    /// The cloud's code in full, or ours when no answer came: `Timeout`, `ConnectFailed`,
    /// `BadAnswer`, `HttpStatus`, `NoCredentials`.
    pub code: String,
    /// The cloud's message, or what was attempted, how often and for how long.
    pub message: String,
    /// What it means for the work.
    pub class: ErrorClass,
    /// The next action for the operator, from the table.
    pub remedy: String,
    /// The cloud's `RequestId`, when the call reached it.
    pub request_id: Option<String>,
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}
