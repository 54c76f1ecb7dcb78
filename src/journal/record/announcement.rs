//! The records of an announcement. An approval system sends a verified event that names an
//! instance, and the program fetches the instance later. The event is recorded first, because the
//! process that received it may end before the fetch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Received;
use crate::domain::{Identity, SourceName, Timestamp};

/// A verified event that names an instance, or an entry in an approval system's list that does. If
/// this announcement leads to no request or is given up, a later event about the same instance may
/// be recorded in the same stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The source of the event or the list.
    pub source: SourceName,
    /// The source's scheme.
    pub scheme: String,
    /// The instance and what became of it, as in `81D31358-…/approved`. The stream is named after
    /// this id. The event's own id is inside `event`.
    pub delivery_id: String,
    /// Names the configured secret that verified the event. Also contains the secret's version or a
    /// keyed fingerprint of the secret, if either is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    /// Digests of the received bytes and of the map and configuration that will read the instance.
    #[serde(flatten)]
    pub received: Received,
    /// The event in plain text, without secrets such as the app's token.
    pub event: Value,
    /// True if no event arrived. Instead, the system's list of finished instances named the
    /// instance, or the fetch of another instance showed what became of this one. In both cases
    /// this program built `event` itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// The instance is not fetched before this instant. Set for an event that came while earlier
    /// ones of the same second were fetched: the fetch must follow all events of that second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Set if an operator had the instance fetched again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refetch: Option<Refetch>,
}

/// Who had an instance fetched again, and why. The announcement keeps the instant of the event
/// before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refetch {
    /// The operator, as `source/requester`.
    pub by: String,
    /// The operator's reason.
    pub reason: String,
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

/// Confirms an announcement: the fetched instance shows what the event says. A withdrawal is also
/// confirmed if the instance no longer exists. This event is recorded before a request is opened or
/// called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The requests that will be opened. Empty for a withdrawal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Identity>,
}

/// The end of the work on an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The requests that the instance led to, each of which has its own stream. For a withdrawal,
    /// these are the requests that it called off.
    pub requests: Vec<Identity>,
    /// Why `requests` is empty, or why the announcement was given up, as a text for people. `None`
    /// otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether the announcement was given up after failed attempts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}
