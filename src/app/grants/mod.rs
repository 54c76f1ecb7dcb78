//! Grants: which receivers still have an image, which shares are overdue, and how shares are
//! revoked.

mod cancels;
mod cover;
mod end_revocation;
mod overdue;
mod ownership;
mod review;
mod revoke;
mod revoke_now;

pub(crate) use review::ReviewEntry;
pub use review::review;
pub use revoke_now::{RevokeNowError, RevokedNow};

pub(super) use cover::{being_given, given_before, given_for_longer, held_items, serving};
pub(super) use overdue::{LIGHTHOUSE, Overdue, Unfinished, receiver};
pub(super) use ownership::{Ownership, image_missing, unpublished};
