//! Filters that decide which requests and grants a list contains.

use crate::app::grants::{LIGHTHOUSE, receiver};
use crate::domain::{AccountId, ImageRef, SourceName, Timestamp};
use crate::journal::{Standing, State};

use super::entries::{GrantEntry, RequestState};

/// A receiver of an image, as a filter names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverFilter {
    /// An account.
    Account(AccountId),
    /// Lighthouse.
    Lighthouse,
}

impl ReceiverFilter {
    /// Returns the receiver in the form that the entries of lists use.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account(account) => account.as_str(),
            Self::Lighthouse => LIGHTHOUSE,
        }
    }
}

/// The conditions that filters of requests and filters of grants have in common. Without
/// conditions, every request or grant matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectFilter {
    /// Only requests and grants of this source.
    pub source: Option<SourceName>,
    /// Only requests and grants of this image, or of a chain that created this blueprint.
    pub image: Option<ImageRef>,
    /// Only requests and grants with this receiver.
    pub receiver: Option<ReceiverFilter>,
    /// Only requests and grants of this ticket.
    pub ticket: Option<String>,
}

impl SubjectFilter {
    /// Matches requests and grants of `source`. If it is `None`, those of any source match.
    pub fn of_source(source: Option<SourceName>) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    fn matches(
        &self,
        source: &str,
        is_of: impl Fn(&ImageRef) -> bool,
        receives: impl Fn(&str) -> bool,
        ticket: Option<&str>,
    ) -> bool {
        let Self {
            source: wanted,
            image,
            receiver,
            ticket: of_ticket,
        } = self;
        wanted.as_ref().is_none_or(|name| name.as_str() == source)
            && image.as_ref().is_none_or(is_of)
            && receiver.as_ref().is_none_or(|to| receives(to.as_str()))
            && of_ticket.as_deref().is_none_or(|of| ticket == Some(of))
    }
}

/// Which requests a list contains. Without conditions, it contains all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// The source, image, receiver and ticket of the requests.
    pub subject: SubjectFilter,
    /// Only requests that were approved at this instant or later.
    pub since: Option<Timestamp>,
    /// Only requests in one of these states. If empty, requests in any state match.
    pub states: Vec<RequestState>,
}

impl RequestFilter {
    /// Whether the list contains this request.
    pub(super) fn matches(&self, state: &State) -> bool {
        let request = state.request();
        let (source, ticket) = (&state.identity().source, request.ticket.as_deref());
        let of_image =
            |image: &ImageRef| *image == request.target.image() || *image == state.subject();
        let items = request.target.items();
        let receives = |to: &str| items.iter().any(|item| receiver(item) == to);
        let is_in = |wanted: &RequestState| wanted.lists(RequestState::of(state));
        self.since.is_none_or(|since| since <= state.approved_at())
            && (self.states.is_empty() || self.states.iter().any(is_in))
            && (self.subject).matches(source.as_str(), of_image, receives, ticket)
    }
}

/// Which grants a list contains. Without conditions, it contains all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFilter {
    /// The source, image, receiver and ticket of the grants.
    pub subject: SubjectFilter,
    /// Only grants that began at this instant or later.
    pub since: Option<Timestamp>,
    /// Only grants in one of these states. If empty, grants in any state match.
    pub states: Vec<Standing>,
}

impl GrantFilter {
    /// Whether the list contains this entry.
    pub fn matches(&self, entry: &GrantEntry) -> bool {
        let source = entry.request.split_once('/').map_or("", |(name, _)| name);
        let of_image = |image: &ImageRef| entry.is_of(image.as_str());
        self.since.is_none_or(|since| since <= entry.since)
            && (self.states.is_empty() || self.states.contains(&entry.state))
            && (self.subject).matches(source, of_image, |to| to == entry.to, Some(&entry.ticket))
    }
}
