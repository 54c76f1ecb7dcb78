//! The tables of the page. In: what the journal says. Out: rows.

use crate::domain::{Refused, Timestamp};
use crate::journal::Standing;

use super::super::reader::{
    GrantEntry, NotificationEntry, NotificationStatus, Overview, RejectionEntry, RequestEntry,
    RequestState,
};
use super::decisions;
use super::table::{Cell, Part, Row, Table, Text, Tone};
use super::timeline::Window;

/// Maximum number of accounts that a cell names. The search finds the others too.
const MAX_ACCOUNTS: usize = 4;
/// Sorts what has no end behind every end.
const NO_END: &str = "9999";
/// The state of a delivery that was not understood.
const NOT_UNDERSTOOD: &str = "not understood";

/// The tables, in the order of the page.
pub(super) fn tables(overview: &Overview, now: Timestamp) -> Vec<Table> {
    vec![
        grants(&overview.grants, now),
        decisions::table(&overview.requests),
        refusals(overview),
        drift(overview),
        notifications(&overview.notifications),
        requests(&overview.requests),
    ]
}

fn grants(grants: &[GrantEntry], now: Timestamp) -> Table {
    const COLUMNS: &[&str] = &[
        "State",
        "Image",
        "Shared with",
        "Since",
        "Ends",
        "Timeline",
        "Ticket",
        "People",
        "Policy",
    ];
    let window = Window::of(grants, now);
    let rows = grants.iter().map(|grant| {
        let tone = match grant.state {
            Standing::Active => Tone::Good,
            Standing::Covered => Tone::Open,
            Standing::Overdue => Tone::Bad,
        };
        let blueprint = grant.blueprint.as_ref();
        let image = match blueprint {
            Some(blueprint) => format!("as {blueprint}, {}", grant.region),
            None => grant.region.clone(),
        };
        let until = grant.until;
        let ends = until.map_or(Cell::from("no end").sorted_by(NO_END), time);
        let order = until.map_or_else(|| NO_END.to_owned(), |until| until.to_string());
        let bar = Part::Bar(window.bar(grant.since, grant.until));
        let cells = vec![
            Cell::state(tone, grant.state.as_str()),
            Cell::from(grant.image.as_str()).more(image),
            grant.to.as_str().into(),
            time(grant.since),
            ends,
            Cell::from(bar).sorted_by(order),
            Cell::from(grant.ticket.as_str()).more(&grant.request),
            people(&grant.requester, &grant.approvers),
            grant.policies.join(", ").as_str().into(),
        ];
        Row::of(&grant.request, cells).with_state(grant.state.as_str())
    });
    let table = Table::new("grants", "Active grants", COLUMNS, rows);
    if grants.is_empty() {
        return table;
    }
    let (from, to) = (day(window.from), day(window.to));
    table.about(format!(
        "The next end first. The timeline runs from {from} to {to}; its mark is {}.",
        day(now)
    ))
}

fn refusals(overview: &Overview) -> Table {
    const COLUMNS: &[&str] = &["When", "State", "Request", "Requester", "Image", "Why"];
    let denied = overview.requests.iter();
    let denied = denied.filter(|request| request.state == RequestState::Denied);
    let mut rows: Vec<(Timestamp, Row)> = denied
        .map(|request| (request.at, denial(request)))
        .chain(
            overview
                .rejections
                .iter()
                .map(|one| (one.at, rejection(one))),
        )
        .collect();
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let rows = rows.into_iter().map(|(_, row)| row);
    Table::new("refusals", "Refusals", COLUMNS, rows).about(
        "Requests that the policy denied, and authenticated deliveries that were not understood, the newest first.",
    )
}

fn denial(request: &RequestEntry) -> Row {
    let mut why = Cell::default();
    // Most accounts of a request are refused for the same reason.
    let mut said: Vec<&str> = Vec::new();
    for Refused { why: reason, .. } in &request.answer.refused {
        if !said.contains(&reason.as_str()) {
            said.push(reason);
            why.parts.push(Part::Text(reason.into()));
        }
    }
    let cells = vec![
        time(request.at),
        Cell::state(Tone::Bad, request.state.as_str()),
        named(request),
        request.requester.as_str().into(),
        Cell::from(request.image.as_str()).more(some(&request.accounts)),
        why,
    ];
    Row {
        also: request.accounts.join(" ").into(),
        ..Row::of(&request.identity, cells).with_state(request.state.as_str())
    }
}

fn rejection(entry: &RejectionEntry) -> Row {
    let rejection = &entry.rejection;
    let problems = rejection.problems.iter();
    let problems = problems.map(|problem| Part::Text(problem.to_string().into()));
    let delivery = rejection.delivery_id.as_deref().unwrap_or_default();
    let cells = vec![
        time(entry.at),
        Cell::state(Tone::Open, NOT_UNDERSTOOD),
        Cell::from(rejection.source.as_str()).more(delivery),
        Cell::default(),
        Cell::default(),
        Cell {
            key: None,
            parts: problems.collect(),
        },
    ];
    Row {
        source: rejection.source.as_str().into(),
        state: NOT_UNDERSTOOD,
        cells,
        ..Row::default()
    }
}

