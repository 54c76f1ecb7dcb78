//! What an operator states beside a request, through a command: a value, which no delivery can bring.

/// What an operator states with the requests of a command; a sender cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    None,
    /// They take over shares that they find already made, which then end with them (`drift --adopt`).
    Adopts,
    /// An image that the cloud does not have is deleted (`revoke --gone`).
    Gone,
}
