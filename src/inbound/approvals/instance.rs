//! Describes what an event says about an instance, and what the fetched instance itself says. The
//! event only says what to fetch: the form and the people who approved are read from the instance.

use serde_json::Value;

use crate::domain::spelled;

spelled! {
    /// What became of an instance, according to an event. The id of an approval system's
    /// announcement ends with this word.
    Said {
        /// The instance was approved.
        Approved = "approved",
        /// The instance was withdrawn. At DingTalk, it may not have been approved before.
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
    /// Returns the id under which an approval system's event is announced. Repeated events about
    /// one change get the same id.
    pub fn id(&self) -> String {
        format!("{}/{}", self.instance, self.said)
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

/// Returns the id of the announcement that withdraws the approval announced as `id`; `None` if `id`
/// announces no approval.
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
    /// Withdrawn. At DingTalk, it may not have been approved before.
    Withdrawn,
    /// Approved, and withdraws another instance: the one with this code.
    Withdraws(String),
    /// Not final yet, or the answer is not the requested ticket: fetched again later. The text says
    /// why.
    Pending(String),
    /// Anything else, which is not fetched again: a rejected instance, or one of another
    /// definition, among others. The text says why.
    Other(String),
}

/// Whether `text` can be the code of a definition or an instance. A code is safe in a path or a
/// query.
pub fn is_code(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}
