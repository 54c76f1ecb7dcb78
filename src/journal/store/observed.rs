//! The results of operations on the store, for an observer that counts them.

use std::sync::Arc;

use object_store::Error;

use crate::domain::spelled;

spelled! {
    /// How an operation on the store ended.
    StoreResult {
        /// The operation succeeded.
        Done = "done",
        /// The file to create exists already.
        Exists = "exists",
        /// The file to read or delete does not exist.
        Absent = "absent",
        /// The store refused the operation or could not be reached.
        Failed = "failed",
        /// The store did not answer within the time limit.
        TimedOut = "timed_out",
    }
}

impl StoreResult {
    /// Classifies the result of an operation. `end` is `None` if the time limit passed.
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

/// The names of the operations in errors and metrics.
pub const OPERATIONS: [&str; 5] = ["create", "write", "read", "list", "delete"];

/// Receives the name and the result of each operation.
pub(super) type Observer = Arc<dyn Fn(&'static str, StoreResult) + Send + Sync>;
