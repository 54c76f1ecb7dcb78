//! Whether a request shares or cancels.

use super::spelled::spelled;

spelled! {
    /// The action that a request asks for.
    Action {
        /// Make the image available to the receivers.
        Share = "share",
        /// Take the image away from the receivers.
        Cancel = "cancel",
    }
}
