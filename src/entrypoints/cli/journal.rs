//! `requests`, `grants`, `sweep`: print the journal as tables, and continue its unfinished work.

use std::num::NonZeroUsize;

use serde_json::json;

use crate::app::{Deadline, GrantEntry, GrantFilter, Listed, RequestEntry};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::args::{GrantsOptions, SweepOptions};
use super::print::table;
use super::{Context, Failure};

/// Time limit of the sweep.
const SWEEP_BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn requests(
    context: &Context,
    id: Option<String>,
    limit: Option<NonZeroUsize>,
) -> Result<Exit, Failure> {
    let app = context.start().await?;
    if let Some(id) = id {
        let found = app.requests_named(&id).await?;
        warned(&found);
        return request(context, &found.entries, &id);
    }
    let listed = app.requests(limit.map(NonZeroUsize::get)).await?;
    let exit = warned(&listed);
    if context.json {
        outln!("{}", json!(listed.entries));
        return Ok(exit);
    }
    let row = |e: &RequestEntry| {
        let accounts = if e.accounts.is_empty() {
            "Lighthouse".to_owned()
        } else {
            e.accounts.join(",")
        };
        vec![
            e.identity.clone(),
            e.state.clone(),
            e.action.clone(),
            e.image.clone(),
            e.region.clone(),
            accounts,
            e.requester.clone(),
            e.at.to_string(),
        ]
    };
    let header = [
        "REQUEST",
        "STATE",
        "ACTION",
        "IMAGE",
        "REGION",
        "ACCOUNTS",
        "REQUESTER",
        "AT",
    ];
    let rows: Vec<_> = listed.entries.iter().map(row).collect();
    outln!("{}", table(&header, &rows));
    Ok(exit)
}

/// One request's answer, as its sender received it.
fn request(context: &Context, found: &[RequestEntry], id: &str) -> Result<Exit, Failure> {
    match found {
        [] => Err(Failure::Failed(format!(
            "the journal has no request {id:?}; `sharehook requests` lists them"
        ))),
        [one] => {
            let answer = json!(one.answer);
            if context.json {
                outln!("{answer}");
            } else {
                outln!("{answer:#}");
            }
            Ok(Exit::Done)
        }
        several => {
            let names: Vec<_> = several.iter().map(|e| e.identity.as_str()).collect();
            Err(Failure::Usage(format!(
                "several requests have the id {id:?}; name one of {}",
                names.join(", ")
            )))
        }
    }
}

/// Prints the unreadable streams, and returns the exit code: a list without them is incomplete.
pub(super) fn warned<T>(listed: &Listed<T>) -> Exit {
    for flaw in &listed.flaws {
        eprintln!("warning: {flaw}");
    }
    if listed.flaws.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

pub(super) async fn grants(context: &Context, options: GrantsOptions) -> Result<Exit, Failure> {
    let GrantsOptions {
        image,
        account,
        ticket,
        expired,
    } = options;
    let filter = GrantFilter {
        image,
        account,
        ticket,
        expired,
    };
    let mut listed = context.start().await?.grants().await?;
    let exit = warned(&listed);
    listed.entries.retain(|entry| filter.takes(entry));
    if context.json {
        outln!("{}", json!(listed.entries));
        return Ok(exit);
    }
    let row = |g: &GrantEntry| {
        let until = g.until.map_or_else(|| "-".to_owned(), |t| t.to_string());
        vec![
            g.image.clone(),
            g.region.clone(),
            g.to.clone(),
            g.since.to_string(),
            until,
            g.state.as_str().to_owned(),
            g.ticket.clone(),
            g.policies.join(","),
        ]
    };
    let header = [
        "IMAGE", "REGION", "TO", "SINCE", "UNTIL", "STATE", "TICKET", "POLICY",
    ];
    let rows: Vec<_> = listed.entries.iter().map(row).collect();
    outln!("{}", table(&header, &rows));
    Ok(exit)
}

pub(super) async fn sweep(context: &Context, options: &SweepOptions) -> Result<Exit, Failure> {
    let app = context.start().await?;
    let index = match options.rebuild {
        true => Some(Box::pin(app.reindex()).await?),
        false => None,
    };
    let report = app.sweep_at_once(Deadline::after(SWEEP_BUDGET)).await?;
    if context.json {
        let mut shown = json!(report);
        if let (Some(mended), Some(shown)) = (index, shown.as_object_mut()) {
            shown.insert("index".to_owned(), json!({"mended": mended}));
        }
        outln!("{shown}");
    } else {
        if let Some(mended) = index {
            outln!("index: missing entries that were written: {mended}");
        }
        outln!("{report}");
    }
    Ok(if report.failed() {
        Exit::Failed
    } else {
        Exit::Done
    })
}
