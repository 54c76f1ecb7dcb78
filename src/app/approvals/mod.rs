//! Handles events that only name an instance of an approval system. Takes an announcement or a list
//! of instances, fetches each instance and handles it like a delivery. When an approval is
//! withdrawn, revokes what it gave.

mod announcements;
mod fetcher;
mod instances;
mod known_listed;
mod on_record;
mod open_requests;
mod reconciliation;
mod recording;
mod refetching;
mod withdrawals;

pub(super) use fetcher::{Fetcher, TicketFetcher};
pub(super) use instances::Instances;
pub(super) use known_listed::KnownListed;
