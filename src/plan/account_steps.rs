//! The steps of [`AccountWork`](super::AccountWork), and their results.

use std::collections::BTreeSet;

use crate::domain::{AccountId, CloudError, ErrorClass};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// Call the cloud for these accounts. There is at least one, and at most as many as one call
    /// may contain.
    Call(Vec<AccountId>),
    /// Read the current shares.
    Read,
    /// Wait before try `tries + 1`, because the last call or read failed, or because the two
    /// contradict each other.
    Wait {
        /// The number of tries so far.
        tries: u32,
        /// The class of the last error, or [`ErrorClass::Transient`] after a contradiction.
        class: ErrorClass,
    },
    /// No step is left. The results are complete.
    Finished,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSeen {
    /// The call's result: the cloud's request id if it gave one, or the error.
    Called(Result<Option<String>, CloudError>),
    /// The call was coalesced with calls of other requests, and was refused with an error of this
    /// class. The cause may be an account of another request.
    Coalesced(ErrorClass),
    /// The accounts that have the image now, or why they could not be read.
    Shares(Result<BTreeSet<AccountId>, CloudError>),
    /// The wait has ended.
    Waited,
}
