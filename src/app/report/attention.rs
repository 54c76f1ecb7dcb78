//! Lists what needs a person's attention, the most urgent first. Takes an overview of the journal
//! and the result of its verification. Returns sentences, some of them with a remedy.

use jiff::SignedDuration;

use crate::domain::{ItemResult, ResultKind, Timestamp};
use crate::journal::Standing;

use super::super::reader::{NotificationStatus, Overview, RequestEntry, RequestState};
use super::evidence::{Evidence, Seals};
use super::table::{Note, Tone};
use super::texts::Texts;

/// Maximum number of sentences. If there are more, a last sentence says how many were left out.
const MAX_NOTES: usize = 50;
/// How long a failure needs attention. Also how far in advance an expiry is announced.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long recorded differences need attention. While the differences persist, they are recorded
/// again once a day.
const DRIFT_IS_PRESENT: SignedDuration = SignedDuration::from_hours(48);

pub(super) fn notes(
    texts: Texts,
    overview: &Overview,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<Note> {
    let mut notes: Vec<Note> = overdue(texts, overview)
        .chain(damage(texts, overview, evidence))
        .chain(drifted(texts, overview, now))
        .chain(requests(texts, overview, now))
        .chain(given_up(texts, overview, now))
        .chain(ending(texts, overview, now))
        .collect();
    notes.sort_by_key(|note| match note.tone {
        Tone::Bad => 0,
        Tone::Open => 1,
        Tone::Plain | Tone::Good => 2,
    });
    let more = notes.len().saturating_sub(MAX_NOTES);
    if more > 0 {
        notes.truncate(MAX_NOTES);
        notes.push(Note::new(Tone::Open, texts.more_notes(more)));
    }
    notes
}

fn overdue(texts: Texts, overview: &Overview) -> impl Iterator<Item = Note> {
    let overdue = overview.grants.iter();
    let overdue = overdue.filter(|grant| grant.state == Standing::Overdue);
    overdue.map(move |grant| {
        let until = grant.until.map(|until| format!("{until:.0}"));
        let text = texts.still_shared(&grant.image, &grant.to, until.unwrap_or_default());
        Note::new(Tone::Bad, text).with_remedy(texts.sweep_says_why())
    })
}

fn damage(texts: Texts, overview: &Overview, evidence: &Evidence) -> impl Iterator<Item = Note> {
    let findings = match evidence.findings() {
        0 => None,
        count => {
            let note = Note::new(Tone::Bad, texts.findings(count));
            Some(note.with_remedy(texts.findings_remedy()))
        }
    };
    let flaws = overview.flaws.iter();
    let flaws = flaws.map(move |flaw| Note::new(Tone::Bad, texts.not_on_page(flaw)));
    let unverified = matches!(evidence.seals, Seals::NoKey | Seals::OtherKey)
        .then(|| Note::new(Tone::Open, texts.seals_unverified()).with_remedy(texts.seals_remedy()));
    findings.into_iter().chain(flaws).chain(unverified)
}

fn drifted(texts: Texts, overview: &Overview, now: Timestamp) -> Option<Note> {
    let (at, drift) = overview.drift.as_ref()?;
    let present = now.duration_since(*at) < DRIFT_IS_PRESENT;
    present.then(|| {
        let text = texts.drifted(drift.count, format_args!("{at:.0}"));
        Note::new(Tone::Bad, text).with_remedy(texts.drifted_remedy())
    })
}

fn requests(texts: Texts, overview: &Overview, now: Timestamp) -> impl Iterator<Item = Note> {
    let requests = overview.requests.iter();
    requests.filter_map(move |request| {
        let recent = now.duration_since(request.at) < WEEK;
        let (tone, command, remedy) = match request.state {
            RequestState::Blocked => (Tone::Bad, None, texts.blocked_remedy()),
            RequestState::Unfinished | RequestState::Revoking => {
                (Tone::Open, None, texts.next_sweep())
            }
            RequestState::Failed | RequestState::Partial
                if recent && overview.no_retry.contains(&request.identity) =>
            {
                (Tone::Open, None, texts.no_retry_remedy())
            }
            RequestState::Failed | RequestState::Partial if recent => {
                let retry = Some("sharehook retry");
                (Tone::Open, retry, texts.retry_remedy())
            }
            RequestState::Failed
            | RequestState::Partial
            | RequestState::Waiting
            | RequestState::Working
            | RequestState::Completed
            | RequestState::Denied
            | RequestState::Revoked => return None,
        };
        let state = texts.request_state(request.state);
        let text = texts.request_is(&request.identity, state, reason(texts, request));
        let note = Note::new(tone, text).with_remedy(remedy);
        Some(match command {
            Some(command) => note.with_command(command, &request.identity),
            None => note,
        })
    })
}

/// Returns why a request is not completed.
fn reason(texts: Texts, request: &RequestEntry) -> String {
    let failure = |result: &ItemResult| match &result.kind {
        ResultKind::Failed { message, .. } => {
            Some(texts.failure(texts.item(&result.item), message))
        }
        _ => None,
    };
    let failed = || request.answer.results.iter().find_map(failure);
    let said = request.answer.message.clone().or_else(failed);
    said.unwrap_or_else(|| texts.not_all_done().to_owned())
}

fn given_up(texts: Texts, overview: &Overview, now: Timestamp) -> impl Iterator<Item = Note> {
    let notifications = overview.notifications.iter();
    let recent = notifications.filter(move |one| now.duration_since(one.at) < WEEK);
    let given_up = recent.filter(|one| one.state == NotificationStatus::GivenUp);
    given_up.map(move |one| {
        let (notify, on, request) = (&one.notify, one.on, &one.request);
        let why = one.why.as_deref().unwrap_or(texts.target_refused());
        let text = texts.not_notified(notify, texts.notice(on), request, why);
        Note::new(Tone::Bad, text)
            .with_command("sharehook notify --retry", &format!("{notify}/{request}"))
            .with_remedy(texts.notify_remedy())
    })
}

fn ending(texts: Texts, overview: &Overview, now: Timestamp) -> Option<Note> {
    let soon = |until: &Timestamp| *until > now && until.duration_since(now) < WEEK;
    let ends: Vec<Timestamp> = (overview.grants.iter())
        .filter_map(|grant| grant.until)
        .filter(soon)
        .collect();
    let first = ends.iter().min()?;
    let first = format_args!("{first:.0}");
    let text = match ends.len() {
        1 => texts.one_ends(first),
        count => texts.some_end(count, first),
    };
    Some(Note::new(Tone::Plain, text).with_remedy(texts.ending_remedy()))
}
