//! The result of a comparison of the cloud with the journal, for people and as JSON.

use std::fmt;

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

impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for drifted in &self.differences {
            let said = match drifted.difference {
                Difference::Unknown => "unknown: shared, but no request gave it",
                Difference::Missing => "missing: given, but not shared any more",
                Difference::Extra => "extra: shared, although its grant has ended",
                Difference::Overdue => {
                    "overdue: its end has come; `sweep` says why it still stands"
                }
            };
            writeln!(
                f,
                "{} in {}, {}: {said}",
                drifted.image, drifted.region, drifted.to
            )?;
        }
        for unread in &self.unread {
            writeln!(
                f,
                "{} in {}: not compared: {}",
                unread.image, unread.region, unread.why
            )?;
        }
        for answer in &self.cancels {
            let results = answer
                .results
                .iter()
                .map(|r| format!("{}: {:?}", r.item, r.kind));
            let refused = answer.refused.iter().map(ToString::to_string);
            let why: Vec<String> = results
                .chain(refused)
                .chain(answer.message.clone())
                .collect();
            writeln!(
                f,
                "cancel {}: {} ({})",
                answer.id,
                answer.status,
                why.join("; ")
            )?;
        }
        write!(
            f,
            "{} images compared, {} differences",
            self.compared,
            self.differences.len()
        )
    }
}
