//! The outcome of a delivery, a message or an invocation, and the tables that map it to an HTTP
//! status, a batch failure, an error name and an exit code. All hosts and commands use these tables.

use crate::app::{Ending, Replies, Reply};
use crate::domain::Status;

/// The outcome, in ascending order of seriousness: of several outcomes the most serious one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Processed. Also a probe, a handshake, and an event that requests nothing.
    Done,
    /// Processed, and a part failed: the body says which.
    DoneWithFailures,
    /// Recorded in the journal; the work starts later.
    Waiting,
    /// Recorded in the journal but not finished; the next sweep continues the work.
    Pending,
    /// Of several requests, one waits or is not finished, and another failed in part.
    UnfinishedWithFailures,
    /// Refused by the policy.
    Denied,
    /// Verified, but the map finds no valid request, or a known id comes with other content.
    Invalid,
    /// Verified, but the body is not JSON, or is nested too deeply.
    Unreadable,
    /// The source's scheme does not use the body's content type.
    UnsupportedType,
    /// The body exceeds `[limits] body_bytes`.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The path does not exist.
    NotFound,
    /// The event belongs to an unsupported trigger of this host.
    UnknownEvent,
    /// No configured source has this name, or trusts this origin.
    UnknownSource,
    /// The sender could not be authenticated.
    Unauthorised,
    /// The source has more unfinished requests than `[limits] unfinished` allows.
    Busy,
    /// The journal or a resource for verification is unavailable; nothing was done.
    Unavailable,
    /// A sweep left something overdue, or could not read or write something.
    SweepFailed,
    /// The cloud's shares and the journal differ.
    Drifted,
    /// The program panicked during the processing.
    Panicked,
}

/// Whether a queue or topic should deliver a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redelivery {
    /// No: the journal holds the outcome, or the sweep continues the work.
    None,
    /// Yes: the next attempt may succeed.
    MaySucceed,
    /// Yes, until the message reaches the dead-letter queue, where a person reads it: no attempt can
    /// succeed.
    ForAPerson,
}

/// The process's exit codes. The numbers are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Refused = 2,
    BadConfiguration = 3,
    Usage = 64,
}

