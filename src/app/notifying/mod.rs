//! Notifies tickets of outcomes: finds the notifications that the journal owes, sends their
//! messages, and records the result of each attempt.

mod attempt_in_turn;
mod deliver_notifications;
mod failure;
mod in_order;
mod outbox;
mod reported;
mod retry_notifications;
mod send_notification;
mod target;
mod task_token;

pub(super) use failure::Failures;
pub(super) use outbox::Outbox;
pub(super) use target::{Target, probe};
