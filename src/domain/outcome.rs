//! The outcome of a request: one result per account (and one for Lighthouse), and the status that
//! sums them up.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::ids::{AccountId, BlueprintId, CvmImageId};
use super::spelled::spelled;

/// The account or the image of a result.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Item {
    /// A receiving root account.
    #[serde(rename = "account")]
    Account(AccountId),
    /// A CVM image as seen in Lighthouse.
    #[serde(rename = "image")]
    Lighthouse(CvmImageId),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account {id}"),
            Self::Lighthouse(id) => write!(f, "{id} in Lighthouse"),
        }
    }
}

/// The result of one item. The names are part of the answer's format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ResultKind {
    /// The account has the image because of this request.
    Shared,
    /// The account had it before; nothing was done.
    AlreadyShared,
    /// The account no longer has it because of this request.
    Cancelled,
    /// The account did not have it; nothing was done.
    NotShared,
    /// The CVM image is available in Lighthouse.
    Available {
        /// Its blueprint's id; the cloud may omit it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blueprint: Option<BlueprintId>,
        /// True when it was available before this request.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        already: bool,
    },
    /// Not finished; the journal holds it, and a later run continues.
    Pending,
    /// Failed: the cloud, the policy or a precheck refused it, or no answer came.
    Failed {
        /// The cloud's error code, or a [`ResultCode`](super::ResultCode) of our own.
        code: String,
        /// The cloud's message and the next step for the operator.
        message: String,
        /// Whether the same request may succeed later without a change.
        retryable: bool,
    },
}

impl ResultKind {
    /// A failure.
    pub fn failed(code: impl Into<String>, message: impl Into<String>, retryable: bool) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
            retryable,
        }
    }

    /// The result in a word or two, for people.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::AlreadyShared => "already shared",
            Self::Cancelled => "cancelled",
            Self::NotShared => "not shared",
            Self::Available { .. } => "available",
            Self::Pending => "pending",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One item's result, with the cloud's request id when there was a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// The account, or the image in Lighthouse.
    #[serde(flatten)]
    pub item: Item,
    /// The kind of result.
    #[serde(flatten)]
    pub kind: ResultKind,
    /// `RequestId` of the deciding call, for the cloud's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// For an item of a share that a later cancel called off: that cancel's ticket, else its
    /// `source/id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_off_by: Option<String>,
    /// For an item without a success: a call for it got no clear answer, so the cloud may have
    /// carried it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_done: bool,
}

impl ItemResult {
    /// A result of `item`.
    pub fn new(item: Item, kind: ResultKind, request_id: Option<String>) -> Self {
        Self {
            item,
            kind,
            request_id,
            called_off_by: None,
            maybe_done: false,
        }
    }

    /// The same, in doubt if `maybe` and without a success.
    #[must_use]
    pub fn in_doubt(self, maybe: bool) -> Self {
        let maybe_done = maybe && !self.succeeded();
        Self { maybe_done, ..self }
    }

    /// Whether the item has the state that `action` wants. A revoked or called-off share does not.
    pub fn as_wanted(&self, action: Action) -> bool {
        match self.kind {
            _ if self.called_off_by.is_some() => false,
            ResultKind::Shared | ResultKind::AlreadyShared | ResultKind::Available { .. } => {
                action == Action::Share
            }
            ResultKind::Cancelled | ResultKind::NotShared => action == Action::Cancel,
            ResultKind::Pending | ResultKind::Failed { .. } => false,
        }
    }

    /// Whether this item is finished and successful. A called-off item is not.
    pub fn succeeded(&self) -> bool {
        self.called_off_by.is_none()
            && !matches!(self.kind, ResultKind::Pending | ResultKind::Failed { .. })
    }

    /// Whether this item still waits for work.
    pub fn pending(&self) -> bool {
        matches!(self.kind, ResultKind::Pending)
    }
}

impl fmt::Display for ItemResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (item, words) = (&self.item, self.kind.in_words());
        match (&self.called_off_by, &self.kind) {
            (Some(cancel), _) => write!(f, "{item}: called off by {cancel}"),
            (None, ResultKind::Failed { code, .. }) => write!(f, "{item}: {words} {code}"),
            (None, _) => write!(f, "{item}: {words}"),
        }
    }
}

spelled! {
    /// A request's status. The names are part of the answer's format.
    Status {
        /// All items succeeded.
        Completed = "completed",
        /// Some items succeeded, others failed finally.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy denied the request; no call was made.
        Denied = "denied",
        /// The map finds no request in the event.
        Ignored = "ignored",
        /// Accepted and recorded in the journal, not finished.
        Pending = "pending",
        /// A dry run; the answer has the planned calls.
        Planned = "planned",
    }
}

impl Status {
    /// The status that a complete list of results of `action` adds up to.
    pub fn of(action: Action, results: &[ItemResult]) -> Self {
        if results.iter().any(ItemResult::pending) {
            return Self::Pending;
        }
        let good = results.iter().filter(|r| r.as_wanted(action)).count();
        match (good, results.len()) {
            (0, n) if n > 0 => Self::Failed,
            (g, n) if g == n => Self::Completed,
            _ => Self::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(kind: ResultKind) -> ItemResult {
        ItemResult::new(
            Item::Account("700000164995".parse().unwrap()),
            kind,
            Some("r-1".into()),
        )
    }

    #[test]
    fn the_answer_has_the_contract_s_names() {
        assert_eq!(
            serde_json::to_string(&result(ResultKind::AlreadyShared)).unwrap(),
            r#"{"account":"700000164995","result":"already_shared","request_id":"r-1"}"#
        );
        let image: CvmImageId = "img-xkd784jw".parse().unwrap();
        let there = ResultKind::Available {
            blueprint: "lhbp-su83x02a".parse().ok(),
            already: false,
        };
        let text =
            serde_json::to_string(&ItemResult::new(Item::Lighthouse(image), there, None)).unwrap();
        assert_eq!(
            text,
            r#"{"image":"img-xkd784jw","result":"available","blueprint":"lhbp-su83x02a"}"#
        );
        let back: ItemResult = serde_json::from_str(&text).unwrap();
        assert!(back.succeeded());
    }

    #[test]
    fn statuses_add_up() {
        let bad = || {
            result(ResultKind::Failed {
                code: "X".into(),
                message: "m".into(),
                retryable: false,
            })
        };
        let good = || result(ResultKind::Shared);
        assert_eq!(
            Status::of(Action::Share, &[good(), good()]),
            Status::Completed
        );
        assert_eq!(Status::of(Action::Share, &[good(), bad()]), Status::Partial);
        assert_eq!(Status::of(Action::Share, &[bad()]), Status::Failed);
        let taken_back = || result(ResultKind::Cancelled);
        assert_eq!(
            Status::of(Action::Share, &[taken_back(), bad()]),
            Status::Failed
        );
        assert_eq!(
            Status::of(Action::Cancel, &[taken_back(), bad()]),
            Status::Partial
        );
        assert_eq!(
            Status::of(Action::Share, &[bad(), result(ResultKind::Pending)]),
            Status::Pending
        );
    }
}
