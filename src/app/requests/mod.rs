//! A request from its first record to its close: opened, claimed, worked on, called off, resumed or
//! reopened.
//! In: a decided request or its state. Out: its records and the answer.

mod awaited_workers;
mod backlog;
mod call_off;
mod cancelled_items;
mod claim_writer;
mod doubts;
mod dry_run;
mod failed_items;
mod first_look;
mod interrupted;
mod name_blueprint;
mod not_adopted;
mod on_record;
mod opening;
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

pub(super) use claim_writer::{ClaimWriter, OUT_OF_TIME_PAUSE};
pub(super) use failed_items::{Failure, doubled};
pub(super) use first_look::FirstLook;
pub(super) use on_record::OnRecord;
pub(super) use permission::Permission;
pub(super) use published::Published;
pub(super) use slots::Slots;
pub(super) use stop::Stop;
