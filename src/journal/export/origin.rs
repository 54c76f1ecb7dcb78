//! The origin of exported records: values that the caller knows and the records do not contain.
//! `ocsf` prints them.

/// The cloud's site and the program that exports.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The cloud's site, `intl` or `cn`; `None` if only the journal is known.
    pub site: Option<String>,
    /// The version of this program.
    pub version: String,
}
