//! `notify`: lists notifications, and delivers again what was given up.

use std::time::Duration;

use serde_json::json;

use crate::app::{Deadline, Listed, NotificationEntry, NotificationStatus};
use crate::domain::NotifyName;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::args::NotifyOptions;
use super::journal::warned;
use super::print::table;
use super::{Context, Failure};

/// Time limit of a retry.
const RETRY_BUDGET: Duration = Duration::from_secs(60);

pub(super) async fn run(context: &Context, options: &NotifyOptions) -> Result<Exit, Failure> {
    let app = context.start().await?;
    let Some(wanted) = &options.retry else {
        let limit = options.limit.map(std::num::NonZeroUsize::get);
        let listed = app.notifications(limit).await?;
        show(context, &listed);
        return Ok(warned(&listed));
    };
    let (name, request) = wanted.split_once('/').ok_or_else(|| {
        Failure::usage("--retry wants NAME/ID: the name of a [[notify]] and a request's id")
    })?;
    let name: NotifyName = name.parse().map_err(Failure::usage)?;
    let known = |one: &crate::config::NotifyConfig| one.subscription.name == name;
    if !app.config().notify.iter().any(known) {
        let text = format!("no [[notify]] has the name {name}; `sharehook check` lists them");
        return Err(Failure::usage(text));
    }
    let deadline = Deadline::after(RETRY_BUDGET);
    let listed = app.retry_notifications(&name, request, deadline).await?;
    if listed.entries.is_empty() && listed.flaws.is_empty() {
        return Err(Failure::Failed(format!(
            "{name} owes nothing about {request:?} and gave up nothing; `sharehook notify` lists what there is"
        )));
    }
    show(context, &listed);
    let sent = |entry: &NotificationEntry| entry.state == NotificationStatus::Sent;
    Ok(match warned(&listed) {
        Exit::Done if listed.entries.iter().all(sent) => Exit::Done,
        _ => Exit::Failed,
    })
}

fn show(context: &Context, listed: &Listed<NotificationEntry>) {
    if context.json {
        outln!("{}", json!(listed.entries));
        return;
    }
    if listed.entries.is_empty() {
        outln!("no notifications");
        return;
    }
    let row = |entry: &NotificationEntry| {
        let state = match entry.state {
            NotificationStatus::Owed => "owed",
            NotificationStatus::Sent => "sent",
            NotificationStatus::GivenUp => "given up",
        };
        let second = entry.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut cells = vec![
            entry.notify.to_string(),
            entry.on.to_string(),
            state.to_owned(),
            second,
            entry.attempts.to_string(),
            entry.request.clone(),
        ];
        if let Some(why) = entry
            .why
            .as_ref()
            .filter(|_| entry.state != NotificationStatus::Sent)
        {
            cells.push(why.clone());
        }
        cells
    };
    let header = ["NOTIFY", "ON", "STATE", "AT", "TRIES", "REQUEST"];
    let rows: Vec<_> = listed.entries.iter().map(row).collect();
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().take(6).cloned().collect())
        .collect();
    let text = table(&header, &shown);
    let mut lines = text.lines();
    outln!("{}", lines.next().unwrap_or_default());
    for (line, row) in lines.zip(&rows) {
        outln!("{line}");
        if let Some(why) = row.get(6) {
            outln!("    {why}");
        }
    }
}
