//! Who must act on a failure. [`Fault`] decides whether a request is retried.
//! `docs/cloud-calls.md` lists the codes and their faults.

use super::spelled::spelled;

spelled! {
    /// Who must act before the same request can succeed.
    Fault {
        /// No one: the cloud or the network recovers by itself. The request is retried.
        Cloud = "cloud",
        /// The operator of this service, who must correct a key, role, clock or network. The
        /// request is retried.
        Operator = "operator",
        /// The author of the ticket, or the owner of the image. The request fails at once.
        Request = "request",
    }
}
