//! The nine API actions. Each has its own file, except that `ShareBlueprintAcrossAccounts` and
//! `CancelShareBlueprintAcrossAccounts` share one. Each file has the request, the answer, and
//! checks of the limits that the request could exceed. Takes typed arguments; returns the JSON to
//! send, and the parsed answer. Sends nothing and reads no clock.

mod action;
pub mod cvm_modify_image_share_permission;
pub mod describe_blueprints;
pub mod describe_blueprints_share_across_account_infos;
pub mod describe_image_share_permission;
pub mod describe_images;
pub mod describe_images_to_share;
pub mod lighthouse_modify_image_share_permission;
mod limits;
mod paging;
pub mod share_blueprint_across_accounts;

pub use action::{Action, Api, NoFields, Purpose, Service};
pub use limits::{Filter, Limit};
pub use paging::{Page, Pager, Paging, PagingError, Query};
