//! How operations on the store end, for an observer that counts.

use std::sync::Arc;

use object_store::Error;

use crate::domain::spelled;

spelled! {
    /// How an operation on the store ended.
    StoreResult {
        /// As asked.
        Done = "done",
        /// The file to create exists already.
        Exists = "exists",
        /// The file to read or delete does not exist.
        Absent = "absent",
        /// The store refused it, or cannot be reached.
        Failed = "failed",
        /// No answer within the time limit.
        TimedOut = "timed_out",
    }
}

impl StoreResult {
    /// Reads the end of an operation; `None` after its time limit.
    pub(super) fn of<T>(end: Option<&Result<T, Error>>) -> Self {
        match end {
            None => Self::TimedOut,
            Some(Ok(_)) => Self::Done,
            Some(Err(Error::AlreadyExists { .. } | Error::Precondition { .. })) => Self::Exists,
            Some(Err(Error::NotFound { .. })) => Self::Absent,
            Some(Err(_)) => Self::Failed,
        }
    }
}

/// The operations, as errors and metrics name them.
pub const OPERATIONS: [&str; 5] = ["create", "write", "read", "list", "delete"];

/// Receives the name of each operation and its end.
pub(super) type Observer = Arc<dyn Fn(&'static str, StoreResult) + Send + Sync>;
