//! The dangers that `sharehook check` can find in a valid configuration. An operator accepts a
//! danger by adding its name to `[check] allow`. This file only lists the dangers. The code that
//! looks for them is in `policy` and `app::examining`.

use super::problem::Problem;
use super::spelled::spelled;

spelled! {
    /// A danger that `sharehook check` warns about. `docs/check.md` explains how each one is found.
    #[derive(PartialOrd, Ord)]
    Danger {
        /// A requester can approve their own share, or a share needs no approver.
        OwnApproval = "own-approval",
        /// The policies allow a share with an account that `entities.json` does not list.
        AnyAccount = "any-account",
        /// `entities.json` still lists people, images or accounts of the sample that `init` writes.
        SampleEntity = "sample-entity",
        /// The policies allow a share without an expiry.
        EndlessShare = "endless-share",
        /// A source authenticates with a fixed secret instead of a signature, and yet may do
        /// everything that any other source may do.
        BroadToken = "broad-token",
        /// Two sources have the same secret, or a source and a `[[notify]]` target have the same.
        SharedSecret = "shared-secret",
        /// The journal has no usable seal key.
        UnsealedJournal = "unsealed-journal",
        /// The journal is lost with the process or the instance: it is in memory, or on a disk that
        /// the host discards.
        LostJournal = "lost-journal",
        /// No policy mentions a source, and all sample requests of the source are refused.
        UnmentionedSource = "unmentioned-source",
        /// Policies or entities name a source that is not configured.
        UnknownSource = "unknown-source",
        /// A policy or an entity names a group that `entities.json` does not list.
        UnlistedGroup = "unlisted-group",
        /// There is no policy at all, or shares need approvals but no `permit` allows the action
        /// `approve`.
        NoPermit = "no-permit",
        /// A policy can never apply, or it fails for a sample request, or Cedar's validator warns
        /// about it.
        OddPolicy = "odd-policy",
        /// A source's denied requests are answered with HTTP 200, and no notification reports the
        /// denials.
        UnseenDenial = "unseen-denial",
        /// The source's events only name an instance, and the source has no `fetch`.
        NoFetch = "no-fetch",
        /// The configured time limit (`limits.seconds`) is too short for a sweep on some hosts.
        ShortSweep = "short-sweep",
        /// A deployment file, such as `template.yaml`, lacks something that the configuration
        /// names.
        Deployment = "deployment",
    }
}

/// A danger that `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The kind of danger.
    pub danger: Danger,
    /// Where the danger is, what can happen, and how to prevent it.
    pub problem: Problem,
}

impl Danger {
    /// Creates a warning about this danger. `problem` says where the danger is and what to do.
    pub fn at(self, problem: Problem) -> Warning {
        Warning {
            danger: self,
            problem,
        }
    }
}
