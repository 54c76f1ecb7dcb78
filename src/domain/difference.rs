//! How the cloud's shares and the journal differ. Values only.

use serde::{Deserialize, Serialize};

use super::spelled::spelled;

spelled! {
    /// The kind of a difference.
    #[derive(PartialOrd, Ord)]
    Difference {
        /// Shared, but no request in the journal names it.
        Unknown = "unknown",
        /// A grant is active, but the cloud does not share it.
        Missing = "missing",
        /// Shared, although no grant gives it, or its grant has ended.
        Extra = "extra",
        /// Shared, although the share has expired: no sweep has revoked it yet.
        Overdue = "overdue",
    }
}

impl Difference {
    /// What it means, for human readers.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unknown => "shared, and no request names it",
            Self::Missing => "given, and not shared any more",
            Self::Extra => "shared, and no request gave it, or what gave it has ended",
            Self::Overdue => "shared, although its end has come",
        }
    }

    /// What an operator can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unknown => "`drift --adopt` keeps it under a ticket, `--revoke-unknown` ends it",
            Self::Missing => "`revoke` ends the grant, a new ticket shares it again",
            Self::Extra => "`drift --adopt` keeps it under a ticket, a cancel request ends it",
            Self::Overdue => "`sweep` says why; correct that, and sweep again",
        }
    }
}

/// One receiver for which the cloud and the journal differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
