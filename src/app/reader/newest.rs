//! Reads the requests of a journal, and keeps only what the caller needs of each: the states of all
//! requests of a large journal need some hundred megabytes.

use std::cmp::Reverse;

use crate::domain::{Identity, Timestamp};
use crate::journal::{History, Journal, JournalError, NewestFirst, State, StreamId};

use super::filters::RequestFilter;
use super::listed::Listed;

/// How many entries beyond the double of a limit are kept before the older ones are dropped.
const SLACK: usize = 256;

/// Returns what `read` returns for the requests that match the filter, or for the newest `limit` of
/// them. The result is sorted by the time of approval, latest first. Leaves out requests for which
/// `read` returns `None`.
pub(in crate::app) async fn newest<T>(
    mut all: NewestFirst,
    filter: &RequestFilter,
    limit: Option<usize>,
    read: impl Fn(State) -> Option<T>,
) -> Result<Listed<T>, JournalError> {
    let mut entries: Vec<(Reverse<Timestamp>, T)> = Vec::new();
    let (mut flaws, mut left_out, mut older) = (Vec::new(), 0, false);
    let cut = |entries: &mut Vec<(Reverse<Timestamp>, T)>| {
        entries.sort_by_key(|(at, _)| *at);
        entries.truncate(limit.unwrap_or(usize::MAX));
    };
    while let Some(batch) = all.next().await? {
        for request in &batch.requests {
            match request.history() {
                Ok(history) => match history.and_then(History::into_state) {
                    Some(state) if filter.matches(&state) => {
                        let at = Reverse(state.approved_at());
                        entries.extend(read(state).map(|entry| (at, entry)));
                    }
                    Some(_) => left_out += 1,
                    None => {}
                },
                Err(finding) => flaws.push(finding.to_string()),
            }
        }
        flaws.extend(batch.flaws.iter().map(ToString::to_string));
        let rest_before = batch.rest_before;
        if rest_before.is_some_and(|before| filter.since.is_some_and(|since| before < since)) {
            older = true;
            break;
        }
        let Some(limit) = limit else { continue };
        if rest_before.is_some() || entries.len() > limit.saturating_mul(2).saturating_add(SLACK) {
            cut(&mut entries);
        }
        let last = entries.last().map(|(Reverse(at), _)| *at);
        if entries.len() == limit
            && rest_before.is_some_and(|before| last.is_none_or(|last| last >= before))
        {
            break;
        }
    }
    cut(&mut entries);
    Ok(Listed {
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        flaws,
        left_out,
        older,
    })
}

/// Finds the requests that `name` names: by the `source/id` or stream of one request, otherwise by
/// the requests' ids. The search by id reads the whole journal.
///
/// # Errors
/// Returns an error if the journal's store failed. Also if `name` is the `source/id` or stream of a
/// damaged request.
pub(crate) async fn find_requests(
    journal: &Journal,
    name: &str,
    now: Timestamp,
) -> Result<Listed<State>, JournalError> {
    find(journal, name, now, |_| false).await
}

/// Like [`find_requests`], but if no request has the id `name`, finds the requests of the ticket
/// `name`.
pub(crate) async fn find_requests_or_ticket(
    journal: &Journal,
    name: &str,
    now: Timestamp,
) -> Result<Listed<State>, JournalError> {
    let of_ticket = |state: &State| state.request().ticket.as_deref() == Some(name);
    let mut found = find(journal, name, now, of_ticket).await?;
    let has_id = |state: &State| state.identity().id == name;
    if found.entries.iter().any(has_id) {
        found.retain(has_id);
    }
    Ok(found)
}

/// Finds the requests that `name` names, and in a search by id also those that `also` takes.
async fn find(
    journal: &Journal,
    name: &str,
    now: Timestamp,
    also: impl Fn(&State) -> bool,
) -> Result<Listed<State>, JournalError> {
    let identity = name.split_once('/').and_then(|(source, id)| {
        let (source, id) = (source.parse().ok()?, id.to_owned());
        Some(StreamId::of(&Identity { source, id }))
    });
    for stream in name.parse().ok().into_iter().chain(identity) {
        let history = journal.read(stream).await?;
        if let Some(state) = history.and_then(History::into_state) {
            return Ok(Listed::of(vec![state], Vec::new()));
        }
    }
    let named = |state: State| (state.identity().id == name || also(&state)).then_some(state);
    let all = journal.newest_first(now).await?;
    newest(all, &RequestFilter::default(), None, named).await
}
