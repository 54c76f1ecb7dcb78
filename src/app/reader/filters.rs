//! Which requests and grants a list contains. In: a filter, and a request or grant. Out: whether it
//! is in the list.

use crate::app::grants::LIGHTHOUSE;
use crate::domain::{AccountId, ImageRef, Item, SourceName, Timestamp};
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

    fn is(&self, item: &Item) -> bool {
        match (self, item) {
            (Self::Account(wanted), Item::Account(account)) => wanted == account,
            (Self::Lighthouse, Item::Lighthouse(_)) => true,
            _ => false,
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
        let Subject {
            source,
            image,
            receiver,
            ticket,
        } = &self.subject;
        let request = state.request();
        let of_image =
            |image: &ImageRef| *image == request.target.image() || *image == state.subject();
        let receives =
            |wanted: &ReceiverFilter| request.target.items().iter().any(|item| wanted.is(item));
        self.since.is_none_or(|since| since <= state.approved_at())
            && (self.states.is_empty() || self.states.contains(&RequestState::of(state)))
            && source
                .as_ref()
                .is_none_or(|source| *source == state.identity().source)
            && image.as_ref().is_none_or(of_image)
            && receiver.as_ref().is_none_or(receives)
            && (ticket.is_none() || *ticket == request.ticket)
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
        let Subject {
            source,
            image,
            receiver,
            ticket,
        } = &self.subject;
        let of_source = |source: &SourceName| {
            let named = entry.request.split_once('/');
            named.is_some_and(|(name, _)| name == source.as_str())
        };
        self.since.is_none_or(|since| since <= entry.since)
            && (self.states.is_empty() || self.states.contains(&entry.state))
            && source.as_ref().is_none_or(of_source)
            && image
                .as_ref()
                .is_none_or(|image| entry.is_of(image.as_str()))
            && receiver
                .as_ref()
                .is_none_or(|wanted| wanted.as_str() == entry.to)
            && ticket.as_ref().is_none_or(|ticket| *ticket == entry.ticket)
    }
}
