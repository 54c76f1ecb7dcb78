//! The subjects of notifications, and the configured subscriptions to them. This file does not
//! decide which notifications are due: `journal::state` does.

use serde::{Deserialize, Serialize};

use super::ids::{NotifyName, SourceName};
use super::span::Span;
use super::spelled::spelled;

spelled! {
    /// The subject of a notification, as written in the setting `on` of a `[[notify]]`.
    NoticeKind {
        /// Every item of the request succeeded.
        Completed = "completed",
        /// Some items succeeded, and the others failed.
        Partial = "partial",
        /// No item succeeded.
        Failed = "failed",
        /// The policy refused the request.
        Denied = "denied",
        /// The share expires soon: within the time that `[limits] notice` sets.
        Expiring = "expiring",
        /// The share was revoked, after it had expired or was called off.
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
    /// What the notification reports.
    pub on: NoticeKind,
    /// The number of the record that contains the reported outcome. For `expiring` and `overdue`,
    /// this is the record that contains the outcome of the share.
    pub about: u64,
}

impl Notice {
    /// Returns the notification's place among those of its stream: in the order of the outcomes, and
    /// the notices of a share's end after the outcome of the share.
    pub fn place(&self) -> (u64, u8) {
        let after = match self.on {
            NoticeKind::Expiring => 1,
            NoticeKind::Overdue => 2,
            _ => 0,
        };
        (self.about, after)
    }
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
    /// Whether the target receives notifications of the subject `on` for requests or deliveries of
    /// `source`. If `source` is `None`, the subscription's list of sources is ignored.
    pub fn wants(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        let of_source = |source| self.sources.is_empty() || self.sources.contains(source);
        self.on.contains(&on) && source.is_none_or(of_source)
    }
}

impl NoticeKind {
    /// Whether notifications of this subject belong to no ticket. They are for the operator and
    /// cannot become comments on a ticket.
    pub fn has_no_ticket(self) -> bool {
        matches!(self, Self::Rejected | Self::Drifted)
    }
}

/// The notification settings of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeRules {
    /// The subscriptions, in the order of the configuration file.
    pub subscriptions: Vec<Subscription>,
    /// How long before a share's expiry the notification `expiring` is sent. If `None`, it is never
    /// sent.
    pub before_end: Option<Span>,
}

impl NoticeRules {
    /// Returns the targets that receive notifications of the subject `on` for requests or
    /// deliveries of `source`.
    pub fn targets(
        &self,
        on: NoticeKind,
        source: Option<&SourceName>,
    ) -> impl Iterator<Item = &NotifyName> {
        let wanting = self.subscriptions.iter();
        let wanting = wanting.filter(move |one| one.wants(on, source));
        wanting.map(|one| &one.name)
    }

    /// Whether the target of `notice` still receives notifications of its subject for requests or
    /// deliveries of `source`.
    pub fn wants(&self, notice: &Notice, source: Option<&SourceName>) -> bool {
        self.targets(notice.on, source)
            .any(|name| *name == notice.notify)
    }

    /// Whether any target receives notifications of the subject `on` for requests or deliveries of
    /// `source`.
    pub fn want(&self, on: NoticeKind, source: Option<&SourceName>) -> bool {
        self.targets(on, source).next().is_some()
    }
}
