//! The end of a turn that leaves work for another one.

use serde::{Deserialize, Serialize};

use super::call_note::CallNote;
use crate::domain::{Fault, ItemResult, Timestamp};

/// Why a turn ended before the request was finished, and when the next turn may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// The results so far. An item without a new result keeps its recorded one.
    pub results: Vec<ItemResult>,
    /// The calls that no earlier record names, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallNote>,
    /// The reason, for people.
    pub why: String,
    /// The next turn may not begin before this instant.
    pub not_before: Timestamp,
    /// If true and the request has made no call, the request's earlier read of the cloud no longer
    /// counts, because another request may have shared what the next turn finds shared. Version
    /// 0.2.0 set this field only if the turn ended to let the worker of another request finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Whose fault the failure is. `None` if nothing failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The turns that only ran out of time, up to this one. `None` if this turn brought a result or
    /// a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_time: Option<OutOfTime>,
}

/// Turns in a row that brought nothing because their time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfTime {
    /// When the first of them ended.
    pub since: Timestamp,
    /// Their number.
    pub turns: u32,
}
