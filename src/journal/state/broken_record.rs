//! The error for a record that cannot follow the ones before it.

/// Why a record cannot follow the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenRecord(String);

pub(super) fn broken<T>(why: impl Into<String>) -> Result<T, BrokenRecord> {
    Err(BrokenRecord(why.into()))
}
