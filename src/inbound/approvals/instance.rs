//! Describes what an event says about an instance, and what the fetched instance itself says. The
//! event decides only what to fetch. The form and the people who approved are read from the
//! instance.

use serde_json::Value;

use crate::domain::{shown, spelled};

spelled! {
    /// What became of an instance, according to an event. The id of an approval system's
    /// announcement ends with this word.
    Said {
        /// The instance was approved.
        Approved = "approved",
        /// The instance was withdrawn. In DingTalk, this can happen without an earlier approval.
        Withdrawn = "withdrawn",
    }
}

/// The instance that an event names, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The code of the instance's definition; empty for a ticket.
    pub definition: String,
    /// The code of the instance.
    pub instance: String,
    /// What became of the instance, according to the event; always `Approved` for a ticket.
    pub said: Said,
}

impl Named {
    /// Returns the id of the announcement for an event of an approval system. Repeated events about
    /// the same change have the same id.
    pub fn id(&self) -> String {
        format!("{}/{}", self.instance, self.said)
    }

    /// Returns the first of the two fields in which the fetched instance differs from this one, as
    /// a text for people. An event or a list named this one.
    pub(super) fn differs(&self, fetched: &Value, code: &str, definition: &str) -> Option<String> {
        let wanted = [(code, &self.instance), (definition, &self.definition)];
        wanted.into_iter().find_map(|(field, wanted)| {
            let found = fetched.get(field).and_then(Value::as_str);
            (found != Some(wanted.as_str())).then(|| {
                let (found, wanted) = (shown(found.unwrap_or_default()), shown(wanted));
                format!("{field} of the fetched instance is {found}, not {wanted}")
            })
        })
    }

    /// Returns the instance with another `said`.
    #[must_use]
    pub fn saying(&self, said: Said) -> Self {
        Self {
            said,
            ..self.clone()
        }
    }
}

/// Takes the id of the announcement of an approval, and returns the id of the announcement that
/// withdraws this approval. Returns `None` if `id` does not announce an approval.
pub fn withdrawal_of(id: &str) -> Option<String> {
    let (instance, said) = id.rsplit_once('/')?;
    let approved = said == Said::Approved.as_str();
    approved.then(|| format!("{instance}/{}", Said::Withdrawn.as_str()))
}

/// The state of a fetched instance. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// Approved. The value is the instance as a map reads it.
    Approved(Value),
    /// Withdrawn. In DingTalk, this can happen without an earlier approval.
    Withdrawn,
    /// Approved, and the purpose of the instance is to withdraw another one. Contains the code of
    /// the other instance.
    Withdraws(String),
    /// Not final yet, or the answer is not the requested ticket. The instance is fetched again
    /// later. The text says why.
    Pending(String),
    /// Any other state, such as a rejected instance or an instance of another definition. The
    /// instance is not fetched again. The text says why.
    Other(String),
}

/// Whether `text` can be the code of a definition or an instance. Such a code is safe in a path or
/// a query.
pub fn is_code(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}
