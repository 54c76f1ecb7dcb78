//! `report --html FILE`: writes grants, unfinished work and the state of the journal to a
//! self-contained HTML page. In: the journal. Out: a file.

mod page;

use std::path::Path;

use crate::app::RequestFilter;
use crate::entrypoints::outcome::Exit;

use super::list_args::JournalPlace;
use super::print::outln;
use super::reading::ReadJournal;
use super::terminal::during;
use super::{Context, Failure, audit};
use page::{Page, Whole};

pub(super) async fn run(
    context: &Context,
    file: &Path,
    place: &JournalPlace,
) -> Result<Exit, Failure> {
    let read = ReadJournal::open(context, place)?;
    let page = page(&read).await?;
    std::fs::write(file, page.to_string()).map_err(|error| {
        Failure::Failed(format!(
            "--html: cannot write {}: {error}; name a file in a folder that this process may write to",
            file.display()
        ))
    })?;
    if context.json {
        outln!("{}", page.counts(file));
    } else {
        outln!("{}: {}", file.display(), page.summary());
    }
    let whole = page.whole.findings.is_empty() && page.unreadable.is_empty();
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

async fn page(read: &ReadJournal) -> Result<Page, Failure> {
    let reader = read.reader();
    let grants = during("reading the journal", reader.grants()).await?;
    let all = RequestFilter::default();
    let requests = during("reading the journal", reader.requests(&all, None)).await?;
    let (report, sealed) = audit::examined(read).await?;
    let whole = Whole {
        records: report.records,
        sealed: sealed.then_some(report.sealed),
        findings: report.findings.iter().map(ToString::to_string).collect(),
        more: report.left_off,
    };
    Ok(Page {
        journal: read.location.to_string(),
        at: read.now,
        grants: grants.entries,
        requests: requests.entries,
        unreadable: requests.flaws,
        whole,
    })
}
