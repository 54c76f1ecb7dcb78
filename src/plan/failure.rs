//! What a failed call means for the state of the cloud and for an item's result.

use crate::domain::{CloudError, ErrorClass, ResultKind};

/// Whether the cloud may have carried out a call that failed in this way.
pub(super) fn may_have_acted(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Ambiguous | ErrorClass::Transient)
}

/// Returns the result of an item whose call failed with `error`. `retryable` is true if a later
/// turn may try again.
pub(super) fn failure(error: &CloudError, retryable: bool) -> ResultKind {
    let message = match error.remedy.as_str() {
        "" => error.message.clone(),
        remedy => format!("{} — {remedy}", error.message),
    };
    ResultKind::Failed {
        code: error.code.clone(),
        message,
        retryable,
    }
}

/// Returns the error for a call that the cloud refuses because nothing is left to do, although the
/// cloud's list says the opposite.
pub(super) fn contradicted(error: CloudError) -> CloudError {
    CloudError {
        message: format!("{}; but the cloud's list says the opposite", error.message),
        remedy: "nothing to do: the program repeats the call later".to_owned(),
        ..error
    }
}
