//! A message: one HTTP request to a target's API, as the target's template writes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Post,
    Put,
    Patch,
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub method: Method,
    /// The path below the target's address; may have a query.
    pub path: String,
    pub body: Value,
    /// Additional headers. `authorization`, `host`, `content-length`, `content-type` and every
    /// header that the program writes itself are ignored.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A request to make first, whose answer completes the path.
    #[serde(default)]
    pub find: Option<Find>,
    /// Where to look for an earlier delivery of the message before the message is sent again.
    #[serde(default)]
    pub look: Option<Look>,
    /// Whether the message goes to the delivery's `response_url` instead of the target's address.
    #[serde(default)]
    pub to_response_url: bool,
    /// Whether a refusal of this message is only logged. After any other failure, the notification
    /// is sent again.
    #[serde(default)]
    pub optional: bool,
}

/// A request that looks for an earlier delivery of the message. If there was one, the answer
/// contains the event's marker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {
    pub path: String,
    /// The body of a POST; `None` makes the request a GET.
    #[serde(default)]
    pub body: Option<Value>,
}

/// A GET whose answer contains the target's own id of the ticket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Find {
    pub path: String,
    /// The JSON pointer to the id, which replaces `{found}` in the other paths.
    pub pointer: String,
}

impl Find {
    pub(crate) fn id(&self, answer: &[u8]) -> Option<String> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let id = match answer.pointer(&self.pointer)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_u64()?.to_string(),
            _ => return None,
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (!id.is_empty() && id.len() <= 128 && id.bytes().all(plain)).then_some(id)
    }
}
