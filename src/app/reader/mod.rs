//! Reads the journal for people and programs. In: a journal, a filter, the present instant. Out: entries
//! of lists, and the story of one request. Changes nothing.

mod entries;
mod explanation;
mod filters;
mod journal_reader;
mod overview;

pub use entries::{
    AnnouncementEntry, GrantEntry, NotificationEntry, NotificationStatus, RejectionEntry,
    RequestEntry, RequestState,
};
pub use explanation::{CallEntry, DecisionEntry, DeliveryFacts, Evidence, Explanation};
pub use filters::{GrantFilter, ReceiverFilter, RequestFilter, Subject};
pub use journal_reader::{JournalReader, Listed, find_requests};

pub(super) use overview::Overview;
