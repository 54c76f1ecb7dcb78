//! The outcome of a request: a result for each account, a result for Lighthouse if the request
//! includes it, and the status of the request as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::ids::{AccountId, BlueprintId, CvmImageId};
use super::spelled::spelled;

/// What a result is about: an account, or an image's place in Lighthouse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Item {
    /// A receiving root account.
    #[serde(rename = "account")]
    Account(AccountId),
    /// The place of a CVM image in Lighthouse.
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
    /// The account had the image before, so this request changed nothing.
    AlreadyShared,
    /// The image was taken away from the receiver: a cancel or a revocation did so, or this request
    /// withdrew the image from Lighthouse after it had published it there. Also the result of an
    /// item that was called off.
    Cancelled,
    /// The receiver did not have the image, so this request changed nothing.
    NotShared,
    /// The CVM image is available in Lighthouse.
    Available {
        /// The id of the blueprint that was created from the image. `None` if the cloud did not
        /// return it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blueprint: Option<BlueprintId>,
        /// Whether the image was available before this request.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        already: bool,
    },
    /// Not finished. The request is in the journal, and a worker continues it later.
    Pending,
    /// The item failed. For example, the cloud, the policy or a precheck refused it, or its call
    /// was not sent or got no answer.
    Failed {
        /// The cloud's error code, or the text of a [`ResultCode`](super::ResultCode).
        code: String,
        /// The message of the cloud or of this program, with the next step for the operator.
        message: String,
        /// Whether the same request may succeed later.
        retryable: bool,
    },
}

impl ResultKind {
    /// Creates a [`ResultKind::Failed`].
    pub fn failed(code: impl Into<String>, message: impl Into<String>, retryable: bool) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
            retryable,
        }
    }

    /// Returns the result in one or two words for people.
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

/// The result of one item of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// The account, or the image in Lighthouse.
    #[serde(flatten)]
    pub item: Item,
    /// The kind of result.
    #[serde(flatten)]
    pub kind: ResultKind,
    /// The `RequestId` of the call that decided the result, for the cloud's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What called this item off: a later cancel, or the withdrawal of the request's approval. The
    /// text is the ticket of the cancel. If there is no ticket, it is the `source/id` of the cancel
    /// or the withdrawal. `None` if the item was not called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_off_by: Option<String>,
    /// Whether the item has not succeeded but the cloud may have changed it nevertheless, because a
    /// call for it got no clear answer, or the worker was interrupted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_done: bool,
    /// In a result of a share: the item was already shared, by another request that ends no later
    /// than this one. The item then also counts as given by this request, and is revoked when this
    /// request ends. In a result of a revocation: another share gave the item, too, and the end of
    /// that share revokes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewed: bool,
}

impl ItemResult {
    /// Creates the result of an item that was not called off and is neither in doubt nor renewed.
    pub fn new(item: Item, kind: ResultKind, request_id: Option<String>) -> Self {
        Self {
            item,
            kind,
            request_id,
            called_off_by: None,
            maybe_done: false,
            renewed: false,
        }
    }

    /// Sets `maybe_done` to `maybe`, or to false if the item has succeeded.
    #[must_use]
    pub fn in_doubt(self, maybe: bool) -> Self {
        let maybe_done = maybe && !self.succeeded();
        Self { maybe_done, ..self }
    }

    /// Whether the item has the state that `action` asks for. Returns false for a share that was
    /// revoked or called off.
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

    /// Whether the item is finished and successful. Returns false if the item was called off.
    pub fn succeeded(&self) -> bool {
        self.called_off_by.is_none()
            && !matches!(self.kind, ResultKind::Pending | ResultKind::Failed { .. })
    }

    /// Returns the result in a few words for people.
    pub fn in_words(&self) -> String {
        let renewed = match self.renewed {
            true => ", by another request; revoked when the last of these shares ends",
            false => "",
        };
        format!("{}{renewed}", self.kind.in_words())
    }

    /// Whether the item was already shared or available before this request.
    pub fn found(&self) -> bool {
        matches!(
            self.kind,
            ResultKind::AlreadyShared | ResultKind::Available { already: true, .. }
        )
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
        /// Some items succeeded, and the others failed.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy denied the request, either when it arrived or when a worker continued it
        /// later.
        Denied = "denied",
        /// The map found no request in the event.
        Ignored = "ignored",
        /// Accepted and recorded in the journal, but not finished.
        Pending = "pending",
        /// A dry run. The answer lists the planned calls.
        Planned = "planned",
    }
}

impl Status {
    /// Returns the status of a request. `results` must contain a result for every item of the
    /// request.
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
