//! The outcome of a delivery, a message or an invocation, and the table that maps it to an HTTP
//! status, a batch failure, an error name and an exit code. All hosts use this table, and so do the
//! commands that carry out requests.

use crate::app::{Ending, Replies, Reply};
use crate::domain::Status;

/// The outcome, in ascending order of seriousness. The most serious of several outcomes decides the
/// reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Processed. Also the outcome of a probe, a handshake, or an event that requests nothing.
    Done,
    /// Processed, but failed in whole or in part. The body says what failed.
    DoneWithFailures,
    /// Recorded in the journal. The work starts later.
    Waiting,
    /// Recorded in the journal but not finished. The work continues, at once or in a sweep.
    Pending,
    /// One request of the delivery is unfinished, and another one failed in whole or in part.
    UnfinishedWithFailures,
    /// Refused by the policy.
    Denied,
    /// Verified, but the map finds no valid request, or a request's id is on record with other
    /// content.
    Invalid,
    /// The body or the event cannot be read, for example because it is not JSON.
    Unreadable,
    /// The source's scheme does not accept the body's content type.
    UnsupportedType,
    /// The body exceeds `[limits] body_bytes`.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// The path does not exist, or is not served under this configuration.
    NotFound,
    /// The event belongs to an unsupported trigger of this host.
    UnknownEvent,
    /// No configured source has the name in the path, or no source trusts the message's origin.
    UnknownSource,
    /// The sender could not be authenticated.
    Unauthorised,
    /// The source has too many unfinished requests (`[limits] unfinished`), or the newest
    /// comparison of the cloud with the journal began too recently.
    Busy,
    /// The journal, a resource for verification, the report or the service itself is not available
    /// now. Work may have begun.
    Unavailable,
    /// A sweep found a share overdue, had a failure, or ran out of time.
    SweepFailed,
    /// The cloud's shares and the journal differ, or could not be compared completely.
    Drifted,
    /// The program panicked during the processing.
    Panicked,
}

/// Whether a queue or topic should deliver a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redelivery {
    /// No: the message is processed, or the work on it continues.
    None,
    /// Yes: the next attempt may succeed.
    MaySucceed,
    /// Yes, although no attempt can succeed: the message then reaches the dead-letter queue, where
    /// a person reads it.
    ForAPerson,
}

/// The process's exit codes. Scripts rely on the numbers, so they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Refused = 2,
    BadConfiguration = 3,
    Usage = 64,
}

impl Exit {
    /// The exit code of a command that can only succeed or fail.
    pub(crate) fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::Failed }
    }
}

/// A row of the table: how hosts and commands report an outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) http_status: u16,
    /// Whether a delivery with this outcome was certainly authenticated. This field is not used for
    /// probes, handshakes and requests whose body was not read.
    pub(crate) authenticated: bool,
    /// Whether a queue should deliver the message again. In a batch, every value except `None`
    /// reports the message as failed.
    pub(crate) redelivery: Redelivery,
    /// The error name that `Catch` in Step Functions matches, and the error type of an asynchronous
    /// invocation. `None` for an outcome that never fails an invocation.
    pub(crate) error_name: Option<&'static str>,
    /// The exit code of `sharehook invoke`.
    pub(crate) exit: Exit,
}

impl Outcome {
    /// The outcome of a whole delivery, combined from those of its requests.
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

