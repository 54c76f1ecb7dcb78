//! A valid share or cancel request. The policy decides whether it is allowed; `native` reads it
//! from JSON.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::action::Action;
use super::ids::{AccountId, BlueprintId, CvmImageId, ImageRef};
use super::outcome::Item;
use super::region::Region;
use super::span::Span;

/// The image and its receivers. Every variant has at least one receiver; no variant means "all".
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
    /// A CVM custom image to Lighthouse, and the blueprint made from it to root accounts.
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

    /// The items that each need a decision and a result: Lighthouse first, then the accounts in
    /// order.
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

    /// The same image for those items alone that `keep` names; `None` when none is left, and for a
    /// chain without Lighthouse: its accounts have the blueprint that was made from the image.
    pub fn only(&self, keep: impl Fn(&Item) -> bool) -> Option<Self> {
        let lighthouse = |item: &Item| matches!(item, Item::Lighthouse(_)) && keep(item);
        let lighthouse = self.items().iter().any(lighthouse);
        let mut accounts = self.accounts().to_vec();
        accounts.retain(|account| keep(&Item::Account(account.clone())));
        match (self.clone(), accounts.is_empty(), lighthouse) {
            (Self::Blueprint { image, .. }, false, _) => Some(Self::Blueprint { image, accounts }),
            (Self::Cvm { image, .. }, false, _) => Some(Self::Cvm { image, accounts }),
            (Self::Chain { image, .. }, false, true) => Some(Self::Chain { image, accounts }),
            (Self::Chain { image, .. } | Self::Lighthouse { image }, true, true) => {
                Some(Self::Lighthouse { image })
            }
            _ => None,
        }
    }

    /// Whether the image is to appear in (or leave) Lighthouse.
    pub fn lighthouse(&self) -> bool {
        matches!(self, Self::Lighthouse { .. } | Self::Chain { .. })
    }
}

/// When a share expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// `expires_at`.
    At(Timestamp),
    /// `expires_in`, counted from the moment at which the approved request was first verified here.
    In(Span),
}

/// One share or cancel request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRequest {
    /// The id that the caller gave it.
    pub id: Option<String>,
    /// Share or cancel.
    pub action: Action,
    /// The image and its receivers.
    pub target: Target,
    /// Where the image is.
    pub region: Region,
    /// The requester, as the source names people; [`PersonName`](super::PersonName) compares names.
    pub requester: String,
    /// The named approvers.
    pub approvers: Vec<String>,
    /// The ticket, for human readers.
    pub ticket: Option<String>,
    /// The reason, for human readers.
    pub reason: Option<String>,
    /// The earliest time to carry it out.
    pub not_before: Option<Timestamp>,
    /// When the share expires.
    pub expires: Option<Expiry>,
}

impl ShareRequest {
    /// When the share expires if it was approved at `approved`.
    pub fn expires_at(&self, approved: Timestamp) -> Option<Timestamp> {
        match self.expires.as_ref()? {
            Expiry::At(instant) => Some(*instant),
            Expiry::In(span) => approved
                .checked_add(jiff::SignedDuration::from_secs(span.seconds()))
                .ok(),
        }
    }
}
