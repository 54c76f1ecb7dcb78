//! Why the work of a turn or of an attempt to revoke must stop. In: the error of writing a record.
//! Out: what the caller does next.

use crate::journal::{AppendError, JournalError};

/// Why a turn's work must stop.
#[derive(Debug)]
pub(in crate::app) enum Stop {
    /// Another worker has taken over. The journal has its progress.
    Lost,
    /// A later cancel or a withdrawal called off items of the request: decide and plan again.
    CalledOff,
    /// The blueprint of a chain was recorded: read the other requests for it, and plan again.
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
