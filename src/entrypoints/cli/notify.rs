//! `notify`: lists notifications. With `--retry`, delivers to one target those notifications about
//! a request, or all of them, that are owed or were given up.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::app::{Deadline, NotificationEntry, NotificationStatus};
use crate::domain::{NotifyName, Problem};
use crate::entrypoints::outcome::Exit;

use super::list_args::NotifyOptions;
use super::listing::print_list;
use super::print::{out, seconds};
use super::reading::{ReadJournal, context_of, warned};
use super::terminal::{Cell, Screen, Tone, column, table, texts};
use super::{Context, Failure};

/// Time limit of a retry for one request, and for all.
const RETRY_BUDGET: Duration = Duration::from_secs(60);
const RETRY_ALL_BUDGET: Duration = Duration::from_secs(600);

pub(super) async fn run(context: &Context, options: &NotifyOptions) -> Result<Exit, Failure> {
    let Some(wanted) = &options.retry else {
        let journal = ReadJournal::open(context, &options.place)?;
        let limit = options.limit.map(NonZeroUsize::get);
        let reader = journal.reader();
        let listed = journal.during(reader.notifications(limit)).await?;
        let (what, shown) = ("notifications", notifications_table);
        return Ok(print_list(context, &journal, what, &listed, shown));
    };
    let app = context_of(context, &options.place).start().await?;
    let (name, request) = match wanted.split_once('/') {
        Some((name, request)) => (name, Some(request)),
        None => (wanted.as_str(), None),
    };
    let name: Result<NotifyName, Problem> = name.parse();
    let name = name.map_err(|problem| Failure::option("--retry", &problem))?;
    let known = |one: &crate::config::NotifyConfig| one.subscription.name == name;
    if !app.config().notify.iter().any(known) {
        let text = format!(
            "no [[notify]] has the name {name}; `sharehook check` lists them. To send what a removed one is owed, configure it again under its name"
        );
        return Err(Failure::usage(text));
    }
    let listed = match request {
        Some(request) => {
            let deadline = Deadline::after(RETRY_BUDGET);
            app.retry_notifications(&name, request, deadline).await?
        }
        None => {
            let deadline = Deadline::after(RETRY_ALL_BUDGET);
            app.retry_all_notifications(&name, deadline).await?
        }
    };
    if listed.entries.is_empty() && listed.flaws.is_empty() {
        let about = request.map_or(String::new(), |request| format!("about {request:?} "));
        return Err(Failure::Failed(format!(
            "no notification {about}to {name} waits or was given up, so none is sent again; `sharehook notify` lists the notifications"
        )));
    }
    if context.json {
        out(serde_json::json!(listed.entries));
    } else {
        let screen = Screen::of_stdout(&context.vars);
        out(notifications_table(&listed.entries, screen));
    }
    let sent = |entry: &NotificationEntry| entry.state == NotificationStatus::Sent;
    Ok(match warned(&listed) {
        Exit::Done if listed.entries.iter().all(sent) => Exit::Done,
        _ => Exit::Failed,
    })
}

fn notifications_table(entries: &[NotificationEntry], screen: Screen) -> String {
    let columns = [
        column("NOTIFY"),
        column("ON"),
        column("STATE"),
        column("AT"),
        column("TRIES"),
        column("REQUEST"),
        texts("WHY"),
    ];
    table(&columns, entries.iter().map(row), screen)
}

fn row(entry: &NotificationEntry) -> Vec<Cell> {
    let tone = match entry.state {
        NotificationStatus::Owed => Tone::Open,
        NotificationStatus::Sent => Tone::Good,
        NotificationStatus::GivenUp | NotificationStatus::TargetRemoved => Tone::Bad,
    };
    let why = (entry.why.clone()).filter(|_| entry.state != NotificationStatus::Sent);
    vec![
        entry.notify.to_string().into(),
        entry.on.to_string().into(),
        Cell::new(entry.state.in_words(), tone),
        seconds(entry.at).into(),
        entry.attempts.to_string().into(),
        entry.request.as_str().into(),
        why.unwrap_or_default().into(),
    ]
}
