//! Explains one request from its records: who asked, who approved, each decision, each call, the
//! results, the notifications, what happens next, and the evidence. Takes a history and the current
//! time. Returns an [`Explanation`], which is printed or written as JSON.

use serde::Serialize;

use crate::domain::{Identity, Item, ItemResult, NoticeRules, Status, Timestamp, Verdict};
use crate::journal::{
    CallNote, Event, History, Phase, Received, Reopening, State, Stored, StreamId,
};

use super::entries::{NotificationEntry, RequestEntry, RequestState};

/// What the journal contains about one request.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The entry of the request in lists, with its answer.
    #[serde(flatten)]
    pub entry: RequestEntry,
    /// The blueprint that a chain created from the image. The chain's accounts see this blueprint
    /// in Lighthouse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<String>,
    /// The root account that owns the image, if it is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub approvers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The delivery that brought the request.
    pub delivery: DeliveryFacts,
    /// The decisions, oldest first.
    pub decisions: Vec<DecisionEntry>,
    pub calls: Vec<CallEntry>,
    /// The results of revoking the share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<ItemResult>,
    /// The later cancels that stopped sharing items of the closed share, or found that they were
    /// not shared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cancelled: Vec<CancelledEntry>,
    /// The notifications, sent and owed.
    pub notifications: Vec<NotificationEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When the share expires. `None` if it has no expiry, or if cancels ended the whole share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub next: String,
    pub evidence: Evidence,
}

/// How a request arrived.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryFacts {
    /// When record 0 was written.
    pub at: Timestamp,
    pub scheme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What authenticated the delivery: a secret's reference and version, or a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_fingerprint: Option<String>,
    #[serde(flatten)]
    pub received: Received,
}

#[derive(Debug, Clone, Serialize)]
pub struct DecisionEntry {
    pub at: Timestamp,
    /// The operator who reopened the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Serialize)]
pub struct CallEntry {
    /// When the record of the call was written.
    pub at: Timestamp,
    #[serde(flatten)]
    pub call: CallNote,
}

/// The items that a later cancel stopped sharing, or that it found not shared.
#[derive(Debug, Clone, Serialize)]
pub struct CancelledEntry {
    pub at: Timestamp,
    /// The cancel, as `source/id`.
    pub by: String,
    /// The cancel's ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    pub items: Vec<Item>,
}

/// The request's records in the journal.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    pub stream: StreamId,
    /// How many records the request has.
    pub records: u64,
    /// How many of the records are sealed. `None` if the journal has no seal.
    pub sealed: Option<u64>,
    /// SHA-256, in hex, of the newest record's file.
    pub newest: String,
}

impl Explanation {
    /// Explains a request. Returns `None` if the stream does not belong to a request. `sealed` is
    /// the number of the request's sealed records. `no_retry` is the reason if `retry` refuses to
    /// reopen the request.
    pub(super) fn of(
        history: &History,
        rules: &NoticeRules,
        now: Timestamp,
        sealed: Option<u64>,
        no_retry: Option<String>,
    ) -> Option<Self> {
        let (state, first) = (history.state()?, history.records.first()?);
        let (intent, request) = (state.intent(), state.request());
        let calls = history.records.iter().flat_map(|one| {
            let at = one.record.at;
            let calls = one.record.event.parts().1.iter().cloned();
            calls.map(move |call| CallEntry { at, call })
        });
        Some(Self {
            entry: RequestEntry::of(state),
            blueprint: state.blueprint().map(ToString::to_string),
            owner: state.owner().map(ToString::to_string),
            approvers: request.approvers.clone(),
            reason: request.reason.clone(),
            delivery: DeliveryFacts {
                at: first.record.at,
                scheme: intent.scheme.clone(),
                id: intent.delivery_id.clone(),
                secret_fingerprint: intent.secret_fingerprint.clone(),
                received: intent.received.clone(),
            },
            decisions: history
                .records
                .iter()
                .filter_map(DecisionEntry::of)
                .collect(),
            calls: calls.collect(),
            revoked: state.revoked().to_vec(),
            cancelled: (history.records.iter())
                .filter_map(CancelledEntry::of)
                .collect(),
            notifications: NotificationEntry::all_of(&history.stream_state, rules, now),
            not_before: request.not_before,
            expires_at: state.expires_at().filter(|_| cancelled_by(state).is_none()),
            next: next(state, now, no_retry),
            evidence: Evidence {
                stream: history.stream,
                records: history.records.len() as u64,
                sealed,
                newest: state.head().hash.clone(),
            },
        })
    }

