//! Approval systems: events that only name an instance. In: an announcement or a list of instances. Fetches the
//! instance and handles it like a delivery. When an approval is withdrawn, takes back what it gave.

mod announcements;
mod fetcher;
mod instances;
mod known_listed;
mod reconciliation;
mod withdrawals;

pub(super) use fetcher::{Fetcher, TicketFetcher};
pub(super) use instances::Instances;
pub(super) use known_listed::KnownListed;
