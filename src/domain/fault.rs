//! Whose fault a failure is, which decides whether a request is retried. `docs/cloud-calls.md` has the table.

use super::spelled::spelled;

spelled! {
    /// Who has to act before the same request can succeed.
    Fault {
        /// Nobody: the cloud or the network recovers. The request is retried.
        Cloud = "cloud",
        /// The operator of this service: its key, role, clock or network. The request is retried.
        Operator = "operator",
        /// Whoever wrote the ticket, or owns the image. The request fails at once.
        Request = "request",
    }
}
