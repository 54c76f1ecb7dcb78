//! Reads the journal for people and programs. Takes a journal, a filter and the current time.
//! Returns the entries of lists, and explanations of single requests. Changes nothing.

mod entries;
mod explanation;
mod filters;
mod journal_reader;
mod listed;
mod newest;
mod no_retry;
mod overview;

pub(crate) use entries::{AnnouncementEntry, RejectionEntry};
pub use entries::{GrantEntry, NotificationEntry, NotificationStatus, RequestEntry, RequestState};
#[cfg(test)]
pub(crate) use explanation::{CallEntry, DeliveryFacts, Evidence};
pub(crate) use explanation::{CancelledEntry, DecisionEntry, Explanation};
pub use filters::{GrantFilter, ReceiverFilter, RequestFilter, SubjectFilter};
pub use journal_reader::JournalReader;
pub use listed::Listed;
pub(crate) use newest::{find_requests, find_requests_or_ticket};

pub(super) use newest::newest;
pub(super) use no_retry::why_no_retry;
pub(super) use overview::Overview;
