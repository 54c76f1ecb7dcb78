//! Reads the cloud and makes the calls of a plan. In: a request or a plan. Out: an observation, or
//! a result for each item. Merges concurrent calls for the same image.

mod coalesce;
pub(super) mod execute;
pub(super) mod lighthouse_stage;
pub(super) mod observe;
mod sharing_calls;

pub(super) use coalesce::Queues;
