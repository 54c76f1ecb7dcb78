//! `requests`: lists the journal's requests, or prints the answer to one of them. With an option,
//! lists the rejected deliveries, or the announcements whose instance is not fetched yet.

use std::num::NonZeroUsize;

use serde_json::json;

use crate::app::{
    AnnouncementEntry, RejectionEntry, RequestEntry, RequestFilter, RequestState, SubjectFilter,
};
use crate::domain::numbered;
use crate::entrypoints::outcome::Exit;

use super::list_args::RequestsOptions;
use super::listing::{known_source, print_list};
use super::print::seconds;
use super::reading::{ReadJournal, only, warned};
use super::terminal::{Cell, Screen, Tone, column, table, texts, texts_from};
use super::{Context, Failure};

pub(super) async fn run(context: &Context, options: RequestsOptions) -> Result<Exit, Failure> {
    let journal = ReadJournal::open(context, &options.place)?;
    if let Some(id) = &options.id {
        return one(context, &journal, id).await;
    }
    let filters = &options.filters;
    let limit = filters.limit.map(NonZeroUsize::get);
    let filter = RequestFilter {
        subject: filters.subject(),
        since: filters.since(journal.now),
        states: filters.states.clone(),
    };
    if options.rejected {
        return rejected(context, &journal, &filter, limit).await;
    }
    let reader = journal.reader();
    if options.announced {
        let listed = match options.settled {
            true => journal.during(reader.settled_announcements(None)).await?,
            false => journal.during(reader.announcements()).await?,
        };
        let shown = if options.settled {
            settled_table
        } else {
            announcements_table
        };
        return Ok(print_list(
            context,
            &journal,
            "announcements",
            &listed,
            shown,
        ));
    }
    let listed = journal.during(reader.requests(&filter, limit)).await?;
    let of_source = RequestFilter {
        subject: SubjectFilter::of_source(filters.source.clone()),
        ..RequestFilter::default()
    };
    let has_entries = async || {
        let has_some = !listed.entries.is_empty();
        Ok(has_some
            || !reader
                .requests(&of_source, Some(1))
                .await?
                .entries
                .is_empty())
    };
    known_source(filters.source.as_ref(), &journal, has_entries).await?;
    let (what, shown) = ("requests", requests_table);
    Ok(print_list(context, &journal, what, &listed, shown))
}

fn requests_table(entries: &[RequestEntry], screen: Screen) -> String {
    let columns = [
        column("AT"),
        column("STATE"),
        texts_from("REQUEST", 40),
        column("ACTION"),
        column("IMAGE"),
        texts("ACCOUNTS"),
        texts("REQUESTER"),
    ];
    let row = |entry: &RequestEntry| {
        vec![
            Cell::new(seconds(entry.at), Tone::Quiet),
            Cell::new(entry.state.as_str(), tone(entry.state)),
            entry.identity.as_str().into(),
            entry.action.as_str().into(),
            entry.image.as_str().into(),
            entry.receivers().join(" ").into(),
            entry.requester.as_str().into(),
        ]
    };
    table(&columns, entries.iter().map(row), screen)
}

pub(super) fn tone(state: RequestState) -> Tone {
    match state {
        RequestState::Completed => Tone::Good,
        RequestState::Waiting
        | RequestState::Working
        | RequestState::Unfinished
        | RequestState::Revoking => Tone::Open,
        RequestState::Blocked
        | RequestState::Partial
        | RequestState::Failed
        | RequestState::Denied => Tone::Bad,
        RequestState::Revoked => Tone::Quiet,
    }
}

/// Prints the answer to the request with this id, as it is now in the journal.
async fn one(context: &Context, journal: &ReadJournal, id: &str) -> Result<Exit, Failure> {
    let reader = journal.reader();
    let found = journal.during(reader.requests_named(id)).await?;
    let exit = warned(&found);
    let name = |entry: &RequestEntry| entry.identity.clone();
    let entry = only(&found, id, name, journal)?;
    context.print(&json!(entry.answer));
    Ok(exit)
}

async fn rejected(
    context: &Context,
    journal: &ReadJournal,
    filter: &RequestFilter,
    limit: Option<usize>,
) -> Result<Exit, Failure> {
    let reader = journal.reader();
    // The limit counts only rejections that match the filter. So if there is a filter, read all
    // rejections here and apply the limit below.
    let all = *filter == RequestFilter::default();
    let reading = reader.rejections(limit.filter(|_| all));
    let mut listed = journal.during(reading).await?;
    let of_source = |entry: &RejectionEntry| {
        let source = filter.subject.source.as_ref();
        source.is_none_or(|source| *source == entry.source)
    };
    let has_some = listed.entries.iter().any(of_source);
    listed.retain(|entry| filter.since.is_none_or(|since| since <= entry.at) && of_source(entry));
    listed.entries.truncate(limit.unwrap_or(usize::MAX));
    known_source(filter.subject.source.as_ref(), journal, async || {
        Ok(has_some)
    })
    .await?;
    let (what, shown) = ("rejected deliveries", rejections_table);
    Ok(print_list(context, journal, what, &listed, shown))
}

fn announcements_table(entries: &[AnnouncementEntry], screen: Screen) -> String {
    let row = |entry: &AnnouncementEntry| {
        vec![
            Cell::new(seconds(entry.at), Tone::Quiet),
            entry.announcement.as_str().into(),
            entry.attempts.to_string().into(),
            entry.next_attempt.map(seconds).unwrap_or_default().into(),
            entry.why.clone().unwrap_or_default().into(),
        ]
    };
    let columns = [
        column("SINCE"),
        texts("ANNOUNCEMENT"),
        column("TRIED"),
        column("NEXT"),
        texts("WHY NOT YET"),
    ];
    table(&columns, entries.iter().map(row), screen)
}

fn settled_table(entries: &[AnnouncementEntry], screen: Screen) -> String {
    let row = |entry: &AnnouncementEntry| {
        vec![
            Cell::new(seconds(entry.at), Tone::Quiet),
            entry.announcement.as_str().into(),
            entry.why.clone().unwrap_or_default().into(),
        ]
    };
    let columns = [
        column("SINCE"),
        texts("ANNOUNCEMENT"),
        texts("WHY NO REQUEST"),
    ];
    table(&columns, entries.iter().map(row), screen)
}

fn rejections_table(entries: &[RejectionEntry], screen: Screen) -> String {
    let row = |entry: &RejectionEntry| {
        vec![
            Cell::new(seconds(entry.at), Tone::Quiet),
            entry.source.as_str().into(),
            entry.delivery_id.clone().unwrap_or_default().into(),
            numbered(&entry.problems).into(),
        ]
    };
    let columns = [
        column("AT"),
        column("SOURCE"),
        column("DELIVERY"),
        texts("PROBLEMS"),
    ];
    table(&columns, entries.iter().map(row), screen)
}
