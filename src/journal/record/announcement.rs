//! The records of an announcement. An approval system sends a verified event that names an
//! instance, and the program fetches the instance later. The event is recorded first, because the
//! process that received it may end before the fetch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Received;
use crate::domain::{Identity, SourceName, Timestamp};

/// A verified event, or an entry of a system's list, that names an instance. If an announcement led
/// to no request or was given up, another event about the instance may follow in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The source of the event or the list.
    pub source: SourceName,
    /// The source's scheme.
    pub scheme: String,
    /// The instance and what became of it, as in `81D31358-…/approved`. The stream is named after
    /// this id. The event's own id is inside `event`.
    pub delivery_id: String,
    /// The reference of the configured secret that verified the event, with the secret's version or
    /// a keyed fingerprint of the secret, if either is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// Digests of the received bytes and of the map and configuration that will read the instance.
    #[serde(flatten)]
    pub received: Received,
    /// The event in plain text, without secrets such as the app's token.
    pub event: Value,
    /// True if no event arrived: the system's list of finished instances names the instance, or the
    /// fetch of another instance shows what became of this one. In both cases this program made
    /// `event`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
}

/// A failed attempt to fetch the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedFetch {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The reason, for people.
    pub why: String,
    /// The next attempt may not begin before this instant.
    pub not_before: Timestamp,
}

/// The announcement is confirmed: the fetched instance shows what the event says or, for a
/// withdrawal, the instance is gone. Recorded before a request is opened or called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The requests that will be opened. Empty for a withdrawal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Identity>,
}

/// The end of the work on an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The requests that the instance led to, each with its own stream. For a withdrawal: the
    /// requests that it called off.
    pub requests: Vec<Identity>,
    /// Why `requests` is empty, or why the announcement was given up, for people; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