fn drift(overview: &Overview) -> Table {
    const COLUMNS: &[&str] = &["Difference", "Image", "Region", "Shared with", "Meaning"];
    let differences = overview
        .drift
        .iter()
        .flat_map(|(_, drift)| &drift.differences);
    let rows = differences.map(|one| Row {
        state: one.difference.as_str(),
        cells: vec![
            Cell::state(Tone::Bad, one.difference.as_str()),
            one.image.as_str().into(),
            one.region.as_str().into(),
            one.to.as_str().into(),
            Cell::from(one.difference.meaning()).more(one.difference.remedy()),
        ],
        ..Row::default()
    });
    let about = match &overview.drift {
        None => "No scheduled comparison of cloud and journal has found a difference.".to_owned(),
        Some((at, drift)) => format!(
            "The newest scheduled comparison that found differences is of {}; it found {}. \
             A comparison that finds none leaves no record.",
            minute(*at),
            drift.count
        ),
    };
    Table::new("drift", "Drift", COLUMNS, rows).about(about)
}

fn notifications(notifications: &[NotificationEntry]) -> Table {
    const COLUMNS: &[&str] = &[
        "State", "Target", "About", "Request", "When", "Attempts", "Why",
    ];
    let rows = notifications.iter().map(|one| {
        let tone = match one.state {
            NotificationStatus::Owed if one.attempts == 0 => Tone::Plain,
            NotificationStatus::Owed => Tone::Open,
            NotificationStatus::Sent => Tone::Good,
            NotificationStatus::GivenUp => Tone::Bad,
        };
        let cells = vec![
            Cell::state(tone, one.state.in_words()),
            one.notify.to_string().as_str().into(),
            one.on.as_str().into(),
            one.request.as_str().into(),
            time(one.at),
            one.attempts.to_string().as_str().into(),
            one.why.as_deref().unwrap_or_default().into(),
        ];
        Row::of(&one.request, cells).with_state(one.state.in_words())
    });
    Table::new("notifications", "Notifications", COLUMNS, rows)
}

fn requests(requests: &[RequestEntry]) -> Table {
    const COLUMNS: &[&str] = &[
        "Approved",
        "State",
        "Request",
        "Action",
        "Image",
        "Accounts",
        "Requester",
        "Policy",
    ];
    let rows = requests.iter().map(|request| {
        let tone = match request.state {
            RequestState::Completed | RequestState::Revoked => Tone::Good,
            RequestState::Denied | RequestState::Failed | RequestState::Blocked => Tone::Bad,
            RequestState::Partial | RequestState::Unfinished | RequestState::Revoking => Tone::Open,
            RequestState::Waiting | RequestState::Working => Tone::Plain,
        };
        let cells = vec![
            time(request.at),
            Cell::state(tone, request.state.as_str()),
            named(request),
            request.action.as_str().into(),
            Cell::from(request.image.as_str()).more(&request.region),
            some(&request.receivers()).as_str().into(),
            request.requester.as_str().into(),
            request.answer.policy.join(", ").as_str().into(),
        ];
        Row {
            also: request.accounts.join(" ").into(),
            ..Row::of(&request.identity, cells).with_state(request.state.as_str())
        }
    });
    Table::new("requests", "Requests", COLUMNS, rows)
}

/// A request's name, with its ticket where that is another.
fn named(request: &RequestEntry) -> Cell {
    let ticket = request.ticket.as_deref().unwrap_or_default();
    let cell = Cell::from(request.identity.as_str());
    match request.identity.split_once('/') {
        Some((_, id)) if id == ticket => cell,
        _ => cell.more(ticket),
    }
}

fn people(requester: &str, approvers: &[String]) -> Cell {
    let cell = Cell::from(requester);
    match approvers {
        [] => cell,
        approvers => cell.more(format!("approved by {}", approvers.join(", "))),
    }
}

/// Shortens a long list of accounts.
fn some(accounts: &[String]) -> String {
    let first: Vec<&str> = (accounts.iter().take(MAX_ACCOUNTS))
        .map(String::as_str)
        .collect();
    match accounts.len().saturating_sub(MAX_ACCOUNTS) {
        0 => first.join(" "),
        more => format!("{} and {more} more", first.join(" ")),
    }
}

fn time(at: Timestamp) -> Cell {
    Cell::from(minute(at).as_str()).sorted_by(at)
}

/// An instant to the minute. `explain` has the seconds.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The sources and states of all rows, for the filters.
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
