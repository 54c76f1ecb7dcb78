//! The filter that several list actions accept.

use serde::Serialize;

/// A filter: matches entries that have one of the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filter {
    /// `image-id`, `image-name`, `image-type` here; other lists have others.
    pub name: String,
    /// The values, of which an entry must have one.
    pub values: Vec<String>,
}
