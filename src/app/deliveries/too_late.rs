//! Refuses a new request that would begin too late: after its own expiry, or beyond the limit. In:
//! the request and the present instant. Out: the problem, or `None`.

use crate::app::{Answer, App, Case, Ending};
use crate::domain::{Problem, Timestamp};

impl App {
    /// Refuses a request that would begin too late.
    pub(in crate::app) async fn refuse_late(
        &self,
        case: &Case<'_>,
        problem: Problem,
    ) -> (Ending, Answer) {
        let (received, problems) = (case.received.clone(), vec![problem.clone()]);
        self.record_rejection(case.incoming.delivery, received, problems)
            .await;
        let answer = Answer::invalid(&case.identity.id, vec![problem]);
        (Ending::Invalid, answer)
    }

    /// The problem of a new request that would begin too late: after its own expiry, or beyond the
    /// limit.
    pub(in crate::app) fn too_late(&self, case: &Case<'_>) -> Option<Problem> {
        let bound = self.config().not_before_within;
        let latest = case.now.checked_add(bound).unwrap_or(Timestamp::MAX);
        if let Some(begin) = case.request.not_before.filter(|begin| *begin > latest) {
            return Some(Problem::new(
                "not_before",
                format!("{begin} is too far ahead; the latest is {latest}"),
                "write an earlier instant, or raise [limits] not_before_within",
            ));
        }
        over_before_it_begins(case)
    }
}

/// The problem of a new share that would expire before it begins.
fn over_before_it_begins(case: &Case<'_>) -> Option<Problem> {
    let end = case.request.expires_at(case.now)?;
    if end <= case.now {
        return Some(Problem::new(
            "expires_at",
            format!("{end} is over already"),
            "let the share end in the future",
        ));
    }
    // Reading the request compares a fixed expiry with `not_before`.
    let begin = case.request.not_before.filter(|begin| end <= *begin)?;
    Some(Problem::new(
        "expires_in",
        format!("counts from now and ends at {end}, not after not_before ({begin})"),
        "write a longer expires_in, or the end as expires_at",
    ))
}
