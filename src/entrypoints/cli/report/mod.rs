//! `report --html FILE`: who has what, what needs attention and whether the journal is whole, as
//! one page that needs nothing else. In: the journal. Out: a file.

mod page;

use std::path::Path;

use crate::app::App;
use crate::clock;
use crate::entrypoints::reply::Exit;

use super::print::outln;
use super::{Context, audit, cannot_start};
use page::{Page, Whole};

pub(super) async fn run(context: &Context, file: &Path) -> Exit {
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    let page = match page(context, &app).await {
        Ok(page) => page,
        Err(exit) => return exit,
    };
    if let Err(error) = std::fs::write(file, page.to_string()) {
        return audit::failed(&format!(
            "--html: {} cannot be written: {error}; name a file in a folder that this process may write to",
            file.display()
        ));
    }
    if context.json {
        outln!("{}", page.counts(file));
    } else {
        outln!("{}: {}", file.display(), page.summary());
    }
    if page.whole.findings.is_empty() && page.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

async fn page(context: &Context, app: &App) -> Result<Page, Exit> {
    let unreadable = |error| audit::failed(&format!("the journal cannot be read: {error}"));
    let grants = app.grants().await.map_err(unreadable)?;
    let requests = app.requests().await.map_err(unreadable)?;
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
