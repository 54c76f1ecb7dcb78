//! Describes how a system lists its finished instances. The program searches the list for instances
//! whose event never arrived.

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
    /// How far back the list is read. A reading covers the instances that began up to this long
    /// before the last complete reading, but at most 30 days before now.
    pub begun_within: SignedDuration,
    /// Whether the list shows when an instance ended.
    pub shows_end: bool,
    /// The results for which the list can be queried, each with the system's word for that status.
    /// Each entry needs a separate query.
    pub says: &'static [(Said, &'static str)],
    /// Makes the call that requests a page.
    pub page: fn(&Query<'_>) -> ApiCall,
    /// Reads a page from the answer. The page may contain instances that did not end as the query
    /// says. They do no harm, because only the fetched instance decides.
    pub read: fn(&Value) -> Page,
    /// Makes an event about a listed instance, as the system would have sent it. The event contains
    /// only the fields from which a [`Named`] is read.
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
    /// Where the page begins: the [`Page::next`] of the previous page, or `None` for the first
    /// page.
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
    pub(super) fn without_end(code: &str) -> Self {
        Self {
            instance: code.to_owned(),
            ended: None,
        }
    }
}
