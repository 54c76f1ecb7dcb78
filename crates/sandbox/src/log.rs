//! Keeps the latest calls in order, each with the code of its answer, so that a test can check what
//! a client did.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

/// Maximum number of calls in the log. The log drops the oldest first.
const MAX_CALLS: usize = 10_000;
/// Maximum number of accounts that the log keeps for one call.
const MAX_ACCOUNTS: usize = 500;

/// A call that reached the API, accepted or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The time, by the sandbox's clock.
    pub at: Timestamp,
    /// The `SecretId` in the request; empty if the request was refused before the
    /// `Authorization` header was read.
    pub key_id: String,
    /// The service in the credential scope, such as `lighthouse`; empty if the request was refused
    /// before the scope was read.
    pub service: String,
    /// `X-TC-Action` as sent.
    pub action: String,
    /// `X-TC-Region` as sent; empty when the header was missing.
    pub region: String,
    /// `BlueprintId` or `ImageId`; empty if the action has neither, or if the call was refused
    /// before its parameters were accepted.
    pub image: String,
    /// `AccountIds`, at most 500 of them.
    pub accounts: Vec<String>,
    /// `Permission`; empty if the action has none, or if the call was refused before its parameters
    /// were accepted.
    pub permission: String,
    /// SHA-256, hex, of the parameters as sent (body or query).
    pub params_digest: String,
    /// The code in the answer; `None` for success, and for a fault without a code.
    pub code: Option<String>,
    /// The fault that applied to the call, as text.
    pub fault: Option<String>,
    /// Whether the action was carried out and succeeded, whatever the answer was.
    pub carried_out: bool,
    /// The `RequestId` of the answer, also if the answer was not sent.
    pub request_id: String,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    calls: VecDeque<Call>,
}

impl Log {
    pub(super) fn push(&mut self, mut call: Call) {
        call.accounts.truncate(MAX_ACCOUNTS);
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn forget(&mut self) {
        self.calls.clear();
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded() {
        let call = |n: usize| Call {
            at: Timestamp::UNIX_EPOCH,
            key_id: String::new(),
            service: String::new(),
            action: String::new(),
            region: String::new(),
            image: String::new(),
            accounts: vec!["1".to_owned(); if n == 0 { 0 } else { 501 }],
            permission: String::new(),
            params_digest: String::new(),
            code: None,
            fault: None,
            carried_out: false,
            request_id: n.to_string(),
        };
        let mut log = Log::default();
        (0..=MAX_CALLS).for_each(|n| log.push(call(n % 2)));
        assert_eq!(log.calls().len(), MAX_CALLS);
        assert_eq!(log.calls()[0].request_id, "1", "the oldest is dropped");
        assert_eq!(log.calls()[0].accounts.len(), MAX_ACCOUNTS);
    }
}
