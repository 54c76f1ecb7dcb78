//! How many spans of this process no collector took. The export counts them; a metric shows them.

use std::sync::atomic::AtomicU64;

/// Spans that found no room or were refused.
pub(super) static LOST_SPANS: AtomicU64 = AtomicU64::new(0);
