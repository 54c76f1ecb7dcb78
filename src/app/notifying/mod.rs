//! Notifies tickets of outcomes. In: what the journal owes. Out: messages, and a record of each delivery.

mod deliver_notifications;
mod outbox;
mod send_notification;
mod target;

pub(super) use deliver_notifications::Failures;
pub(super) use outbox::Outbox;
pub(super) use target::{Target, answers};
