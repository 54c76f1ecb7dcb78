//! The calls of a plan to the cloud. In: an approved request, a plan. Out: what was observed; a result for
//! each item. Concurrent calls for the same image become one.

mod coalesce;
pub(super) mod execute;
pub(super) mod observe;
mod sharing_calls;

pub(super) use coalesce::Queues;
