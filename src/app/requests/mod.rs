//! A request from its first record to its close: it is opened, claimed, worked on, called off,
//! resumed or reopened. Takes a decided request or the state of a recorded one; writes its records
//! and returns the answer.

mod awaited_workers;
mod backlog;
mod call_off;
mod cancelled_items;
mod claim_writer;
mod defer;
mod doubts;
mod dry_run;
mod failed_items;
mod first_look;
mod interrupted;
mod name_blueprint;
mod not_adopted;
mod on_record;
mod opening;
mod out_of_time;
mod permission;
mod place_in_order;
mod published;
mod refused_chain;
mod renewal;
mod resume;
mod retry;
mod slots;
mod stop;
mod thorough;
mod turn;
mod withdrawn_cancel;

pub use retry::{Operator, Retried, RetryError};
pub(crate) use slots::Backlog;

pub(super) use claim_writer::ClaimWriter;
pub(super) use defer::OUT_OF_TIME_PAUSE;
pub(super) use failed_items::{Failure, doubled};
pub(super) use first_look::FirstLook;
pub(super) use on_record::OnRecord;
pub(super) use permission::Permission;
pub(super) use published::Published;
pub(super) use slots::Slots;
pub(super) use stop::Stop;
