//! The kinds of difference between the cloud's shares and the journal, and what they mean. This
//! file only describes the differences. It does not look for them.

use serde::{Deserialize, Serialize};

use super::spelled::spelled;

spelled! {
    /// How the cloud and the journal differ for one receiver of an image.
    #[derive(PartialOrd, Ord)]
    Difference {
        /// The cloud shares the image, but no request for it names the receiver.
        Unknown = "unknown",
        /// The journal has a grant in effect, but the cloud does not share the image.
        Missing = "missing",
        /// The cloud shares the image although no grant is in effect. Requests for the image name
        /// the receiver, but none of them granted the share, or the grant has ended.
        Extra = "extra",
        /// The cloud still shares the image although the share has expired or its approval was
        /// withdrawn. No sweep has revoked the share yet.
        Overdue = "overdue",
    }
}

impl Difference {
    /// Returns an explanation of the difference for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unknown => "shared, but no request names this receiver",
            Self::Missing => "granted, but no longer shared",
            Self::Extra => "shared, but no request granted it, or the grant has ended",
            Self::Overdue => "still shared, although it has expired or its approval was withdrawn",
        }
    }

    /// Returns what an operator can do about the difference.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unknown => {
                "`drift --adopt` keeps it under a ticket; `drift --revoke-unknown` ends it"
            }
            Self::Missing => "`revoke` ends the grant; a new ticket shares the image again",
            Self::Extra => "`drift --adopt` keeps it under a ticket; a cancel request ends it",
            Self::Overdue => {
                "`sweep` revokes it, or says why it cannot; correct the cause and sweep again"
            }
        }
    }
}

/// One receiver for which the cloud and the journal differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Drifted {
    /// The image.
    pub image: String,
    /// The region of the image.
    pub region: String,
    /// The receiver: an account or Lighthouse.
    pub to: String,
    /// The kind of difference.
    pub difference: Difference,
}
