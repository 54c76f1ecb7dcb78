//! `report --html FILE`: writes grants, unfinished work and the state of the journal to a
//! self-contained HTML page. In: the journal. Out: a file.

mod page;

use std::path::Path;

use crate::app::App;
use crate::clock;
use crate::entrypoints::outcome::Exit;

use super::print::outln;
use super::{Context, Failure, audit};
use page::{Page, Whole};

pub(super) async fn run(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let app = context.start().await?;
    let page = page(context, &app).await?;
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

async fn page(context: &Context, app: &App) -> Result<Page, Failure> {
    let grants = app.grants().await?;
    let requests = app.requests(None).await?;
    let (report, sealed) = audit::examined(context).await?;
    let whole = Whole {
        records: report.records,
        sealed: sealed.then_some(report.sealed),
        findings: report.findings.iter().map(ToString::to_string).collect(),
        more: report.left_off,
    };
    Ok(Page {
        journal: app.config().journal.to_string(),
        at: clock::system_now(),
        grants: grants.entries,
        requests: requests.entries,
        unreadable: requests.flaws,
        whole,
    })
}
