//! Describes the list of finished instances, in which the program finds those that no event
//! announced.

use jiff::SignedDuration;
use serde_json::Value;

use super::api::ApiCall;
use super::instance::{Named, Said};
use crate::domain::Timestamp;

/// How a system lists its finished instances.
#[derive(Debug)]
pub struct Listing {
    /// The shortest time between two readings of the list.
    pub every: SignedDuration,
    /// How far back the list is read: to instances that began this long before the last complete
    /// reading, but not more than 30 days before now.
    pub begun_within: SignedDuration,
    /// The results that the list can be queried for: the program's word for a result, and the
    /// system's status to query for. Each entry needs a separate query.
    pub says: &'static [(Said, &'static str)],
    /// Makes the call that requests a page.
    pub page: fn(&Query<'_>) -> ApiCall,
    /// Reads a page from the answer. May name instances that did not end as the query says: only
    /// the fetched instance decides.
    pub read: fn(&Value) -> Page,
    /// Makes an event about a listed instance as the system would have sent it. It has only the
    /// fields that [`Named`] is read from.
    pub event: fn(&Named) -> Value,
}

/// The parameters of one query of the list.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The code of the definition.
    pub definition: &'a str,
    /// The status of the instances.
    pub status: &'static str,
    /// The earliest time at which the instances began.
    pub from: Timestamp,
    /// The latest time at which the instances began.
    pub to: Timestamp,
    /// Where the page begins: the [`Page::next`] of the page before; `None` for the first page.
    pub cursor: Option<&'a str>,
}

/// A page of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The instances on the page.
    pub instances: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// An instance in the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// The code of the instance.
    pub instance: String,
    /// When the instance ended, if the list says so.
    pub ended: Option<Timestamp>,
}

impl Listed {
    /// Makes an entry for a list that contains only codes.
    pub(super) fn without_end(code: &str) -> Self {
        Self {
            instance: code.to_owned(),
            ended: None,
        }
    }
}
