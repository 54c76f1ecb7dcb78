//! Everything for observers of the process: `/metrics`, readiness, and the export to a collector.

mod export;
mod fresh;
mod index_counts;
mod metrics;
mod reader_token;

pub(crate) use metrics::MetricsReply;

pub(super) use fresh::Fresh;
pub(super) use index_counts::Counted;
pub(super) use reader_token::presents;