    pub fn state(&self) -> RequestState {
        self.entry.state
    }
}

impl DecisionEntry {
    fn of(stored: &Stored) -> Option<Self> {
        let (by, reason, verdict) = match &stored.record.event {
            Event::Opened(intent) => (None, None, &intent.verdict),
            Event::Taken {
                verdict: Some(verdict),
                ..
            }
            | Event::Refused { verdict, .. } => (None, None, verdict),
            Event::Reopened(Reopening {
                by,
                reason,
                verdict,
                ..
            }) => (Some(by.clone()), Some(reason.clone()), verdict),
            _ => return None,
        };
        Some(Self {
            at: stored.record.at,
            by,
            reason,
            verdict: verdict.clone(),
        })
    }
}

impl CancelledEntry {
    fn of(stored: &Stored) -> Option<Self> {
        let Event::Cancelled(cancelled) = &stored.record.event else {
            return None;
        };
        Some(Self {
            at: stored.record.at,
            by: cancelled.by.to_string(),
            ticket: cancelled.ticket.clone(),
            items: cancelled.items.clone(),
        })
    }
}

/// Returns the cancel that ended the last item of a closed share.
fn cancelled_by(state: &State) -> Option<&Identity> {
    let cancelled = state.cancelled().last()?;
    state.grant().is_none().then_some(&cancelled.by)
}

fn next(state: &State, now: Timestamp, no_retry: Option<String>) -> String {
    let retry = || "nothing; `sharehook retry` decides the request again".to_owned();
    let again = |why: &str, at: &Timestamp| format!("tried again from {at:.0} on: {why}");
    match state.phase() {
        Phase::Waiting { until } => {
            format!("carried out from {until:.0} on, after another decision")
        }
        Phase::Working { .. } | Phase::Revoking { .. } if state.holder_gone() => {
            "its worker died: the next sweep or delivery continues it".to_owned()
        }
        Phase::Working { lease_until, .. } => {
            format!(
                "a worker carries it out; if it has not ended by {lease_until:.0}, another one takes over"
            )
        }
        Phase::Revoking { lease_until, .. } => {
            format!(
                "a worker revokes it; if it has not ended by {lease_until:.0}, another one takes over"
            )
        }
        Phase::Deferred {
            why, not_before, ..
        }
        | Phase::RevokeDeferred {
            why, not_before, ..
        } => again(why, not_before),
        Phase::Denied => no_retry.map_or_else(retry, |why| format!("nothing: {why}")),
        Phase::Revoked if state.inherited_all() => {
            "nothing: the share has ended; the end of another share of the image revokes it"
                .to_owned()
        }
        Phase::Revoked => "nothing: the share was revoked".to_owned(),
        Phase::Closed => match (state.grant(), state.ends_at()) {
            (None, _) => match (no_retry, cancelled_by(state)) {
                (None, _) => retry(),
                (Some(_), Some(cancel)) => format!("nothing: {cancel} cancelled the share"),
                (Some(_), None) if state.status() == Status::Completed => {
                    "nothing: it is finished".to_owned()
                }
                (Some(why), None) => format!("nothing: {why}"),
            },
            (Some(_), None) => "nothing: the share never expires; a cancel revokes it".to_owned(),
            (Some(_), Some(end)) if end <= now => {
                format!("the share has been overdue since {end:.0}: the next sweep revokes it")
            }
            (Some(_), Some(end)) => {
                let renewed = state.results().iter().any(|result| result.renewed);
                let unless = match renewed {
                    true => ", unless another share of the image ends later",
                    false => "",
                };
                format!("the sweep revokes the share at {end:.0}{unless}")
            }
        },
    }
}
