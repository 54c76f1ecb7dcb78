//! Renders notifications of a recorded outcome. Takes a stream's state and a target; returns
//! messages for the target's API, the schedule of attempts, and the meaning of an answer. Pure:
//! `app` sends the messages.

mod address;
mod auth;
mod bot;
mod event;
mod message;
mod preset;
mod schedule;
mod sigv4;
mod template;

pub(crate) use address::{Address, PathError};
pub(crate) use auth::Auth;
pub(crate) use bot::{Bot, BotKind};
pub(crate) use event::{Extras, marker, notification_event, webhook_id};
pub(crate) use message::Message;
pub(crate) use preset::{AuthNeed, Preset, Refused, UserNeed};
pub(crate) use schedule::{next_attempt, retry_after};
pub(crate) use sigv4::AwsKey;
pub(crate) use template::Template;
