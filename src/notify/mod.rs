//! Renders notifications of a recorded outcome. In: a request's state and a target. Out: messages
//! for that system's API, the schedule of attempts, and the meaning of an answer. Pure: `app` sends
//! the messages.

mod address;
mod auth;
mod bot;
mod event;
mod message;
mod preset;
mod schedule;
mod sigv4;
mod template;

pub use address::{Address, PathError};
pub use auth::Auth;
pub use bot::{Bot, BotKind};
pub use event::{Extras, marker, notification_event, webhook_id};
pub use message::{Find, Look, Message, Method};
pub use preset::{AuthNeed, Preset, Refused, UserNeed};
pub use schedule::{next_attempt, retry_after};
pub use sigv4::AwsKey;
pub use template::{Template, TemplateError};
