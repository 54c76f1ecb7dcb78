//! What an approval system announces: a verified event that names an instance, which the program then
//! fetches. The event is kept, because the process that received it may end before the instance is read.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Received;
use crate::domain::{Identity, SourceName, Timestamp};

/// A verified event that names an instance. A later event about the same follows in the stream when the one
/// before it led to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The source that authenticated it.
    pub source: SourceName,
    /// The source's scheme.
    pub scheme: String,
    /// What became of which instance, as in `81D31358-…/approved`; the stream is named after it. The event
    /// has its own id in it.
    pub delivery_id: String,
    /// The configured secret that verified it, as in a request's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// What was received, and what is to read it.
    #[serde(flatten)]
    pub received: Received,
    /// The event, decrypted, without the app's token.
    pub event: Value,
    /// No event arrived: the system's list of finished instances names this one, or an instance that was
    /// fetched shows it. `event` says as much.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
}

/// An attempt to fetch the instance that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedFetch {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The reason, for people.
    pub why: String,
    /// The earliest next attempt.
    pub not_before: Timestamp,
}

/// The fetched instance confirms what was announced. On record before anything follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The requests that are opened next. A withdrawal opens none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Identity>,
}

/// The end of an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The requests that the instance led to, each with a stream of its own.
    pub requests: Vec<Identity>,
    /// Why it led to none, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
