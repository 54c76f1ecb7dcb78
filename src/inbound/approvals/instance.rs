//! An instance: what an event says of it, and what the fetched instance itself says. The event is a hint:
//! the form and the people who approved come from the instance alone.

use serde_json::Value;

use crate::domain::spelled;

spelled! {
    /// What an event says that became of an instance. The id of the announcement ends with it.
    Said {
        /// It was approved.
        Approved = "approved",
        /// It was withdrawn after its approval.
        Withdrawn = "withdrawn",
    }
}

/// The instance that an event names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The code of its definition.
    pub definition: String,
    /// Its own code.
    pub instance: String,
    /// What became of it.
    pub said: Said,
}

impl Named {
    /// The id of the announcement: what became of which instance. Each becomes of it once, however many
    /// events say so.
    pub fn id(&self) -> String {
        format!("{}/{}", self.instance, self.said)
    }

    /// The same instance, as an event names it that says something else.
    #[must_use]
    pub fn saying(&self, said: Said) -> Self {
        Self {
            said,
            ..self.clone()
        }
    }
}

/// The id of the announcement that withdraws what the announcement of this id approves.
pub fn withdrawal_of(id: &str) -> Option<String> {
    let (instance, said) = id.rsplit_once('/')?;
    let approved = said == Said::Approved.as_str();
    approved.then(|| format!("{instance}/{}", Said::Withdrawn.as_str()))
}

/// What a fetched instance says. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// It is approved; this is what a map sees of it.
    Approved(Value),
    /// It was approved, and withdrawn later.
    Withdrawn,
    /// It is approved, and withdraws the instance of this code.
    Withdraws(String),
    /// It is not final yet, so a later look may find it so.
    Pending(String),
    /// It gives nothing, and no later look can change that.
    Other(String),
}

/// The code of a definition or an instance, which is safe in a path or a query.
pub fn is_code(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}
