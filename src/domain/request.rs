//! A share or cancel request that is valid in itself; whether it is *allowed* is the policy's
//! question. How it is read from JSON stands in `native`.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Timestamp;
use super::action::Action;
use super::ids::{AccountId, BlueprintId, CvmImageId, ImageRef};
use super::outcome::Item;
use super::region::Region;
use super::span::Span;

/// Which image, and who or what receives it. Every variant names at least one receiver: "all"
/// cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Target {
    /// A Lighthouse custom image and root accounts.
    Blueprint {
        /// The image.
        image: BlueprintId,
        /// At least one, without duplicates.
        accounts: Vec<AccountId>,
    },
    /// A CVM custom image and root accounts.
    Cvm {
        /// The image.
        image: CvmImageId,
        /// At least one, without duplicates.
        accounts: Vec<AccountId>,
    },
    /// A CVM custom image and Lighthouse in the same account and region.
    Lighthouse {
        /// The image.
        image: CvmImageId,
    },
    /// A CVM custom image to Lighthouse, and the blueprint that comes of it to root accounts.
    Chain {
        /// The image.
        image: CvmImageId,
        /// At least one, without duplicates.
        accounts: Vec<AccountId>,
    },
}

impl Target {
    /// The image as the request names it.
    pub fn image(&self) -> ImageRef {
        match self {
            Self::Blueprint { image, .. } => ImageRef::Blueprint(image.clone()),
            Self::Cvm { image, .. } | Self::Lighthouse { image } | Self::Chain { image, .. } => {
                ImageRef::Cvm(image.clone())
            }
        }
    }

    /// The receiving accounts; none for Lighthouse alone.
    pub fn accounts(&self) -> &[AccountId] {
        match self {
            Self::Blueprint { accounts, .. }
            | Self::Cvm { accounts, .. }
            | Self::Chain { accounts, .. } => accounts,
            Self::Lighthouse { .. } => &[],
        }
    }

    /// Everything that needs a decision and a result of its own: Lighthouse first, then the accounts
    /// in their order.
    pub fn items(&self) -> Vec<Item> {
        let lighthouse = match self {
            Self::Lighthouse { image } | Self::Chain { image, .. } => {
                Some(Item::Lighthouse(image.clone()))
            }
            Self::Blueprint { .. } | Self::Cvm { .. } => None,
        };
        let accounts = self.accounts().iter().cloned().map(Item::Account);
        lighthouse.into_iter().chain(accounts).collect()
    }

    /// Whether the image is to appear in (or leave) Lighthouse.
    pub fn lighthouse(&self) -> bool {
        matches!(self, Self::Lighthouse { .. } | Self::Chain { .. })
    }
}

/// When a share ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// `expires_at`.
    At(Timestamp),
    /// `expires_in`, counted from approval: from the moment the approved request was first verified
    /// here.
    In(Span),
}

/// One share or cancel request, valid in itself; whether it is *allowed* is the policy's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRequest {
    /// The caller's own id for it.
    pub id: Option<String>,
    /// Give or take away.
    pub action: Action,
    /// Which image, and who receives it.
    pub target: Target,
    /// Where the image is.
    pub region: Region,
    /// Who asks, as the source names people.
    pub requester: String,
    /// Who approved.
    pub approvers: Vec<String>,
    /// The ticket, for people.
    pub ticket: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Nothing is done before.
    pub not_before: Option<Timestamp>,
    /// Cancelled by itself then.
    pub expires: Option<Expiry>,
}

impl ShareRequest {
    /// SHA-256 of the content, hex: what an identity is bound to. The id is not part of it, and
    /// `expires_in` counts as written, so the same ticket delivered later has the same digest.
    pub fn digest(&self) -> String {
        let content = Self {
            id: None,
            ..self.clone()
        };
        let text = serde_json::to_vec(&content).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }

    /// The instant at which the share ends when it was approved at `approved`.
    pub fn expires_at(&self, approved: Timestamp) -> Option<Timestamp> {
        match self.expires.as_ref()? {
            Expiry::At(instant) => Some(*instant),
            Expiry::In(span) => approved
                .checked_add(jiff::SignedDuration::from_secs(span.seconds()))
                .ok(),
        }
    }
}
