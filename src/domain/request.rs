//! A valid share or cancel request. It may still be denied: `native` reads requests from JSON, and
//! `policy` decides whether a request is allowed.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::action::Action;
use super::ids::{AccountId, BlueprintId, CvmImageId, ImageRef};
use super::outcome::Item;
use super::region::Region;
use super::span::Span;

/// The image and its receivers. Every variant has at least one receiver. There is no variant for
/// "all accounts".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Target {
    /// A Lighthouse custom image and root accounts.
    Blueprint {
        /// The image.
        image: BlueprintId,
        /// The receiving accounts: at least one, without duplicates.
        accounts: Vec<AccountId>,
    },
    /// A CVM custom image and root accounts.
    Cvm {
        /// The image.
        image: CvmImageId,
        /// The receiving accounts: at least one, without duplicates.
        accounts: Vec<AccountId>,
    },
    /// A CVM custom image that becomes available in Lighthouse, in the same account and region.
    Lighthouse {
        /// The image.
        image: CvmImageId,
    },
    /// A chain: a CVM custom image that becomes a blueprint in Lighthouse, and root accounts that
    /// receive the blueprint.
    Chain {
        /// The image.
        image: CvmImageId,
        /// The receiving accounts: at least one, without duplicates.
        accounts: Vec<AccountId>,
    },
}

impl Target {
    /// Returns the image that the request names. For a chain, this is the CVM image.
    pub fn image(&self) -> ImageRef {
        match self {
            Self::Blueprint { image, .. } => ImageRef::Blueprint(image.clone()),
            Self::Cvm { image, .. } | Self::Lighthouse { image } | Self::Chain { image, .. } => {
                ImageRef::Cvm(image.clone())
            }
        }
    }

    /// Returns the receiving accounts. The list is empty for [`Target::Lighthouse`].
    pub fn accounts(&self) -> &[AccountId] {
        match self {
            Self::Blueprint { accounts, .. }
            | Self::Cvm { accounts, .. }
            | Self::Chain { accounts, .. } => accounts,
            Self::Lighthouse { .. } => &[],
        }
    }

    /// Returns the items, each of which needs a decision and a result. Lighthouse comes first, then
    /// the accounts in their order.
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

    /// Returns the target with only the items that `keep` accepts, or `None` if no item is left.
    /// Also returns `None` if `keep` accepts accounts of a chain but not its Lighthouse item: the
    /// accounts of a chain have the blueprint, so a target with the CVM image would be wrong.
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

    /// Whether the request shares the image with Lighthouse, or cancels that share.
    pub fn lighthouse(&self) -> bool {
        matches!(self, Self::Lighthouse { .. } | Self::Chain { .. })
    }
}

/// When a share expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// The instant in `expires_at`.
    At(Timestamp),
    /// The length of time in `expires_in`, counted from the approval: the moment when this program
    /// first verified the request or the event that announced it, or when the listed instance ended.
    In(Span),
}

/// One share or cancel request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRequest {
    /// The id in the request itself. `None` if the caller did not choose one.
    pub id: Option<String>,
    /// Whether to share or to cancel.
    pub action: Action,
    /// The image and its receivers.
    pub target: Target,
    /// The region of the image.
    pub region: Region,
    /// The requester's name as the source wrote it. [`PersonName`](super::PersonName) normalises
    /// names for comparison.
    pub requester: String,
    /// The approvers' names as the source wrote them.
    pub approvers: Vec<String>,
    /// The ticket, for policies and for people.
    pub ticket: Option<String>,
    /// The reason, for people.
    pub reason: Option<String>,
    /// The earliest time to carry out the request.
    pub not_before: Option<Timestamp>,
    /// When the share expires.
    pub expires: Option<Expiry>,
}

impl ShareRequest {
    /// Returns when the share expires if the request was approved at `approved`. Returns `None` if
    /// the request has no expiry, or if the expiry is after the last date that a [`Timestamp`] can
    /// represent.
    pub fn expires_at(&self, approved: Timestamp) -> Option<Timestamp> {
        match self.expires.as_ref()? {
            Expiry::At(instant) => Some(*instant),
            Expiry::In(span) => approved
                .checked_add(jiff::SignedDuration::from_secs(span.seconds()))
                .ok(),
        }
    }

    /// Returns `not_before` if it is later than `now`.
    pub fn begins_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|begin| *begin > now)
    }
}
