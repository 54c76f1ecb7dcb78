//! Notifications as values: their subjects, their targets, and the subscriptions of a
//! configuration.

use serde::{Deserialize, Serialize};

use super::ids::{NotifyName, SourceName};
use super::span::Span;
use super::spelled::spelled;

spelled! {
    /// The subject of a notification. The names are those of `on` in `[[notify]]`.
    NoticeKind {
        /// Every item succeeded.
        Completed = "completed",
        /// Some items succeeded, others failed finally.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy refused the request.
        Denied = "denied",
        /// The share ends within `[limits] notice`.
        Expiring = "expiring",
        /// The share has expired and was revoked.
        Revoked = "revoked",
        /// The share has expired, and an attempt to revoke it failed.
        Overdue = "overdue",
        /// An authenticated delivery is no valid request.
        Rejected = "rejected",
        /// The scheduled comparison found that the cloud's shares differ from the journal.
        Drifted = "drifted",
    }
}

/// One notification of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The `[[notify]]` of its target.
    pub notify: NotifyName,
    /// Its subject.
    pub on: NoticeKind,
    /// The number of the record with the outcome. For `expiring` and `overdue`: that of the share's
    /// outcome.
    pub about: u64,
}

/// The notifications that one `[[notify]]` subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: NotifyName,
    /// The subjects.
    pub on: Vec<NoticeKind>,
    /// The sources of the requests; empty means all.
    pub sources: Vec<SourceName>,
}

impl Subscription {
    /// Whether it subscribes to this subject for requests or deliveries of `source`.
    pub fn wants(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        let of_source = |source| self.sources.is_empty() || self.sources.contains(source);
        self.on.contains(&on) && source.is_none_or(of_source)
    }
}

impl NoticeKind {
    /// Whether it is for the operator: no ticket is known that a comment could go to.
    pub fn has_no_ticket(self) -> bool {
        matches!(self, Self::Rejected | Self::Drifted)
    }
}

/// The notification settings of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeRules {
    /// The subscriptions, in the file's order.
    pub subscriptions: Vec<Subscription>,
    /// How long before its expiry a share is `expiring`; `None`: never.
    pub before_end: Option<Span>,
}

impl NoticeRules {
    /// The targets that subscribe to this subject for requests or deliveries of `source`.
    pub fn targets(
        &self,
        on: NoticeKind,
        source: Option<&SourceName>,
    ) -> impl Iterator<Item = &NotifyName> {
        let wanting = self.subscriptions.iter();
        let wanting = wanting.filter(move |one| one.wants(on, source));
        wanting.map(|one| &one.name)
    }

    /// Whether some target subscribes to this subject for requests or deliveries of `source`.
    pub fn want(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        self.targets(on, source).next().is_some()
    }
}
