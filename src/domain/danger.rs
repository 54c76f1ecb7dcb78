//! What a valid configuration can still have that endangers a deployment: one closed list, whose
//! names an operator writes into `[check] allow`.

use super::problem::Problem;
use super::spelled::spelled;

spelled! {
    /// A danger that `check` warns of. docs/check.md says what each looks at.
    #[derive(PartialOrd, Ord)]
    Danger {
        /// A requester can approve their own share, or a share needs no approver.
        OwnApproval = "own-approval",
        /// A share is allowed with an account that `entities.json` does not list.
        AnyAccount = "any-account",
        /// A share without an expiry is allowed.
        EndlessShare = "endless-share",
        /// A source that cannot sign may do all that any other source may.
        BroadToken = "broad-token",
        /// One secret proves two senders, or a sender and a target of notifications.
        SharedSecret = "shared-secret",
        /// The journal is not sealed, or its key is gone.
        UnsealedJournal = "unsealed-journal",
        /// The journal ends with the process.
        LostJournal = "lost-journal",
        /// No policy mentions a source.
        UnmentionedSource = "unmentioned-source",
        /// Policies or entities name a source that is not configured.
        UnknownSource = "unknown-source",
        /// A policy or an entity names a group that `entities.json` does not list.
        UnlistedGroup = "unlisted-group",
        /// There is no policy, or no permit is about approvals.
        NoPermit = "no-permit",
        /// A policy can never apply, or Cedar warns of its text.
        OddPolicy = "odd-policy",
        /// Denials are answered 200, and no target is notified of them.
        UnseenDenial = "unseen-denial",
        /// A file for a host lacks something that the configuration names.
        Deployment = "deployment",
    }
}

/// A danger of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which one.
    pub danger: Danger,
    /// Where it is, what can happen, and what prevents it.
    pub problem: Problem,
}

impl Danger {
    /// This danger at a place.
    pub fn at(self, problem: Problem) -> Warning {
        Warning {
            danger: self,
            problem,
        }
    }
}
