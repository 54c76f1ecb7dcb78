//! `grants`: lists the grants that are not revoked yet, as a table or as blocks for a review.

use crate::app::{GrantEntry, GrantFilter, ReviewEntry, Standing, SubjectFilter, review};
use crate::entrypoints::outcome::Exit;

use super::list_args::GrantsOptions;
use super::listing::{known_source, print_list};
use super::print::seconds;
use super::reading::ReadJournal;
use super::terminal::{Cell, Screen, Tone, column, table, texts};
use super::{Context, Failure};

pub(super) async fn run(context: &Context, options: GrantsOptions) -> Result<Exit, Failure> {
    let journal = ReadJournal::open(context, &options.place)?;
    let filters = &options.filters;
    let filter = GrantFilter {
        subject: filters.subject(),
        since: filters.since(journal.now),
        states: match options.expired {
            true => vec![Standing::Covered, Standing::Overdue],
            false => filters.states.clone(),
        },
    };
    let reader = journal.reader();
    let mut listed = journal.during(reader.grants()).await?;
    let of_source = GrantFilter {
        subject: SubjectFilter::of_source(filters.source.clone()),
        ..GrantFilter::default()
    };
    let has_some = listed.entries.iter().any(|entry| of_source.matches(entry));
    listed.retain(|entry| filter.matches(entry));
    known_source(filters.source.as_ref(), &journal, async || Ok(has_some)).await?;
    if let Some(limit) = filters.limit {
        listed.entries.sort_by_key(|entry| entry.since);
        let older = listed.entries.len().saturating_sub(limit.get());
        listed.entries.drain(..older);
    }
    let is_overdue = |entry: &GrantEntry| entry.state == Standing::Overdue;
    let overdue = listed.entries.iter().any(is_overdue);
    let exit = if options.review {
        let entries = review(&listed.entries, journal.now);
        let listed = listed.with(entries);
        let shown = |entries: &[ReviewEntry], _| super::review::text(entries);
        print_list(context, &journal, "grants", &listed, shown)
    } else {
        print_list(context, &journal, "grants", &listed, grants_table)
    };
    Ok(if overdue { Exit::Failed } else { exit })
}

fn grants_table(entries: &[GrantEntry], screen: Screen) -> String {
    let columns = [
        column("IMAGE"),
        column("TO"),
        column("STATE"),
        column("SINCE"),
        column("UNTIL"),
        column("REGION"),
        column("TICKET"),
        texts("POLICY"),
    ];
    let row = |grant: &GrantEntry| {
        let tone = match grant.state {
            Standing::Active => Tone::Good,
            Standing::Covered => Tone::Open,
            Standing::Overdue => Tone::Bad,
        };
        vec![
            grant.image.as_str().into(),
            grant.to.as_str().into(),
            Cell::new(grant.state.as_str(), tone),
            Cell::new(seconds(grant.since), Tone::Quiet),
            grant
                .until
                .map_or_else(|| "no end".to_owned(), seconds)
                .into(),
            grant.region.as_str().into(),
            grant.ticket.as_str().into(),
            grant.policies.join(" ").into(),
        ]
    };
    table(&columns, entries.iter().map(row), screen)
}
