//! Which requests and grants a list contains. In: a filter, and a request or grant. Out: whether it
//! is in the list.

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
    /// Its name in entries.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account(account) => account.as_str(),
            Self::Lighthouse => LIGHTHOUSE,
        }
    }
}

/// What requests and grants have in common. Empty: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Of this source.
    pub source: Option<SourceName>,
    /// Of this image, or of a chain with this blueprint.
    pub image: Option<ImageRef>,
    /// With this receiver.
    pub receiver: Option<ReceiverFilter>,
    /// Of this ticket.
    pub ticket: Option<String>,
}

impl Subject {
    fn takes(
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

/// Which requests a list contains. Empty: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// What they are about.
    pub subject: Subject,
    /// Approved at this instant or later.
    pub since: Option<Timestamp>,
    /// In one of these states; empty: in any.
    pub states: Vec<RequestState>,
}

impl RequestFilter {
    /// Whether the list contains this request.
    pub(super) fn takes(&self, state: &State) -> bool {
        let request = state.request();
        let (source, ticket) = (&state.identity().source, request.ticket.as_deref());
        let of_image =
            |image: &ImageRef| *image == request.target.image() || *image == state.subject();
        let items = request.target.items();
        let receives = |to: &str| items.iter().any(|item| receiver(item) == to);
        self.since.is_none_or(|since| since <= state.approved_at())
            && (self.states.is_empty() || self.states.contains(&RequestState::of(state)))
            && (self.subject).takes(source.as_str(), of_image, receives, ticket)
    }
}

/// Which grants a list contains. Empty: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantFilter {
    /// What they are about.
    pub subject: Subject,
    /// Given at this instant or later.
    pub since: Option<Timestamp>,
    /// In one of these states; empty: in any.
    pub states: Vec<Standing>,
}

impl GrantFilter {
    /// Whether the list contains this line.
    pub fn takes(&self, entry: &GrantEntry) -> bool {
        let source = entry.request.split_once('/').map_or("", |(name, _)| name);
        let of_image = |image: &ImageRef| entry.is_of(image.as_str());
        self.since.is_none_or(|since| since <= entry.since)
            && (self.states.is_empty() || self.states.contains(&entry.state))
            && (self.subject).takes(source, of_image, |to| to == entry.to, Some(&entry.ticket))
    }
}
