//! The API actions, one file each. An action takes the parameters of a call and the images of one
//! region, and returns the fields of the answer or a refusal. The actions are pure: authentication,
//! rate limits and HTTP are handled elsewhere.

mod context;
mod service;
mod table;

mod blueprint_shares;
mod blueprints;
mod caller_identity;
mod cancel_blueprint;
mod image_shares;
mod images;
mod images_to_share;
mod publish_image;
mod share_blueprint;
mod share_image;

mod custom_blueprint;
mod list;
mod shareable;
mod sharing;
#[cfg(test)]
mod testing;

pub(super) use context::{ActionContext, Answer};
pub(super) use service::Service;
pub(super) use table::Action;
