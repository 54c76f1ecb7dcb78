//! The dangers that a valid configuration can contain: one closed list. An operator accepts a
//! danger by writing its name into `[check] allow`. This file does not look for dangers.

use super::problem::Problem;
use super::spelled::spelled;

spelled! {
    /// A danger that `sharehook check` warns of. `docs/check.md` says how each danger is found.
    #[derive(PartialOrd, Ord)]
    Danger {
        /// A requester can approve their own share, or a share needs no approver.
        OwnApproval = "own-approval",
        /// The policies allow a share with an account that `entities.json` does not list.
        AnyAccount = "any-account",
        /// The policies allow a share without an expiry.
        EndlessShare = "endless-share",
        /// A source that proves itself by a fixed secret, without signing, may do everything that
        /// any other source may.
        BroadToken = "broad-token",
        /// Two sources use one secret, or a source and a target of notifications use one.
        SharedSecret = "shared-secret",
        /// The journal has no usable seal key.
        UnsealedJournal = "unsealed-journal",
        /// The journal is kept in memory and is lost when the process ends.
        LostJournal = "lost-journal",
        /// No policy mentions a source, and all its sample requests are refused.
        UnmentionedSource = "unmentioned-source",
        /// Policies or entities name a source that is not configured.
        UnknownSource = "unknown-source",
        /// A policy or an entity names a group that `entities.json` does not list.
        UnlistedGroup = "unlisted-group",
        /// There is no policy, or no `permit` for the action `approve` although shares need
        /// approvals.
        NoPermit = "no-permit",
        /// A policy can never apply, it fails for a sample request, or Cedar's validator warns of
        /// its text.
        OddPolicy = "odd-policy",
        /// Denied requests are answered with HTTP 200, and no notification reports the denial.
        UnseenDenial = "unseen-denial",
        /// On some hosts the time limit may leave a sweep too little time.
        ShortSweep = "short-sweep",
        /// A host's file, such as `template.yaml`, lacks something that the configuration names.
        Deployment = "deployment",
    }
}

/// A danger that `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The kind of danger.
    pub danger: Danger,
    /// The place of the danger, what can happen, and how to prevent it.
    pub problem: Problem,
}

impl Danger {
    /// Creates a warning of this danger. `problem` has the place and the remedy.
    pub fn at(self, problem: Problem) -> Warning {
        Warning {
            danger: self,
            problem,
        }
    }
}
