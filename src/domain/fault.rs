//! Who must act on a failure. This decides whether a request is retried. `docs/cloud-calls.md` has
//! the table.

use super::spelled::spelled;

spelled! {
    /// Who must act before the same request can succeed.
    Fault {
        /// No one, because the cloud or the network recovers. The request is retried.
        Cloud = "cloud",
        /// The operator of this service, who must correct a key, role, clock or network. The
        /// request is retried.
        Operator = "operator",
        /// The author of the ticket, or the owner of the image. The request fails at once.
        Request = "request",
    }
}
