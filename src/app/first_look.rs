//! What is read while a request is opened: the cloud before record 0, and the other requests beside
//! it. In: an approved share. Out: what its first turn need not read again.

use std::collections::BTreeSet;

use crate::domain::{Action, Timestamp};
use crate::journal::StreamId;
use crate::plan::{Observation, Plan};
use crate::policy::Approved;

use super::cloud_accounts::own_account;
use super::{App, Deadline, context, observe};

/// What was read while a request was opened, for its first turn alone.
#[derive(Debug, Default)]
pub(super) struct FirstLook {
    /// The cloud, which has none of what is asked.
    pub(super) seen: Option<Observation>,
    /// The other requests about the same.
    pub(super) neighbours: Option<BTreeSet<StreamId>>,
}

impl App {
    /// Whether this opening was quick enough that a cancel beside it waits for its record.
    pub(super) fn opened_in_time(&self, since: Timestamp) -> bool {
        self.now().duration_since(since) < context::OPENING_TIME
    }

    /// What the cloud holds before a new share: only when that is none of what is asked, so that it
    /// needs no record of its own, and only when it can be read at once.
    pub(super) async fn first_look(
        &self,
        approved: &Approved,
        now: Timestamp,
        deadline: Deadline,
    ) -> Option<Observation> {
        let request = approved.request();
        let waits = request.not_before.is_some_and(|begin| begin > now);
        if request.action != Action::Share || waits {
            return None;
        }
        let context = self.context(request, deadline);
        let look = Box::pin(observe::observe(&context, request));
        let seen = tokio::time::timeout(context::FIRST_LOOK, look).await.ok()?;
        let own = own_account(context.cloud, request);
        let plan = Plan::of(approved, &seen, &[], false);
        (own.is_none() && seen.readable && plan.settled().is_empty()).then_some(seen)
    }
}
