//! A filter of a list, as several actions take it.

use serde::Serialize;

/// A filter of a list: an entry passes when it has one of the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filter {
    /// `image-id`, `image-name`, `image-type` here; other lists have others.
    pub name: String,
    /// Alternatives.
    pub values: Vec<String>,
}
