//! What each kind of event means in an export, with one row for each kind. Returns an event's name
//! and its values for OCSF and CSV.

use crate::domain::{Action, ItemResult, ResultCode, ResultKind, Status, Verdict, numbered};
use crate::journal::record::Event;

/// OCSF's `activity_id` of a record. `Other` holds the name of an activity that OCSF does not
/// define.
#[derive(Debug, Clone, Copy)]
pub(super) enum Activity {
    /// The record is about giving access or about revoking it. `Entry::action` says which.
    Access,
    Read,
    Other(&'static str),
}

/// OCSF's `status_id` and, for a failure, `status_code`.
#[derive(Debug)]
pub(super) enum End {
    Success,
    Failure(String),
    Other(&'static str),
}

/// What an export says about a record.
#[derive(Debug)]
pub(super) struct Meaning {
    /// The event's name in the journal.
    pub(super) name: &'static str,
    pub(super) activity: Activity,
    pub(super) end: End,
    /// The result for the request, in a few words. May be empty.
    pub(super) outcome: String,
    /// The event and its result as one line for people.
    pub(super) message: String,
}

impl Meaning {
    pub(super) fn of(event: &Event) -> Self {
        use Activity::{Access, Other, Read};
        use End::Success;
        let (name, activity, end) = match event {
            Event::Opened(intent) => ("opened", Access, End::decided(&intent.verdict)),
            Event::Taken { .. } => ("taken", Other("Lease"), Success),
            Event::Progress(made) if made.calls.is_empty() => ("progress", Read, Success),
            Event::Progress(_) => ("progress", Access, End::called(event, Success)),
            Event::Deferred(deferral) => {
                // If there is a fault but no failed call, a read of the cloud failed or the image
                // was not ready.
                let end = match deferral.fault {
                    Some(_) => End::failed("Deferred"),
                    None => End::Other("Deferred"),
                };
                ("deferred", Other("Deferral"), End::called(event, end))
            }
            Event::Closed { status, .. } => ("closed", Access, End::of(*status)),
            Event::CalledOff(_) => ("called_off", Other("Call-off"), Success),
            Event::Cancelled(_) => ("cancelled", Other("Cancellation"), Success),
            Event::Refused { verdict, .. } => ("refused", Access, End::decided(verdict)),
            Event::Revoking { .. } => ("revoking", Other("Lease"), Success),
            Event::NotRevoked(attempt) => {
                let end = match attempt.covered.is_empty() {
                    true => End::failed("NotRevoked"),
                    false => End::Other("Covered"),
                };
                ("not_revoked", Access, End::called(event, end))
            }
            Event::Revoked { results, .. } => ("revoked", Access, End::revoked(results)),
            Event::Reopened(again) => {
                let end = End::decided(&again.verdict);
                ("reopened", Other("Reopening"), end)
            }
            Event::Notified(_) => ("notified", Other("Notification"), Success),
            Event::NotificationFailed(_) => {
                let end = End::failed("NotDelivered");
                ("notification_failed", Other("Notification"), end)
            }
            Event::Conflict(_) => ("conflict", Access, End::failed("Conflict")),
            Event::Rejected(_) => ("rejected", Other("Rejection"), End::failed("Invalid")),
            Event::Drifted(_) => ("drifted", Other("Comparison"), End::failed("Drifted")),
            Event::Received(_) => ("received", Other("Fetch"), Success),
            Event::FetchFailed(_) => ("fetch_failed", Other("Fetch"), End::failed("NotFetched")),
            Event::Confirmed(_) => ("confirmed", Other("Fetch"), Success),
            Event::Settled(_) => ("settled", Other("Fetch"), Success),
        };
        let (outcome, sentence) = words(event);
        let message = sentence.unwrap_or_else(|| match outcome.as_str() {
            "" => name.to_owned(),
            outcome => format!("{name}: {outcome}"),
        });
        Self {
            name,
            activity,
            end,
            outcome,
            message,
        }
    }
}

/// Returns the outcome in a few words. Also returns a sentence if the event's name and its outcome
/// do not say everything.
fn words(event: &Event) -> (String, Option<String>) {
    match event {
        Event::Opened(intent) if intent.verdict.allowed => ("allowed".to_owned(), None),
        Event::Opened(intent) => ("denied".to_owned(), Some(denied(&intent.verdict))),
        Event::Refused { verdict, .. } => ("denied".to_owned(), Some(denied(verdict))),
        Event::Progress(made) if !made.calls.is_empty() => (call_failure(event, ""), None),
        Event::Taken { .. } | Event::Progress(_) | Event::Revoking { .. } | Event::Received(_) => {
            (String::new(), None)
        }
        Event::Deferred(deferral) => {
            let until = format!("deferred until {}: {}", deferral.not_before, deferral.why);
            (call_failure(event, ""), Some(until))
        }
        Event::Closed { status, .. } => (status.to_string(), None),
        Event::NotRevoked(attempt) => {
            let (before, why) = (attempt.not_before, &attempt.why);
            let sentence = format!("not revoked; next attempt not before {before}: {why}");
            (call_failure(event, "not revoked"), Some(sentence))
        }
        Event::Revoked { results, .. } => {
            let outcome = match taken_away(results) {
                taken if taken.is_empty() && !results.is_empty() => "covered".to_owned(),
                taken => Status::of(Action::Cancel, &taken).to_string(),
            };
            (outcome, None)
        }
        Event::CalledOff(call_off) => alike(format!("called off by {}", call_off.name())),
        Event::Cancelled(cancelled) => alike(format!("cancelled by {}", cancelled.name())),
        Event::Reopened(reopening) => {
            let by = format!("reopened by {}", reopening.by);
            let sentence = format!("{by}: {}", reopening.reason);
            (by, Some(sentence))
        }
        Event::Notified(done) => (
            format!("notified {}: {}", done.notice.notify, done.notice.on),
            None,
        ),
        Event::NotificationFailed(failed) => {
            let notice = &failed.notice;
            let outcome = format!("could not notify {}: {}", notice.notify, notice.on);
            let sentence = format!("{outcome}: {}", failed.why);
            (outcome, Some(sentence))
        }
        Event::Conflict(_) => {
            let sentence = "a delivery with the id of a recorded request had other content and was not carried out";
            ("refused".to_owned(), Some(sentence.to_owned()))
        }
        Event::Rejected(rejection) => {
            let sentence = format!("not understood: {}", numbered(&rejection.problems));
            ("refused".to_owned(), Some(sentence))
        }
        Event::Drifted(drift) => match drift.count {
            1 => ("1 difference".to_owned(), None),
            count => (format!("{count} differences"), None),
        },
        Event::FetchFailed(failed) => (failed.why.clone(), None),
        Event::Confirmed(confirmed) => (joined(&confirmed.requests, " "), None),
        Event::Settled(settled) => {
            let requests = settled.requests.iter().map(ToString::to_string);
            let parts: Vec<String> = requests.chain(settled.why.clone()).collect();
            (parts.join(" "), None)
        }
    }
}

/// The results of a revocation without the items that another share has inherited.
fn taken_away(results: &[ItemResult]) -> Vec<ItemResult> {
    let gone = results.iter().filter(|result| !result.found());
    gone.cloned().collect()
}

fn alike(text: String) -> (String, Option<String>) {
    (text.clone(), Some(text))
}

fn denied(verdict: &Verdict) -> String {
    format!("denied: {}", numbered(&verdict.refused))
}

pub(super) fn joined<T: ToString>(items: &[T], separator: &str) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

/// Returns the error code that explains a failure.
///
/// If an attempt to revoke left items and no other grant covers any of them, this is the code of
/// the last call that failed. For every other event, it is the code of the first item that failed
/// for good. If no item failed for good, it is the code of the last call, if that call failed: an
/// earlier call that failed may have been repeated with success.
fn failure(event: &Event) -> Option<&String> {
    let (results, calls) = event.parts();
    let lost = results.iter().find_map(|result| match &result.kind {
        ResultKind::Failed {
            code,
            retryable: false,
            ..
        } => Some(code),
        _ => None,
    });
    let mut codes = calls.iter().rev().map(|call| call.code.as_ref());
    match event {
        // Without covered items, something is left because a call failed, or because none was made.
        Event::NotRevoked(tried) if tried.covered.is_empty() => codes.flatten().next(),
        _ => lost.or_else(|| codes.next().flatten()),
    }
}

/// Says in words whether the failed call was sent. Returns the argument `none` if nothing failed.
fn call_failure(event: &Event, none: &str) -> String {
    let (_, calls) = event.parts();
    let call = |code| {
        calls
            .iter()
            .rev()
            .find(|call| call.code.as_ref() == Some(code))
    };
    let outcome = match failure(event).map(call) {
        Some(Some(call)) if call.is_unsent() => "call not sent",
        Some(_) => "call failed",
        None => none,
    };
    outcome.to_owned()
}

impl End {
    fn failed(code: &str) -> Self {
        Self::Failure(code.to_owned())
    }

    fn of(status: Status) -> Self {
        match status {
            Status::Completed => Self::Success,
            Status::Failed => Self::failed("Failed"),
            Status::Denied => Self::Failure(ResultCode::Denied.into()),
            Status::Partial | Status::Pending | Status::Planned | Status::Ignored => {
                Self::Other("Partial")
            }
        }
    }

    fn decided(verdict: &Verdict) -> Self {
        match verdict.allowed {
            true => Self::Success,
            false => Self::of(Status::Denied),
        }
    }

    fn revoked(results: &[ItemResult]) -> Self {
        match taken_away(results) {
            _ if results.is_empty() => Self::Success,
            taken if taken.is_empty() => Self::Other("Covered"),
            taken => Self::of(Status::of(Action::Cancel, &taken)),
        }
    }

    /// Returns a failure with the event's error code, or `end` if the event has no error code.
    fn called(event: &Event, end: Self) -> Self {
        match failure(event) {
            Some(code) => Self::Failure(code.clone()),
            None => end,
        }
    }
}
