//! Reads the cloud for a request, and makes the calls of a plan. A read returns an observation, and
//! the calls return a result for each item. Concurrent calls for the same image are merged.

mod coalesce;
pub(super) mod execute;
pub(super) mod lighthouse_stage;
pub(super) mod observe;
mod sharing_calls;

pub(super) use coalesce::Queues;
