//! Whether a request shares or cancels.

use super::spelled::spelled;

spelled! {
    /// Share or cancel.
    Action {
        /// Make the image available.
        Share = "share",
        /// Stop making it available.
        Cancel = "cancel",
    }
}
