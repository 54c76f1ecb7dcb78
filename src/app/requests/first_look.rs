//! Reads the cloud and lists the other requests for the same image while a share is opened, so that
//! the first turn does not have to read them again.

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
    /// The cloud's state before record 0. `None` if it was not read or could not be read, or if an
    /// item needs no call.
    pub(in crate::app) seen: Option<Observation>,
    /// The other requests for the same image and receivers, if they could be listed.
    pub(in crate::app) neighbours: Option<BTreeSet<StreamId>>,
}

impl App {
    /// Whether record 0 was written within [`context::OPENING_TIME`], the time that a concurrent
    /// cancel waits for it.
    pub(in crate::app) fn opened_in_time(&self, since: Timestamp) -> bool {
        self.now().duration_since(since) < context::OPENING_TIME
    }

    /// Returns the cloud's state before a new share.
    ///
    /// Returns `None` for a cancel, for a share that begins later, and if the read fails or takes
    /// too long. Also returns `None` if an item needs no call, for example because it is shared
    /// already: this must be recorded before the first call. If a site cannot list shares, the
    /// state is returned nevertheless, because a second read would show no more.
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
            // The context depends on the result of `find_source`. If it fails here, the caller
            // repeats it after record 0 and returns the error then.
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
