//! `requests`, `grants`, `sweep`: the journal as tables, and its unfinished work.

use serde_json::json;

use crate::app::{Deadline, GrantFilter};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::journal::Indexed;

use super::args::{GrantsOptions, SweepOptions};
use super::print::table;
use super::{Context, cannot_start};

/// How long a sweep by hand may take.
const SWEEP_BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn requests(context: &Context, id: Option<String>) -> Exit {
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    let listed = match app.requests().await {
        Ok(listed) => listed,
        Err(error) => return unreadable(&error.to_string()),
    };
    for flaw in &listed.flaws {
        eprintln!("warning: {flaw}");
    }
    let Some(id) = id else {
        if context.json {
            outln!("{}", json!(listed.entries));
        } else {
            let row = |e: &crate::app::RequestEntry| {
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
            let rows: Vec<_> = listed.entries.iter().map(row).collect();
            outln!(
                "{}",
                table(
                    &[
                        "REQUEST",
                        "STATE",
                        "ACTION",
                        "IMAGE",
                        "REGION",
                        "ACCOUNTS",
                        "REQUESTER",
                        "AT"
                    ],
                    &rows
                )
            );
        }
        return if listed.flaws.is_empty() {
            Exit::Done
        } else {
            Exit::Failed
        };
    };
    let found: Vec<_> = listed
        .entries
        .iter()
        .filter(|e| e.identity == id || e.answer.id == id)
        .collect();
    match found.as_slice() {
        [] => {
            eprintln!(
                "sharehook: the journal holds no request {id:?}; `sharehook requests` lists them"
            );
            Exit::Failed
        }
        [one] => {
            let shown = if context.json {
                json!(one.answer).to_string()
            } else {
                format!("{:#}", json!(one.answer))
            };
            outln!("{shown}");
            Exit::Done
        }
        several => {
            let names: Vec<_> = several.iter().map(|e| e.identity.as_str()).collect();
            eprintln!(
                "sharehook: {id:?} is the id of several requests; name one of {}",
                names.join(", ")
            );
            Exit::Usage
        }
    }
}

pub(super) async fn grants(context: &Context, options: GrantsOptions) -> Exit {
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
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    let mut listed = match app.grants().await {
        Ok(listed) => listed,
        Err(error) => return unreadable(&error.to_string()),
    };
    for flaw in &listed.flaws {
        eprintln!("warning: {flaw}");
    }
    listed.entries.retain(|entry| filter.takes(entry));
    // A register with a hole in it is not a whole answer.
    let exit = if listed.flaws.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    };
    if context.json {
        outln!("{}", json!(listed.entries));
        return exit;
    }
    let row = |g: &crate::app::GrantEntry| {
        let until = g.until.map_or_else(|| "-".to_owned(), |t| t.to_string());
        vec![
            g.image.clone(),
            g.region.clone(),
            g.to.clone(),
            g.since.to_string(),
            until,
            g.ticket.clone(),
            g.policies.join(","),
        ]
    };
    let rows: Vec<_> = listed.entries.iter().map(row).collect();
    outln!(
        "{}",
        table(
            &[
                "IMAGE", "REGION", "TO", "SINCE", "UNTIL", "TICKET", "POLICY"
            ],
            &rows
        )
    );
    exit
}

pub(super) async fn sweep(context: &Context, options: &SweepOptions) -> Exit {
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    let index = match options.rebuild {
        true => match Box::pin(app.reindex()).await {
            Ok(index) => Some(index),
            Err(error) => return unreadable(&error.to_string()),
        },
        false => None,
    };
    match app.sweep(Deadline::after(SWEEP_BUDGET)).await {
        Ok(report) => {
            if context.json {
                let mut told = json!(report);
                if let (Some(index), Some(told)) = (index, told.as_object_mut()) {
                    told.insert("index".to_owned(), json!(index));
                }
                outln!("{told}");
            } else {
                if let Some(Indexed { wanted, mended }) = index {
                    outln!(
                        "index: {wanted} files asked for by the records; missing and written now: {mended}"
                    );
                }
                outln!("{report}");
            }
            if report.failures.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
        Err(error) => unreadable(&error.to_string()),
    }
}

fn unreadable(error: &str) -> Exit {
    eprintln!("sharehook: {error}");
    Exit::Failed
}
