//! What observers read: `/metrics`, readiness, and what is exported to a collector.

mod export;
mod index_counts;
mod metrics;
mod reader_token;
mod readiness;

pub use metrics::MetricsReply;

pub(super) use index_counts::IndexCounts;
pub(super) use reader_token::presents;
pub(super) use readiness::Readiness;
