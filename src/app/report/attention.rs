//! What needs a person's attention, the most urgent first. In: what the journal says, and its
//! verification. Out: sentences, each with its remedy.

use jiff::SignedDuration;

use crate::domain::{ItemResult, ResultKind, Timestamp};
use crate::journal::Standing;

use super::super::reader::{NotificationStatus, Overview, RequestEntry, RequestState};
use super::evidence::{Evidence, Seals};
use super::table::{Note, Tone};

/// Maximum number of sentences. The tables have the rest.
const MAX_NOTES: usize = 50;
/// How long what failed is worth attention, and how soon an end is.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A comparison that finds differences is recorded once a day.
const DRIFT_IS_PRESENT: SignedDuration = SignedDuration::from_hours(48);

/// What needs attention.
pub(super) fn notes(overview: &Overview, evidence: &Evidence, now: Timestamp) -> Vec<Note> {
    let mut notes: Vec<Note> = overdue(overview)
        .chain(damage(overview, evidence))
        .chain(drifted(overview, now))
        .chain(requests(overview, now))
        .chain(given_up(overview, now))
        .chain(ending(overview, now))
        .collect();
    notes.sort_by_key(|note| match note.tone {
        Tone::Bad => 0,
        Tone::Open => 1,
        Tone::Plain | Tone::Good => 2,
    });
    let more = notes.len().saturating_sub(MAX_NOTES);
    if more > 0 {
        notes.truncate(MAX_NOTES);
        let text = format!("and {more} more, in the tables below");
        notes.push(Note::new(Tone::Open, text));
    }
    notes
}

fn overdue(overview: &Overview) -> impl Iterator<Item = Note> {
    let overdue = overview.grants.iter();
    let overdue = overdue.filter(|grant| grant.state == Standing::Overdue);
    overdue.map(|grant| {
        let until = grant.until.map(|until| format!("{until:.0}"));
        let text = format!(
            "{} is still shared with {}, although the share ended at {}.",
            grant.image,
            grant.to,
            until.unwrap_or_default()
        );
        Note::new(Tone::Bad, text)
            .with_remedy("`sharehook sweep` says why; correct that, and sweep again.")
    })
}

fn damage(overview: &Overview, evidence: &Evidence) -> impl Iterator<Item = Note> {
    let findings = match evidence.findings() {
        0 => None,
        count => {
            let text = format!("Findings of the journal's verification: {count}.");
            let remedy = "They are under Evidence; restore what was changed from a backup.";
            Some(Note::new(Tone::Bad, text).with_remedy(remedy))
        }
    };
    let flaws = overview.flaws.iter();
    let flaws = flaws.map(|flaw| Note::new(Tone::Bad, format!("Not on this page: {flaw}")));
    let unverified = (evidence.seals == Seals::NoKey).then(|| {
        let remedy = "Evidence says how to verify them.";
        Note::new(Tone::Open, "The journal's seals were not verified.").with_remedy(remedy)
    });
    findings.into_iter().chain(flaws).chain(unverified)
}

fn drifted(overview: &Overview, now: Timestamp) -> Option<Note> {
    let (at, drift) = overview.drift.as_ref()?;
    let present = now.duration_since(*at) < DRIFT_IS_PRESENT;
    present.then(|| {
        let text = format!(
            "Differences between cloud and journal: {}, found at {at:.0}.",
            drift.count
        );
        let remedy =
            "They are under Drift, each with its remedy; `sharehook drift` compares again.";
        Note::new(Tone::Bad, text).with_remedy(remedy)
    })
}

fn requests(overview: &Overview, now: Timestamp) -> impl Iterator<Item = Note> {
    let requests = overview.requests.iter();
    requests.filter_map(move |request| {
        let recent = now.duration_since(request.at) < WEEK;
        let (tone, command, remedy) = match request.state {
            RequestState::Blocked => (
                Tone::Bad,
                None,
                "Only an operator can correct this; `sharehook sweep` then tries at once.",
            ),
            RequestState::Unfinished | RequestState::Revoking => {
                (Tone::Open, None, "The next sweep continues it.")
            }
            RequestState::Failed | RequestState::Partial if recent => {
                let retry = Some("sharehook retry");
                (Tone::Open, retry, "has it decided again.")
            }
            RequestState::Failed
            | RequestState::Partial
            | RequestState::Waiting
            | RequestState::Working
            | RequestState::Completed
            | RequestState::Denied
            | RequestState::Revoked => return None,
        };
        let text = format!(
            "{} is {}: {}",
            request.identity,
            request.state,
            reason(request)
        );
        let note = Note::new(tone, text).with_remedy(remedy);
        Some(match command {
            Some(command) => note.with_command(command, &request.identity),
            None => note,
        })
    })
}

/// Why a request is not completed.
fn reason(request: &RequestEntry) -> String {
    let failure = |result: &ItemResult| match &result.kind {
        ResultKind::Failed { message, .. } => Some(format!("{}: {message}", result.item)),
        _ => None,
    };
    let failed = || request.answer.results.iter().find_map(failure);
    let said = request.answer.message.clone().or_else(failed);
    said.unwrap_or_else(|| "not all of it is done".to_owned())
}

fn given_up(overview: &Overview, now: Timestamp) -> impl Iterator<Item = Note> {
    let notifications = overview.notifications.iter();
    let recent = notifications.filter(move |one| now.duration_since(one.at) < WEEK);
    let given_up = recent.filter(|one| one.state == NotificationStatus::GivenUp);
    given_up.map(|one| {
        let (notify, on, request) = (&one.notify, one.on, &one.request);
        let why = one.why.as_deref().unwrap_or("the target did not take it");
        let text = format!("{notify} was not notified of {on}, {request}: {why}");
        Note::new(Tone::Bad, text)
            .with_command("sharehook notify --retry", &format!("{notify}/{request}"))
            .with_remedy("delivers it again.")
    })
}

fn ending(overview: &Overview, now: Timestamp) -> Option<Note> {
    let soon = |until: &Timestamp| *until > now && until.duration_since(now) < WEEK;
    let ends: Vec<Timestamp> = (overview.grants.iter())
        .filter_map(|grant| grant.until)
        .filter(soon)
        .collect();
    let first = ends.iter().min()?;
    let text = match ends.len() {
        1 => format!("One share ends within seven days, at {first:.0}."),
        count => format!("{count} shares end within seven days, the first at {first:.0}."),
    };
    Some(Note::new(Tone::Plain, text).with_remedy("A new ticket shares for longer."))
}