impl Outcome {
    /// The outcome of a whole delivery: the most serious one of its requests.
    pub(crate) fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Answers(answers) => Self::of_all(
                answers
                    .iter()
                    .map(|(ending, answer)| Self::of_request(*ending, answer.status)),
            ),
            Reply::Handshake(_) => Self::Done,
            Reply::Unauthorised => Self::Unauthorised,
            Reply::UnknownSource => Self::UnknownSource,
            Reply::NotNow => Self::Unavailable,
            Reply::UnsupportedType => Self::UnsupportedType,
            Reply::Unreadable(_) => Self::Unreadable,
            Reply::Invalid(_) => Self::Invalid,
        }
    }

    /// Combines two outcomes. Unfinished work and a failure become an outcome of their own, because
    /// the HTTP status reports the unfinished work and the exit code the failure.
    pub(crate) fn of_all(outcomes: impl Iterator<Item = Self>) -> Self {
        let (mut worst, mut failed) = (Self::Done, false);
        for outcome in outcomes {
            failed |= outcome == Self::DoneWithFailures;
            worst = worst.max(outcome);
        }
        match worst {
            Self::Waiting | Self::Pending if failed => Self::UnfinishedWithFailures,
            worst => worst,
        }
    }

    fn of_request(ending: Ending, status: Status) -> Self {
        match (ending, status) {
            (Ending::Done, Status::Failed | Status::Partial) => Self::DoneWithFailures,
            (Ending::Done, _) => Self::Done,
            (Ending::Waiting, _) => Self::Waiting,
            (Ending::Pending, _) => Self::Pending,
            (Ending::Denied, _) => Self::Denied,
            (Ending::Invalid | Ending::Conflict, _) => Self::Invalid,
            (Ending::Busy, _) => Self::Busy,
            (Ending::Unavailable, _) => Self::Unavailable,
        }
    }

    /// The exit code for a person who waits until the work is done: unfinished is not done.
    pub(crate) fn exit_when_asked(self) -> Exit {
        match self {
            Self::Waiting | Self::Pending | Self::UnfinishedWithFailures => Exit::Failed,
            _ => self.exit(),
        }
    }

    /// The HTTP status.
    pub(crate) fn http_status(self) -> u16 {
        match self {
            Self::Done | Self::DoneWithFailures => 200,
            Self::Waiting | Self::Pending | Self::UnfinishedWithFailures => 202,
            Self::Unreadable | Self::UnknownEvent => 400,
            Self::Unauthorised => 401,
            Self::Denied => 403,
            Self::NotFound | Self::UnknownSource => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::UnsupportedType => 415,
            Self::Invalid => 422,
            Self::Busy => 429,
            Self::SweepFailed | Self::Drifted | Self::Panicked => 500,
            Self::Unavailable => 503,
        }
    }

    /// The HTTP status for a sender that is answered in this way.
    pub(crate) fn status_for(self, replies: Replies) -> u16 {
        match (replies, self) {
            (Replies::Accepted, Self::Denied | Self::Invalid | Self::Unreadable) => 200,
            (Replies::Accepted | Replies::Status, _) => self.http_status(),
        }
    }

    /// Whether only an authenticated delivery has this outcome. A probe is `Done` too.
    pub(crate) fn authenticated(self) -> bool {
        match self {
            Self::Done
            | Self::DoneWithFailures
            | Self::Waiting
            | Self::Pending
            | Self::UnfinishedWithFailures
            | Self::Denied
            | Self::Invalid
            | Self::Unreadable
            | Self::Busy => true,
            Self::UnsupportedType
            | Self::TooLarge
            | Self::TooSlow
            | Self::MethodNotAllowed
            | Self::NotFound
            | Self::UnknownEvent
            | Self::UnknownSource
            | Self::Unauthorised
            | Self::Unavailable
            | Self::SweepFailed
            | Self::Drifted
            | Self::Panicked => false,
        }
    }

    /// Seconds after which an HTTP sender may try again.
    pub(crate) fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy => Some(1),
            Self::Unavailable => Some(30),
            _ => None,
        }
    }

    /// Whether a queue should deliver the message again. Everything except `None` is a batch
    /// failure.
    pub(crate) fn redelivery(self) -> Redelivery {
        match self {
            Self::Done
            | Self::DoneWithFailures
            | Self::Waiting
            | Self::Pending
            | Self::UnfinishedWithFailures
            | Self::Denied => Redelivery::None,
            Self::Busy
            | Self::TooSlow
            | Self::Unavailable
            | Self::SweepFailed
            | Self::Drifted
            | Self::Panicked => Redelivery::MaySucceed,
            Self::Invalid
            | Self::Unreadable
            | Self::UnsupportedType
            | Self::TooLarge
            | Self::MethodNotAllowed
            | Self::NotFound
            | Self::UnknownEvent
            | Self::UnknownSource
            | Self::Unauthorised => Redelivery::ForAPerson,
        }
    }

    /// The error name that `Catch` in Step Functions matches, also the error type of an
    /// asynchronous invocation. `None` when the journal holds an outcome or unfinished work.
    pub(crate) fn error_name(self) -> Option<&'static str> {
        match self {
            Self::Done
            | Self::DoneWithFailures
            | Self::Waiting
            | Self::Pending
            | Self::UnfinishedWithFailures => None,
            Self::Denied => Some("Denied"),
            Self::Invalid | Self::UnsupportedType | Self::TooLarge => Some("Invalid"),
            Self::Unreadable => Some("Unreadable"),
            Self::UnknownEvent | Self::MethodNotAllowed | Self::NotFound => Some("UnknownEvent"),
            Self::UnknownSource | Self::Unauthorised => Some("Unauthorised"),
            Self::TooSlow | Self::Busy | Self::Unavailable => Some("Unavailable"),
            Self::SweepFailed => Some("SweepFailed"),
            Self::Drifted => Some("Drifted"),
            Self::Panicked => Some("Panicked"),
        }
    }

    /// The exit code of `sharehook invoke`.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Done | Self::Waiting | Self::Pending => Exit::Done,
            Self::Denied | Self::NotFound | Self::UnknownSource | Self::Unauthorised => {
                Exit::Refused
            }
            Self::DoneWithFailures
            | Self::UnfinishedWithFailures
            | Self::Invalid
            | Self::Unreadable
            | Self::UnsupportedType
            | Self::TooLarge
            | Self::TooSlow
            | Self::MethodNotAllowed
            | Self::UnknownEvent
            | Self::Busy
            | Self::Unavailable
            | Self::SweepFailed
            | Self::Drifted
            | Self::Panicked => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Answer;
    use crate::domain::Problem;

    fn one(ending: Ending, status: Status) -> Reply {
        Reply::Answers(vec![(ending, Answer::new("x", status))])
    }

    #[test]
    fn each_reply_has_its_row_in_the_tables() {
        use Redelivery::{ForAPerson, MaySucceed, None as Never};
        let problem = || Problem::new("body", "p", "r");
        for (reply, status, redelivery, name, exit) in [
            (
                one(Ending::Done, Status::Completed),
                200,
                Never,
                None,
                Exit::Done,
            ),
            (
                one(Ending::Done, Status::Partial),
                200,
                Never,
                None,
                Exit::Failed,
            ),
            (
                one(Ending::Done, Status::Failed),
                200,
                Never,
                None,
                Exit::Failed,
            ),
            (
                one(Ending::Waiting, Status::Pending),
                202,
                Never,
                None,
                Exit::Done,
            ),
            (
                one(Ending::Pending, Status::Pending),
                202,
                Never,
                None,
                Exit::Done,
            ),
            (
                one(Ending::Denied, Status::Denied),
                403,
                Never,
                Some("Denied"),
                Exit::Refused,
            ),
            (
                one(Ending::Invalid, Status::Failed),
                422,
                ForAPerson,
                Some("Invalid"),
                Exit::Failed,
            ),
            (
                one(Ending::Unavailable, Status::Failed),
                503,
                MaySucceed,
                Some("Unavailable"),
                Exit::Failed,
            ),
            (
                Reply::Unauthorised,
                401,
                ForAPerson,
                Some("Unauthorised"),
                Exit::Refused,
            ),
            (
                Reply::UnknownSource,
                404,
                ForAPerson,
                Some("Unauthorised"),
                Exit::Refused,
            ),
            (
                Reply::NotNow,
                503,
                MaySucceed,
                Some("Unavailable"),
                Exit::Failed,
            ),
            (
                Reply::UnsupportedType,
                415,
                ForAPerson,
                Some("Invalid"),
                Exit::Failed,
            ),
            (
                Reply::Unreadable(problem()),
                400,
                ForAPerson,
                Some("Unreadable"),
                Exit::Failed,
            ),
            (
                Reply::Invalid(problem().into()),
                422,
                ForAPerson,
                Some("Invalid"),
                Exit::Failed,
            ),
            (Reply::Answers(Vec::new()), 200, Never, None, Exit::Done),
        ] {
            let outcome = Outcome::of(&reply);
            assert_eq!(outcome.http_status(), status, "{reply:?}");
            assert_eq!(outcome.redelivery(), redelivery, "{reply:?}");
            assert_eq!(outcome.error_name(), name, "{reply:?}");
            assert_eq!(outcome.exit(), exit, "{reply:?}");
        }
    }

    #[test]
    fn the_most_serious_of_several_ends_counts() {
        let mut answers = vec![(Ending::Done, Answer::new("a", Status::Partial))];
        for (ending, status) in [
            (Ending::Pending, 202),
            (Ending::Denied, 403),
            (Ending::Invalid, 422),
            (Ending::Unavailable, 503),
        ] {
            answers.push((ending, Answer::new("b", Status::Failed)));
            let outcome = Outcome::of(&Reply::Answers(answers.clone()));
            assert_eq!(outcome.http_status(), status);
        }
        assert_eq!(Outcome::Unavailable.retry_after(), Some(30));
    }

    #[test]
    fn unfinished_work_does_not_hide_a_failure() {
        for unfinished in [Outcome::Waiting, Outcome::Pending] {
            for pair in [
                [Outcome::DoneWithFailures, unfinished],
                [unfinished, Outcome::DoneWithFailures],
            ] {
                let outcome = Outcome::of_all(pair.into_iter());
                assert_eq!(outcome.http_status(), 202, "{pair:?}");
                assert_eq!(outcome.redelivery(), Redelivery::None, "{pair:?}");
                assert_eq!(outcome.exit(), Exit::Failed, "{pair:?}");
            }
            let fine = Outcome::of_all([Outcome::Done, unfinished].into_iter());
            assert_eq!((fine, fine.exit()), (unfinished, Exit::Done));
        }
    }
}
