//! Notifications as values: what they tell of, to whom they go, and which a configuration asks for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{NotifyName, SourceName};
use super::problem::{Problem, shown};
use super::span::Span;
use super::spelled::spelled;

spelled! {
    /// What a notification tells of. The names are those of `on` in `[[notify]]`.
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
        /// The share has ended and was taken back.
        Revoked = "revoked",
        /// The share should have ended, and an attempt to take it back failed.
        Overdue = "overdue",
    }
}

impl FromStr for NoticeKind {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let known = Self::ALL.iter().find(|kind| kind.as_str() == text);
        known.copied().ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            Problem::new(
                "on",
                format!("{} is nothing to tell of", shown(text)),
                format!("write one of {}", all.join(", ")),
            )
        })
    }
}

/// One notification of a request: who is told what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The `[[notify]]` that it goes to.
    pub notify: NotifyName,
    /// What it tells of.
    pub on: NoticeKind,
    /// The number of the record that it tells of. Of `expiring` and `overdue`: that of the outcome.
    pub about: u64,
}

/// Which notifications one `[[notify]]` wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: NotifyName,
    /// What it is told of.
    pub on: Vec<NoticeKind>,
    /// The sources whose requests it is told of; empty means all.
    pub sources: Vec<SourceName>,
}

impl Subscription {
    /// Whether it wants this of a request from `source`.
    pub fn wants(&self, on: NoticeKind, source: &SourceName) -> bool {
        self.on.contains(&on) && (self.sources.is_empty() || self.sources.contains(source))
    }
}

/// What a configuration says of notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeRules {
    /// The subscriptions, in the file's order.
    pub subscriptions: Vec<Subscription>,
    /// How long before its end a share is `expiring`; `None`: never.
    pub before_end: Option<Span>,
}

impl NoticeRules {
    /// Whether somebody wants this of a request from `source`.
    pub fn want(&self, on: NoticeKind, source: &SourceName) -> bool {
        self.subscriptions.iter().any(|one| one.wants(on, source))
    }
}
