//! The number of spans that this process lost, for the metric that shows it.

use std::sync::atomic::AtomicU64;

/// Spans that found no room in the queue, or that the collector refused.
pub(super) static LOST_SPANS: AtomicU64 = AtomicU64::new(0);
