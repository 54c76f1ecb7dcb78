//! The record of a reopening: an operator asked for a new decision on an ended request.

use serde::{Deserialize, Serialize};

use crate::domain::{Timestamp, Verdict};

/// Which operator asked for a new decision on an ended request, why, and what the policies decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopening {
    /// The operator, as `source/requester`. Recorded as evidence; the policies do not see it.
    pub by: String,
    /// The operator's reason.
    pub reason: String,
    /// The verdict of the current policies for the original requester. If it is a denial, the
    /// request stays closed.
    pub verdict: Verdict,
    /// The end of the lease under which the work continues. `None` after a denial, and if the
    /// request waits for its `not_before` again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// If true and the request has made no call, the request's earlier read of the cloud no longer
    /// counts. Always true, except in records of version 0.2.0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looks_again: bool,
}
