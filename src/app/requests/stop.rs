//! The reasons to stop the work of a turn or of an attempt to revoke. Created from the error of
//! writing a record; tells the caller what to do next.

use crate::journal::{AppendError, JournalError};

#[derive(Debug)]
pub(in crate::app) enum Stop {
    /// Another worker has taken over, and the journal contains its progress.
    Lost,
    /// A later cancel or a withdrawal called off items of the request. Decide and plan again.
    CalledOff,
    /// The blueprint of a chain was recorded. Read the other requests for that blueprint, and plan
    /// again.
    BlueprintNamed,
    /// The journal cannot be read or written, so no further call may be made.
    Journal(JournalError),
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Lost => Self::Lost,
            AppendError::CalledOff => Self::CalledOff,
            AppendError::Store(error) => Self::Journal(error),
        }
    }
}
