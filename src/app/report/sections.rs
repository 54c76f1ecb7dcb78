//! Builds the tables of the page from an overview of the journal.

use crate::domain::{Refused, Timestamp};
use crate::journal::Standing;

use super::super::reader::{
    GrantEntry, NotificationEntry, NotificationStatus, Overview, RejectionEntry, RequestEntry,
    RequestState,
};
use super::decisions;
use super::table::{Cell, Part, Row, Table, Text, Tone};
use super::texts::Texts;
use super::timeline::Window;

/// Maximum number of accounts that a cell shows. The page's search also finds the others.
const MAX_ACCOUNTS: usize = 4;
/// The sort key of a grant without an expiry, which sorts it after all others.
const NO_END: &str = "9999";

/// Returns the tables, in the order of the page.
pub(super) fn tables(texts: Texts, overview: &Overview, now: Timestamp) -> Vec<Table> {
    vec![
        grants(texts, &overview.grants, now),
        decisions::table(texts, &overview.requests),
        refusals(texts, overview),
        drift(texts, overview),
        notifications(texts, &overview.notifications),
        requests(texts, &overview.requests),
    ]
}

fn grants(texts: Texts, grants: &[GrantEntry], now: Timestamp) -> Table {
    let columns = [
        texts.state(),
        texts.image(),
        texts.shared_with(),
        texts.since(),
        texts.ends(),
        texts.timeline(),
        texts.ticket(),
        texts.people(),
        texts.policy(),
    ];
    let window = Window::of(grants, now);
    let rows = grants.iter().map(|grant| {
        let tone = match grant.state {
            Standing::Active => Tone::Good,
            Standing::Covered => Tone::Open,
            Standing::Overdue => Tone::Bad,
        };
        let state = texts.standing(grant.state);
        let image = match &grant.blueprint {
            Some(blueprint) => texts.as_blueprint(blueprint, &grant.region),
            None => grant.region.clone(),
        };
        let until = grant.until;
        let ends = until.map_or(Cell::from(texts.no_end()).sorted_by(NO_END), time);
        let order = until.map_or_else(|| NO_END.to_owned(), |until| until.to_string());
        let bar = Part::Bar(window.bar(grant.since, grant.until));
        let cells = vec![
            Cell::state(tone, state),
            Cell::id(&grant.image).more(image),
            grant.to.as_str().into(),
            time(grant.since),
            ends,
            Cell::from(bar).sorted_by(order),
            Cell::from(grant.ticket.as_str()).more(&grant.request),
            people(texts, &grant.requester, &grant.approvers),
            grant.policies.join(", ").as_str().into(),
        ];
        Row::of(&grant.request, cells).with_state(state)
    });
    let table = Table::new(texts, ("grants", texts.grants()), columns, rows);
    if grants.is_empty() {
        return table;
    }
    let (from, to) = (day(window.from), day(window.to));
    table.about(texts.about_grants(from, to, day(now)))
}

fn refusals(texts: Texts, overview: &Overview) -> Table {
    let columns = [
        texts.when(),
        texts.state(),
        texts.request(),
        texts.requester(),
        texts.image(),
        texts.why(),
    ];
    let denied = overview.requests.iter();
    let denied = denied.filter(|request| request.state == RequestState::Denied);
    let mut rows: Vec<(Timestamp, Row)> = denied
        .map(|request| (request.at, denial(texts, request)))
        .chain(
            overview
                .rejections
                .iter()
                .map(|one| (one.at, rejection(texts, one))),
        )
        .collect();
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let rows = rows.into_iter().map(|(_, row)| row);
    let heading = ("refusals", texts.refusals());
    Table::new(texts, heading, columns, rows).about(texts.about_refusals())
}

fn denial(texts: Texts, request: &RequestEntry) -> Row {
    let mut why = Cell::default();
    // Show each reason once, because many accounts may have been refused for the same reason.
    let mut said: Vec<&str> = Vec::new();
    for Refused { why: reason, .. } in &request.answer.refused {
        if !said.contains(&reason.as_str()) {
            said.push(reason);
            why.parts.push(Part::Text(reason.into()));
        }
    }
    let state = texts.request_state(request.state);
    let cells = vec![
        time(request.at),
        Cell::state(Tone::Bad, state),
        named(request),
        request.requester.as_str().into(),
        Cell::id(&request.image).more(shortened(texts, &request.accounts)),
        why,
    ];
    Row {
        search_words: request.accounts.join(" ").into(),
        ..Row::of(&request.identity, cells).with_state(state)
    }
}

fn rejection(texts: Texts, entry: &RejectionEntry) -> Row {
    let state = match entry.request {
        Some(_) => texts.used_id(),
        None => texts.not_understood(),
    };
    let problems = entry.problems.iter();
    let problems = problems.map(|problem| Part::Text(problem.to_string().into()));
    let delivery = entry.delivery_id.as_deref().unwrap_or_default();
    let cells = vec![
        time(entry.at),
        Cell::state(Tone::Open, state),
        Cell::from(entry.source.as_str()).more(delivery),
        Cell::default(),
        Cell::default(),
        Cell {
            key: None,
            parts: problems.collect(),
        },
    ];
    Row {
        source: entry.source.as_str().into(),
        state,
        cells,
        ..Row::default()
    }
}

