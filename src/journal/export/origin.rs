//! The origin of exported records: values for the OCSF export that the caller knows but that the
//! records do not contain.

/// The cloud's site and the program that exports.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The cloud's site, `intl` or `cn`; `None` if only the journal is known.
    pub site: Option<String>,
    /// The version of this program.
    pub version: String,
}
