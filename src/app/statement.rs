//! What an operator states with a request, through a command. A delivery cannot carry a statement.

/// What an operator states with the requests of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    None,
    /// `drift --adopt`: the requests adopt shares that exist already, which then expire with them.
    Adopts,
    /// `revoke --gone`: an image that the cloud does not show is deleted.
    Gone,
}