    /// Combines several outcomes into the most serious one. Unfinished work together with a failure
    /// has an outcome of its own: the HTTP status reports the unfinished work, and the exit code
    /// reports the failure.
    pub(crate) fn of_all(outcomes: impl IntoIterator<Item = Self>) -> Self {
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

    /// The exit code of a command that waits until the work is done: unfinished work is a failure.
    pub(crate) fn exit_when_asked(self) -> Exit {
        match self {
            Self::Waiting | Self::Pending | Self::UnfinishedWithFailures => Exit::Failed,
            _ => self.row().exit,
        }
    }

    pub(crate) fn row(self) -> Row {
        use Redelivery::{ForAPerson, MaySucceed, None as Never};
        // HTTP status, authenticated, redelivery, error name, exit code.
        let (http_status, authenticated, redelivery, error_name, exit) = match self {
            Self::Done => (200, true, Never, None, Exit::Done),
            Self::DoneWithFailures => (200, true, Never, None, Exit::Failed),
            Self::Waiting => (202, true, Never, None, Exit::Done),
            Self::Pending => (202, true, Never, None, Exit::Done),
            Self::UnfinishedWithFailures => (202, true, Never, None, Exit::Failed),
            Self::Denied => (403, true, Never, Some("Denied"), Exit::Refused),
            Self::Invalid => (422, true, ForAPerson, Some("Invalid"), Exit::Failed),
            Self::Unreadable => (400, true, ForAPerson, Some("Unreadable"), Exit::Failed),
            Self::UnsupportedType => (415, false, ForAPerson, Some("Invalid"), Exit::Failed),
            Self::TooLarge => (413, false, ForAPerson, Some("Invalid"), Exit::Failed),
            Self::TooSlow => (408, false, MaySucceed, Some("Unavailable"), Exit::Failed),
            Self::MethodNotAllowed => (405, false, ForAPerson, Some("UnknownEvent"), Exit::Failed),
            Self::NotFound => (404, false, ForAPerson, Some("UnknownEvent"), Exit::Refused),
            Self::UnknownEvent => (400, false, ForAPerson, Some("UnknownEvent"), Exit::Failed),
            Self::UnknownSource => (404, false, ForAPerson, Some("Unauthorised"), Exit::Refused),
            Self::Unauthorised => (401, false, ForAPerson, Some("Unauthorised"), Exit::Refused),
            Self::Busy => (429, true, MaySucceed, Some("Unavailable"), Exit::Failed),
            Self::Unavailable => (503, false, MaySucceed, Some("Unavailable"), Exit::Failed),
            Self::SweepFailed => (500, false, MaySucceed, Some("SweepFailed"), Exit::Failed),
            Self::Drifted => (500, false, MaySucceed, Some("Drifted"), Exit::Failed),
            Self::Panicked => (500, false, MaySucceed, Some("Panicked"), Exit::Failed),
        };
        Row {
            http_status,
            authenticated,
            redelivery,
            error_name,
            exit,
        }
    }

    /// The HTTP status of the reply to a sender. `replies` says what the sender expects.
    pub(crate) fn status_for(self, replies: Replies) -> u16 {
        match (replies, self) {
            (Replies::Accepted, Self::Denied | Self::Invalid | Self::Unreadable) => 200,
            (Replies::Accepted | Replies::Status, _) => self.row().http_status,
        }
    }

    /// The value of the header `Retry-After`, in seconds; `None` if the response does not have it.
    pub(crate) fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy => Some(1),
            Self::Unavailable => Some(30),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Answer;
    use crate::domain::Problem;

    #[test]
    fn each_reply_has_its_outcome() {
        for (ending, status, outcome) in [
            (Ending::Done, Status::Completed, Outcome::Done),
            (Ending::Done, Status::Partial, Outcome::DoneWithFailures),
            (Ending::Done, Status::Failed, Outcome::DoneWithFailures),
            (Ending::Waiting, Status::Pending, Outcome::Waiting),
            (Ending::Pending, Status::Pending, Outcome::Pending),
            (Ending::Denied, Status::Denied, Outcome::Denied),
            (Ending::Invalid, Status::Failed, Outcome::Invalid),
            (Ending::Unavailable, Status::Failed, Outcome::Unavailable),
        ] {
            let reply = Reply::Answers(vec![(ending, Answer::new("x", status))]);
            assert_eq!(Outcome::of(&reply), outcome, "{reply:?}");
        }
        let problem = || Problem::new("body", "p", "r");
        for (reply, outcome) in [
            (Reply::Answers(Vec::new()), Outcome::Done),
            (Reply::Unauthorised, Outcome::Unauthorised),
            (Reply::UnknownSource, Outcome::UnknownSource),
            (Reply::NotNow, Outcome::Unavailable),
            (Reply::UnsupportedType, Outcome::UnsupportedType),
            (Reply::Unreadable(problem()), Outcome::Unreadable),
            (Reply::Invalid(problem().into()), Outcome::Invalid),
        ] {
            assert_eq!(Outcome::of(&reply), outcome, "{reply:?}");
        }
    }

    /// Senders, queues, state machines and scripts rely on these rows.
    #[test]
    fn the_rows_of_replies_do_not_change() {
        for (outcome, expected) in [
            (Outcome::Done, "200 None - Done"),
            (Outcome::DoneWithFailures, "200 None - Failed"),
            (Outcome::Waiting, "202 None - Done"),
            (Outcome::Pending, "202 None - Done"),
            (Outcome::UnfinishedWithFailures, "202 None - Failed"),
            (Outcome::Denied, "403 None Denied Refused"),
            (Outcome::Invalid, "422 ForAPerson Invalid Failed"),
            (Outcome::Unreadable, "400 ForAPerson Unreadable Failed"),
            (Outcome::UnsupportedType, "415 ForAPerson Invalid Failed"),
            (Outcome::Unauthorised, "401 ForAPerson Unauthorised Refused"),
            (
                Outcome::UnknownSource,
                "404 ForAPerson Unauthorised Refused",
            ),
            (Outcome::Unavailable, "503 MaySucceed Unavailable Failed"),
        ] {
            let Row {
                http_status,
                redelivery,
                error_name,
                exit,
                ..
            } = outcome.row();
            let name = error_name.unwrap_or("-");
            assert_eq!(
                format!("{http_status} {redelivery:?} {name} {exit:?}"),
                expected
            );
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
            assert_eq!(outcome.row().http_status, status);
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
                let outcome = Outcome::of_all(pair);
                assert_eq!(outcome.row().http_status, 202, "{pair:?}");
                assert_eq!(outcome.row().redelivery, Redelivery::None, "{pair:?}");
                assert_eq!(outcome.row().exit, Exit::Failed, "{pair:?}");
            }
            let fine = Outcome::of_all([Outcome::Done, unfinished]);
            assert_eq!((fine, fine.row().exit), (unfinished, Exit::Done));
        }
    }
}
