//! The list of finished instances, from which the program finds those that no event announced.

use jiff::SignedDuration;
use serde_json::Value;

use super::api::ApiCall;
use super::instance::{Named, Said};
use crate::domain::Timestamp;

/// How a system lists its finished instances.
#[derive(Debug)]
pub struct Listing {
    /// The shortest time between two looks at the list.
    pub every: SignedDuration,
    /// How long ago a listed instance may have begun.
    pub begun_within: SignedDuration,
    /// What the list can say of an instance: in the program's words, and as the status that its call asks
    /// for. Each is a call of its own.
    pub says: &'static [(Said, &'static str)],
    /// Asks for a page.
    pub page: fn(&Query<'_>) -> ApiCall,
    /// Reads the answer. May name instances that did not end as the query says: the instance decides.
    pub read: fn(&Value) -> Page,
    /// An event as the system would have sent it about a listed instance, as far as [`Named`] goes.
    pub event: fn(&Named) -> Value,
}

/// The parameters of one query of the list.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The code of the definition.
    pub definition: &'a str,
    /// The status of the instances.
    pub status: &'static str,
    /// When the instances began.
    pub from: Timestamp,
    /// The end of that time.
    pub to: Timestamp,
    /// Where the page before ended.
    pub cursor: Option<&'a str>,
}

/// A page of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The instances.
    pub instances: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// An instance in the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its code.
    pub instance: String,
    /// When it ended, if the list says so.
    pub ended: Option<Timestamp>,
}

impl Listed {
    /// An entry of a list that has nothing but codes.
    pub(super) fn without_end(code: &str) -> Self {
        Self {
            instance: code.to_owned(),
            ended: None,
        }
    }
}
