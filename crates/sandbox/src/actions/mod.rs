//! What each API action does: a call's parameters and one region's stock come in, the answer's
//! fields or a refusal go out. Pure, a file per action; authentication, rates and the wire are none
//! of its business.

mod context;
mod service;
mod table;

mod blueprint_shares;
mod blueprints;
mod cancel_blueprint;
mod image_shares;
mod images;
mod images_to_share;
mod publish_image;
mod share_blueprint;
mod share_image;

mod custom_blueprint;
mod paging;
mod shareable;
mod sharing;
#[cfg(test)]
mod testing;

pub(super) use context::{ActionContext, Answer};
pub(super) use service::Service;
pub(super) use table::Action;
