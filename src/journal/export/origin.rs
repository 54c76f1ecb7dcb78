//! Where exported records come from. Made by the caller, printed by `ocsf`.

/// Where the images are, as far as the records do not say it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `intl` or `cn`.
    pub site: String,
    /// The version of this program.
    pub version: String,
}
