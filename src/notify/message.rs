//! One call to a target's API, as its template writes it.

use serde::Deserialize;
use serde_json::Value;

/// The methods that a message may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
}

impl Method {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// A message. Its JSON refuses other fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The HTTP method.
    pub method: Method,
    /// What follows the target's address; may have a query.
    pub path: String,
    /// The JSON body.
    pub body: Value,
    /// Where a message that was delivered before shows: a GET whose answer then holds the event's
    /// marker. It is looked at before the message is repeated.
    #[serde(default)]
    pub look: Option<String>,
    /// A refusal of this message is logged, and does not count: the others of the notification are
    /// not repeated for it.
    #[serde(default)]
    pub optional: bool,
}
