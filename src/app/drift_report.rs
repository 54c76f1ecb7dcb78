//! The result of a comparison of the cloud with the journal.

use serde::Serialize;

use super::Answer;

/// How the cloud and the journal differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Shared, but no request in the journal names it.
    Unknown,
    /// A grant is active, but the cloud does not share it.
    Missing,
    /// Shared, although its grant has ended.
    Extra,
    /// Shared, although the share has expired: no sweep has revoked it yet.
    Overdue,
}

impl Difference {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Overdue => "overdue",
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unknown => "shared, but no request gave it",
            Self::Missing => "given, but not shared any more",
            Self::Extra => "shared, although its grant has ended",
            Self::Overdue => "its end has come; `sharehook sweep` says why it is still shared",
        }
    }
}

/// One receiver for which the cloud and the journal differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Drifted {
    /// The image.
    pub image: String,
    /// Its region.
    pub region: String,
    /// An account, or Lighthouse.
    pub to: String,
    /// The kind of difference.
    pub difference: Difference,
}

/// An image whose shares could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The image.
    pub image: String,
    /// Its region.
    pub region: String,
    /// The reason.
    pub why: String,
    /// True when the site has no API for it, which is not a failure.
    pub no_read_api: bool,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DriftReport {
    /// How many images were compared.
    pub compared: usize,
    /// The differences, by image, region and receiver.
    pub differences: Vec<Drifted>,
    /// The images that could not be compared.
    pub unread: Vec<Unread>,
    /// Journal streams that could not be read, each with its reason.
    pub flaws: Vec<String>,
    /// The answers to the requested cancels.
    pub cancels: Vec<Answer>,
}

impl DriftReport {
    /// Whether nothing differs and nothing failed, as far as the site's APIs show.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
            && self.flaws.is_empty()
            && self.unread.iter().all(|u| u.no_read_api)
    }
}
