//! Whether a request shares or cancels.

use serde::{Deserialize, Serialize};

/// Share or cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make the image available.
    Share,
    /// Stop making it available.
    Cancel,
}

impl Action {
    /// `share` or `cancel`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Cancel => "cancel",
        }
    }
}
