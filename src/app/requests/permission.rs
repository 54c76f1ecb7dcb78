//! Decides what a turn may do. The policies decide a new request, and they decide a recorded share
//! again before each later turn. Returns the permission, or the reason why it is withheld.

use crate::app::App;
use crate::app::answer::refused_items;
use crate::domain::{
    Action, Identity, ItemResult, ResultCode, ResultKind, ShareRequest, Timestamp, Verdict,
};
use crate::journal::State;
use crate::policy::{Approved, Decision, Question};
use crate::telemetry::{Step, step};

#[derive(Debug)]
pub(in crate::app) enum Permission {
    Granted(Approved),
    /// The turn must not share anything more, and must close the request.
    Withheld(Withheld),
}

impl Permission {
    /// Returns the verdict of the current policies if they let a share continue; otherwise `None`.
    pub(super) fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Granted(approved) if approved.request().action == Action::Share => {
                Some(approved.verdict())
            }
            Self::Granted(_) | Self::Withheld(_) => None,
        }
    }
}

/// Why a turn must close its request without carrying it out.
#[derive(Debug)]
pub(in crate::app) enum Withheld {
    Expired,
    /// Every item was called off, by later cancels or because the request's approval was withdrawn.
    CalledOff,
    Denied(Verdict),
    /// The instance of the request's approval could not be read, or was not approved, until the
    /// time for retries was over.
    Unread(String),
}

impl Withheld {
    /// Returns the result of an item when its request is closed. A pending item becomes denied,
    /// expired or unread; any other result is kept.
    pub(super) fn result(&self, request: &ShareRequest, result: ItemResult) -> ItemResult {
        if !result.pending() {
            return result;
        }
        let failed = |code, why: &str, retryable| ItemResult {
            kind: ResultKind::failed(code, why, retryable),
            maybe_done: false,
            ..result.clone()
        };
        let refused = match self {
            // A called-off item is never pending.
            Self::Expired | Self::CalledOff => None,
            Self::Denied(verdict) => refused_items(request, verdict)
                .into_iter()
                .find(|refused| refused.item == result.item),
            Self::Unread(why) => Some(failed(ResultCode::ApprovalUnread, why, true)),
        };
        let expired = "the share expired before it was carried out";
        refused.unwrap_or_else(|| failed(ResultCode::Expired, expired, false))
    }
}

impl App {
    /// Decides a recorded request again. A share needs the permission of the current policies. A
    /// cancel that was allowed once stays allowed.
    pub(super) fn permission(&self, state: &State) -> Permission {
        let now = self.now();
        let (identity, approved_at) = (state.identity(), state.approved_at());
        let Some(request) = state.remaining() else {
            return Permission::Withheld(Withheld::CalledOff);
        };
        if state.expired(now) {
            return Permission::Withheld(Withheld::Expired);
        }
        let decision = match request.action {
            Action::Share => self.decide(identity, &request, now, approved_at),
            Action::Cancel => {
                let recorded = state.verdict();
                Approved::recorded_cancel(&request, identity, recorded, approved_at)
                    .map_or_else(|| Decision::Deny(recorded.clone()), Decision::Allow)
            }
        };
        match decision {
            Decision::Allow(approved) => Permission::Granted(approved),
            Decision::Deny(verdict) => Permission::Withheld(Withheld::Denied(verdict)),
        }
    }

    /// Asks the policies. `approved_at` is the instant from which `expires_in` counts.
    pub(in crate::app) fn decide(
        &self,
        identity: &Identity,
        request: &ShareRequest,
        now: Timestamp,
        approved_at: Timestamp,
    ) -> Decision {
        let decide = step(Step::Decide);
        let decision = decide.in_scope(|| {
            self.prepared.policies.decide(Question {
                identity,
                request,
                now,
                approved_at,
            })
        });
        decide.record("allowed", matches!(decision, Decision::Allow(_)));
        decision
    }
}
