//! What the record of a reopening says.

use serde::{Deserialize, Serialize};

use crate::domain::{Timestamp, Verdict};

/// Who had an ended request decided again, why, and what the policies said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopening {
    /// The operator, as `source/requester`. Recorded, never decided on.
    pub by: String,
    /// The operator's reason.
    pub reason: String,
    /// The verdict of the present policies for the original requester. A denial changes nothing.
    pub verdict: Verdict,
    /// The end of the lease under which the request goes on; none after a denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}
