//! The names of calls that change sharing, for plans, records and logs: product, action, image.

use crate::domain::{Action, CvmImageId, ImageRef};

/// Returns the name of the call that shares an image with accounts, or cancels the shares.
pub fn account_call(image: &ImageRef, action: Action) -> String {
    match image {
        ImageRef::Blueprint(id) => blueprint_call(id.as_str(), action),
        ImageRef::Cvm(id) => format!("cvm {}", modify(id, action)),
    }
}

/// Returns the name of the call that puts a CVM image into Lighthouse, or takes it out.
pub fn publication_call(image: &CvmImageId, action: Action) -> String {
    format!("lighthouse {}", modify(image, action))
}

pub(super) fn blueprint_call(image: &str, action: Action) -> String {
    match action {
        Action::Share => format!("lighthouse ShareBlueprintAcrossAccounts {image}"),
        Action::Cancel => format!("lighthouse CancelShareBlueprintAcrossAccounts {image}"),
    }
}

/// Returns the name of a `ModifyImageSharePermission` call, without the product. CVM and Lighthouse
/// both have this action.
fn modify(image: &CvmImageId, action: Action) -> String {
    let permission = match action {
        Action::Share => "SHARE",
        Action::Cancel => "CANCEL",
    };
    format!("ModifyImageSharePermission {permission} {image}")
}
