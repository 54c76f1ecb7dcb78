//! Approval systems: events that only name an instance. In: an announcement or a list of instances. Out: the
//! fetched instance, handled like any delivery; what a withdrawn one gave is taken back.

mod announcements;
mod fetcher;
mod instances;
mod known_listed;
mod reconciliation;
mod withdrawals;

pub(super) use fetcher::{Fetcher, TicketFetcher};
pub(super) use instances::Instances;
pub(super) use known_listed::KnownListed;
