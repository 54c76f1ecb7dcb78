//! What is read while a request is opened: the cloud before record 0, and the other requests for
//! the same image. In: an approved share. Out: what was read, so that its first turn need not read
//! it again.

use std::collections::BTreeSet;

use crate::app::calls::observe;
use crate::app::cloud_accounts::own_account;
use crate::app::{App, Deadline, context};
use crate::domain::{Action, Timestamp};
use crate::journal::StreamId;
use crate::plan::{Observation, Plan};
use crate::policy::Approved;

#[derive(Debug, Default)]
pub(in crate::app) struct FirstLook {
    /// The cloud's state before record 0. `None` if it was not read, could not be read, or showed
    /// an item that needs no call.
    pub(in crate::app) seen: Option<Observation>,
    /// The other requests for the same image and receivers, if they could be listed.
    pub(in crate::app) neighbours: Option<BTreeSet<StreamId>>,
}

impl App {
    /// Whether record 0 was written within the time that a concurrent cancel waits for it.
    pub(in crate::app) fn opened_in_time(&self, since: Timestamp) -> bool {
        self.now().duration_since(since) < context::OPENING_TIME
    }

    /// Returns the cloud's state before a new share. `None` for a cancel or a share that begins
    /// later, and if the read fails or takes too long. Also `None` if an item needs no call, for
    /// example because it is shared already: that must be recorded before the first call. If a site
    /// cannot list shares, the state is returned nevertheless, because a second read would show no
    /// more.
    pub(in crate::app) async fn first_look(
        &self,
        approved: &Approved,
        now: Timestamp,
        deadline: Deadline,
    ) -> Option<Observation> {
        let request = approved.request();
        if request.action != Action::Share || request.begins_after(now).is_some() {
            return None;
        }
        let look = Box::pin(async {
            // The context depends on what this finds. If it fails, the caller repeats it after
            // record 0 and returns the error.
            self.find_source(request).await.ok()?;
            let context = self.context(request, deadline);
            let seen = observe::observe(&context, request).await;
            Some((seen, own_account(context.cloud.known_owner(), request)))
        });
        let (seen, own) = tokio::time::timeout(context::FIRST_LOOK, look)
            .await
            .ok()??;
        let plan = Plan::of(approved, &seen, &[], false);
        let complete = seen.unreadable.is_none();
        (own.is_none() && complete && plan.settled().is_empty()).then_some(seen)
    }
}
