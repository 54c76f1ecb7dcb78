//! The last record of a finished request: all that its earlier records add up to, so that they can
//! be kept elsewhere. In: what the fold made of them. Out: a value that the fold can begin with in
//! their stead.

use serde::{Deserialize, Serialize};

use super::{CallOff, Intent};
use crate::domain::{BlueprintId, ItemResult, Status, Timestamp, Verdict};

/// What a finished request's records add up to, and where copies of them were laid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Record 0's intent: identity, content digest, request, verdict.
    pub intent: Intent,
    /// How the request ended.
    pub ended: Ended,
    /// The status that it was closed with; none for a denial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The results, in the order in which the records told them first.
    pub results: Vec<ItemResult>,
    /// The results of taking back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<ItemResult>,
    /// What later cancels called off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub called_off: Vec<CallOff>,
    /// What later cancels took away after it was closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<CallOff>,
    /// The verdict that refused the request when its work was to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Verdict>,
    /// The blueprint that came of a CVM image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<BlueprintId>,
    /// Whether a look at the cloud or a call was recorded.
    pub observed: bool,
    /// The first record that told of a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_at: Option<Timestamp>,
    /// When the request's last step was written. The archived record itself is younger and is no
    /// step.
    pub updated_at: Timestamp,
    /// The place that the earlier records were copied to, as it was named then.
    pub copied_to: String,
}

/// The ends of a request after which nothing is ever due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The policy refused.
    Denied,
    /// Every item has its result, and nothing is to be taken back.
    Closed,
    /// Its expiry has been carried out.
    Revoked,
}
