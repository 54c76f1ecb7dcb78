//! Notifications as data: subjects, targets, and the subscriptions of a configuration.
//! `journal::state` decides which notifications a request owes.

use serde::{Deserialize, Serialize};

use super::ids::{NotifyName, SourceName};
use super::span::Span;
use super::spelled::spelled;

spelled! {
    /// The subject of a notification, as `on` in `[[notify]]` names it.
    NoticeKind {
        /// Every item of the request succeeded.
        Completed = "completed",
        /// Some items succeeded, and the others failed.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy refused the request.
        Denied = "denied",
        /// The share expires within the time of `[limits] notice`.
        Expiring = "expiring",
        /// The share expired or was called off, and it was revoked.
        Revoked = "revoked",
        /// The share has expired or its approval was withdrawn, and an attempt to revoke the share
        /// failed or was deferred.
        Overdue = "overdue",
        /// An authenticated delivery contained no valid request.
        Rejected = "rejected",
        /// The scheduled comparison found that the cloud's shares differ from the journal.
        Drifted = "drifted",
    }
}

/// A notification about a request, to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The name of the target's `[[notify]]`.
    pub notify: NotifyName,
    /// The subject.
    pub on: NoticeKind,
    /// The number of the record with the reported outcome. For `expiring` and `overdue`, the number
    /// of the record with the share's outcome.
    pub about: u64,
}

/// The notifications that one `[[notify]]` subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The name of the `[[notify]]`.
    pub name: NotifyName,
    /// The subjects that the target receives.
    pub on: Vec<NoticeKind>,
    /// The sources whose requests and deliveries are reported. Empty means all sources.
    pub sources: Vec<SourceName>,
}

impl Subscription {
    /// Whether the target receives the subject `on` for requests or deliveries of `source`. Without
    /// a source, the list of sources does not matter.
    pub fn wants(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        let of_source = |source| self.sources.is_empty() || self.sources.contains(source);
        self.on.contains(&on) && source.is_none_or(of_source)
    }
}

impl NoticeKind {
    /// Whether notifications of this subject are for the operator. Such notifications belong to no
    /// ticket, so they cannot become comments on one.
    pub fn has_no_ticket(self) -> bool {
        matches!(self, Self::Rejected | Self::Drifted)
    }
}

/// The notification settings of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeRules {
    /// The subscriptions, in the file's order.
    pub subscriptions: Vec<Subscription>,
    /// How long before a share's expiry the notification `expiring` is sent. `None` means never.
    pub before_end: Option<Span>,
}

impl NoticeRules {
    /// Returns the targets that receive the subject `on` for requests or deliveries of `source`.
    pub fn targets(
        &self,
        on: NoticeKind,
        source: Option<&SourceName>,
    ) -> impl Iterator<Item = &NotifyName> {
        let wanting = self.subscriptions.iter();
        let wanting = wanting.filter(move |one| one.wants(on, source));
        wanting.map(|one| &one.name)
    }

    /// Whether any target receives the subject `on` for requests or deliveries of `source`.
    pub fn want(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        self.targets(on, source).next().is_some()
    }
}
