//! The nine API actions, one file each: constants, request, answer, and checks of the published
//! limits. In: typed arguments. Out: the JSON to send, and the parsed answer. Knows no HTTP and no
//! clock.

mod action;
pub mod cancel_share_blueprint_across_accounts;
pub mod cvm_modify_image_share_permission;
pub mod describe_blueprints;
pub mod describe_blueprints_share_across_account_infos;
pub mod describe_image_share_permission;
pub mod describe_images;
pub mod describe_images_to_share;
mod filter;
pub mod lighthouse_modify_image_share_permission;
mod limits;
mod paging;
pub mod share_blueprint_across_accounts;

pub use action::{Action, Api, Permission, Purpose, Service};
pub use filter::Filter;
pub use limits::Limit;
pub use paging::{MAX_PAGES, PAGE_LIMIT, Page, Paged, Pager, PagingError};

/// Every action, for tables and tests.
pub const ALL: [Api; 9] = [
    share_blueprint_across_accounts::API,
    cancel_share_blueprint_across_accounts::API,
    lighthouse_modify_image_share_permission::API,
    cvm_modify_image_share_permission::API,
    describe_images_to_share::API,
    describe_blueprints_share_across_account_infos::API,
    describe_image_share_permission::API,
    describe_blueprints::API,
    describe_images::API,
];