fn drift(texts: Texts, overview: &Overview) -> Table {
    let columns = [
        texts.difference(),
        texts.image(),
        texts.region(),
        texts.shared_with(),
        texts.meaning(),
    ];
    let differences = overview
        .drift
        .iter()
        .flat_map(|(_, drift)| &drift.differences);
    let rows = differences.map(|one| {
        let state = texts.difference_name(one.difference);
        let meaning = texts.difference_meaning(one.difference);
        Row {
            state,
            cells: vec![
                Cell::state(Tone::Bad, state),
                Cell::id(&one.image),
                one.region.as_str().into(),
                one.to.as_str().into(),
                Cell::from(meaning).more(texts.difference_remedy(one.difference)),
            ],
            ..Row::default()
        }
    });
    let about = match &overview.drift {
        None => texts.no_drift().to_owned(),
        Some((at, drift)) => texts.about_drift(minute(*at), drift.count),
    };
    let table = Table::new(texts, ("drift", texts.drift()), columns, rows).about(about);
    match &overview.drift {
        // A record keeps only the first differences.
        Some((_, drift)) if drift.count > drift.differences.len() as u64 => Table {
            count: texts.first_of(drift.differences.len(), drift.count),
            ..table
        },
        _ => table,
    }
}

fn notifications(texts: Texts, notifications: &[NotificationEntry]) -> Table {
    let columns = [
        texts.state(),
        texts.target(),
        texts.about(),
        texts.request(),
        texts.when(),
        texts.attempts(),
        texts.why(),
    ];
    let rows = notifications.iter().map(|one| {
        let tone = match one.state {
            NotificationStatus::Owed if one.attempts == 0 => Tone::Plain,
            NotificationStatus::Owed => Tone::Open,
            NotificationStatus::Sent => Tone::Good,
            NotificationStatus::GivenUp | NotificationStatus::TargetRemoved => Tone::Bad,
        };
        let state = texts.notification(one.state);
        let cells = vec![
            Cell::state(tone, state),
            one.notify.to_string().as_str().into(),
            texts.notice(one.on).into(),
            one.request.as_str().into(),
            time(one.at),
            one.attempts.to_string().as_str().into(),
            one.why.as_deref().unwrap_or_default().into(),
        ];
        Row::of(&one.request, cells).with_state(state)
    });
    let heading = ("notifications", texts.notifications());
    Table::new(texts, heading, columns, rows)
}

fn requests(texts: Texts, requests: &[RequestEntry]) -> Table {
    let columns = [
        texts.approved(),
        texts.state(),
        texts.request(),
        texts.action(),
        texts.image(),
        texts.accounts(),
        texts.requester(),
        texts.policy(),
    ];
    let rows = requests.iter().map(|request| {
        let tone = match request.state {
            RequestState::Completed | RequestState::Revoked => Tone::Good,
            RequestState::Denied | RequestState::Failed | RequestState::Blocked => Tone::Bad,
            RequestState::Partial | RequestState::Unfinished | RequestState::Revoking => Tone::Open,
            RequestState::Waiting | RequestState::Working => Tone::Plain,
        };
        let state = texts.request_state(request.state);
        let cells = vec![
            time(request.at),
            Cell::state(tone, state),
            named(request),
            texts.action_name(request.action).into(),
            Cell::id(&request.image).more(&request.region),
            shortened(texts, &request.receivers()).as_str().into(),
            request.requester.as_str().into(),
            request.answer.policy.join(", ").as_str().into(),
        ];
        Row {
            search_words: request.accounts.join(" ").into(),
            ..Row::of(&request.identity, cells).with_state(state)
        }
    });
    Table::new(texts, ("requests", texts.requests()), columns, rows)
}

/// Returns a cell with a request's identity. If the request's ticket differs from its id, the cell
/// also shows the ticket.
fn named(request: &RequestEntry) -> Cell {
    let ticket = request.ticket.as_deref().unwrap_or_default();
    let cell = Cell::from(request.identity.as_str());
    match request.identity.split_once('/') {
        Some((_, id)) if id == ticket => cell,
        _ => cell.more(ticket),
    }
}

fn people(texts: Texts, requester: &str, approvers: &[String]) -> Cell {
    let cell = Cell::from(requester);
    match approvers {
        [] => cell,
        approvers => cell.more(texts.approved_by(approvers.join(", "))),
    }
}

fn shortened(texts: Texts, accounts: &[String]) -> String {
    let first: Vec<&str> = (accounts.iter().take(MAX_ACCOUNTS))
        .map(String::as_str)
        .collect();
    match accounts.len().saturating_sub(MAX_ACCOUNTS) {
        0 => first.join(" "),
        more => texts.and_more(first.join(" "), more),
    }
}

fn time(at: Timestamp) -> Cell {
    Cell::from(minute(at).as_str()).sorted_by(at)
}

/// Formats an instant to the minute. `explain` shows the seconds.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Returns the sources and states of all rows, for the page's filters.
pub(super) fn filters(tables: &[Table]) -> (Vec<Text>, Vec<&'static str>) {
    let rows = || tables.iter().flat_map(|table| &table.rows);
    let mut sources: Vec<Text> = rows().map(|row| row.source.clone()).collect();
    let mut states: Vec<&str> = rows().map(|row| row.state).collect();
    sources.retain(|source| *source != Text::default());
    states.retain(|state| !state.is_empty());
    sources.sort();
    sources.dedup();
    states.sort_unstable();
    states.dedup();
    (sources, states)
}
