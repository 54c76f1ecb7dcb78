//! Defines [`Delivery`], the unverified input: an HTTP request with its headers and body, or a
//! message from a trigger with its origin and body.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::SourceName;

/// The request repeats this header with different values. A caller that needs the header refuses
/// the request, because a proxy may have used a different value than this program would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {0} occurs more than once, with different values")]
pub struct DuplicateHeader(pub String);

/// The headers of a request. Names are in lower case, and white space around values is removed (RFC
/// 9110, section 5.5). Also contains the fields of the query, because some senders put values there
/// that other senders put in headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: BTreeMap<String, Vec<String>>,
    query: Vec<(String, String)>,
}

impl Headers {
    /// Collects `(name, value)` pairs; a name may occur several times.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in pairs {
            let value = value.as_ref().trim_matches([' ', '\t']).to_owned();
            map.entry(name.as_ref().to_ascii_lowercase())
                .or_default()
                .push(value);
        }
        Self {
            fields: map,
            query: Vec::new(),
        }
    }

    /// Sets the decoded fields of the request's query.
    #[must_use]
    pub fn with_query(self, query: Vec<(String, String)>) -> Self {
        Self { query, ..self }
    }

    /// Returns all values of a query field, in the order of the request.
    pub fn query(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.query.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the value of a header, or `None` if the request does not have it. `name` is
    /// case-insensitive. A header that is repeated with the same value is accepted.
    ///
    /// # Errors
    /// Returns [`DuplicateHeader`] if the request repeats the header with different values.
    pub fn one(&self, name: &str) -> Result<Option<&str>, DuplicateHeader> {
        let name = name.to_ascii_lowercase();
        let Some(values) = self.fields.get(&name) else {
            return Ok(None);
        };
        let mut values = values.iter();
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(DuplicateHeader(name));
        }
        Ok(first.map(String::as_str))
    }

    /// Returns all values of a header, in the order of the request.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.fields.get(&name.to_ascii_lowercase());
        values.into_iter().flatten().map(String::as_str)
    }

    /// Removes a header, so that later readers cannot see it. Returns its value as [`Headers::one`]
    /// does.
    ///
    /// # Errors
    /// Returns [`DuplicateHeader`] if the request repeats the header with different values.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, DuplicateHeader> {
        let value = self.one(name).map(|value| value.map(str::to_owned));
        self.fields.remove(&name.to_ascii_lowercase());
        value
    }

    /// Returns all fields of the query, in the order of the request.
    pub fn query_fields(&self) -> &[(String, String)] {
        &self.query
    }

    /// Returns the header names, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Whether the request has the header.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(&name.to_ascii_lowercase())
    }
}

/// How a delivery arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// An HTTP request, which anyone can send.
    Http(Headers),
    /// A message from a trigger, such as a queue, a topic, an event bus or a direct invocation. The
    /// host has authenticated the sender.
    Host {
        /// The sender as the host names it, such as the ARN of a queue or topic, or `invoke` for a
        /// direct invocation.
        origin: String,
        /// The host's id of the message; a redelivery has the same id.
        id: Option<String>,
    },
}

/// An unverified delivery to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The configured source from which the delivery claims to come. The path of an HTTP request
    /// names the source. For a trigger, it is the source that lists the trigger's origin; for a
    /// CloudEvent, the source that lists the event's `source` attribute.
    pub source: SourceName,
    /// How the delivery arrived.
    pub via: Via,
    /// The exact bytes that the sender sent, without the host's transport encoding. If the host
    /// passes a JSON value instead of bytes, the program writes it as JSON.
    pub body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_case_and_values_no_outer_white_space() {
        let headers = Headers::new([("X-Hub-Signature-256", " \tsha256=ab \t")]);
        assert_eq!(headers.one("x-hub-SIGNATURE-256"), Ok(Some("sha256=ab")));
        assert_eq!(headers.one("x-hub-signature"), Ok(None));
        assert!(headers.has("X-HUB-signature-256") && !headers.has("x-hub-signature"));
    }

    #[test]
    fn only_blank_and_tab_are_trimmed() {
        let headers = Headers::new([("a", "\u{a0}1\u{a0}"), ("b", "1\n")]);
        assert_eq!(headers.one("a"), Ok(Some("\u{a0}1\u{a0}")));
        assert_eq!(headers.one("b"), Ok(Some("1\n")));
    }

    #[test]
    fn a_repetition_counts_once_and_a_contradiction_is_refused() {
        let same = Headers::new([
            ("webhook-id", "a"),
            ("Webhook-Id", "a "),
            ("WEBHOOK-ID", "a"),
        ]);
        assert_eq!(same.one("webhook-id"), Ok(Some("a")));
        for second in ["b", "", "A"] {
            let twice = Headers::new([("webhook-id", "a"), ("Webhook-Id", second)]);
            assert_eq!(
                twice.one("webhook-id"),
                Err(DuplicateHeader("webhook-id".into())),
                "{second:?}"
            );
        }
    }
}
