//! The origin of exported records. In: values from the caller. `ocsf` prints them.

/// The cloud of the images, which the records do not name.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `intl` or `cn`; `None` if only the journal is known.
    pub site: Option<String>,
    /// The version of this program.
    pub version: String,
}
