//! `retry` decides a request again, `revoke` revokes shares or calls them off, and `sweep` does the
//! work that is due.

use serde_json::json;

use crate::app::{Answer, Deadline, Reply, Retried, RetryError, RevokedNow};
use crate::domain::Status;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::{Exit, Outcome};

use super::args::{RetryOptions, RevokeOptions, SweepOptions};
use super::stop_signal::stoppable;
use super::terminal::text::wrapped;
use super::terminal::{counting, during};
use super::{Context, Failure};

/// Time limit for `retry` and `revoke`.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(170);

const SWEEP_BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn retry(context: &Context, options: RetryOptions) -> Result<Exit, Failure> {
    let context = &context.calling(&options.cloud).await?;
    let app = context.start_to_operate().await?;
    let (id, by, reason) = (&options.id, &options.operator, &options.reason);
    let deadline = Deadline::after(BUDGET);
    let retried = Box::pin(app.retry(id, by, reason, deadline));
    let retried = stoppable(&app, retried).await?;
    let retried = retried.map_err(|error| match error {
        RetryError::Journal(_) | RetryError::Unread { .. } => Failure::failed(error),
        error => Failure::usage(error),
    })?;
    app.notify_before_answer(deadline).await;
    match retried {
        Retried::Reopened(ending, answer) => {
            context.print(&json!(answer));
            Ok(Outcome::of(&Reply::Answers(vec![(ending, *answer)])).exit_when_asked())
        }
        Retried::Fetched(answers) => {
            for (_, answer) in &answers {
                context.print(&json!(answer));
            }
            let nothing = |(_, answer): &(_, Answer)| answer.status == Status::Ignored;
            match answers.iter().all(nothing) {
                true => Ok(Exit::Refused),
                false => Ok(Outcome::of(&Reply::Answers(answers)).exit_when_asked()),
            }
        }
        Retried::Denied(answer) if context.json => {
            context.print(&json!(answer));
            Ok(Exit::Refused)
        }
        Retried::Denied(answer) => {
            let reasons = answer.refused.iter();
            let reasons: Vec<String> = reasons.map(|one| wrapped(4, &one.to_string())).collect();
            Err(Failure::Refused(format!(
                "the current policies deny the request, so it stays as it was; \
                 correct the policies or entities.json and retry, or send a new ticket\n  {}",
                reasons.join("\n  ")
            )))
        }
        Retried::StaysClosed(why) => Err(Failure::Refused(why)),
    }
}

pub(super) async fn revoke(context: &Context, options: RevokeOptions) -> Result<Exit, Failure> {
    let context = &context.calling(&options.cloud).await?;
    let app = context.start_to_operate().await?;
    let by = &options.operator;
    // Also if nothing is shared: a command that works only in an incident is tried before it.
    app.trusted_origin(&by.source)?;
    let RevokeOptions {
        image,
        accounts,
        reason,
        gone,
        ..
    } = &options;
    let deadline = Deadline::after(BUDGET);
    let work = app.revoke_now(image, accounts, by, reason, *gone, deadline);
    let RevokedNow { answers, left } = stoppable(&app, Box::pin(work)).await??;
    app.notify_before_answer(deadline).await;
    for (_, answer) in &answers {
        context.print(&json!(answer));
    }
    if !left.is_empty() {
        let reasons: Vec<String> = left.iter().map(ToString::to_string).collect();
        return Err(Failure::Failed(reasons.join("\nsharehook: ")));
    }
    Ok(Outcome::of(&Reply::Answers(answers)).exit_when_asked())
}

pub(super) async fn sweep(context: &Context, options: &SweepOptions) -> Result<Exit, Failure> {
    let context = &context.calling(&options.cloud).await?;
    let app = context.start_to_operate().await?;
    let index = match options.rebuild {
        true => Some(during("rebuilding the index", Box::pin(app.reindex())).await),
        false => None,
    };
    // An index that cannot be rebuilt, for example because the newest seals are lost, stops no due
    // work. Log the error here, because the sweep may fail, too.
    if let Some(Err(error)) = &index {
        tracing::error!(%error, "rebuilding the index failed");
    }
    let sweeping = app.sweep_at_once(Deadline::after(SWEEP_BUDGET));
    let sweeping = counting("sweeping", app.work_done(), sweeping);
    let mut report = stoppable(&app, sweeping).await??;
    report.failures.extend(match &index {
        Some(Ok(index)) => index.failure(),
        Some(Err(error)) => Some(error.to_string()),
        None => None,
    });
    let mended = index.and_then(Result::ok).map(|index| index.mended);
    if context.json {
        let mut shown = json!(report);
        if let (Some(mended), Some(shown)) = (mended, shown.as_object_mut()) {
            shown.insert("index".to_owned(), json!({"mended": mended}));
        }
        outln!("{shown}");
    } else {
        if let Some(mended) = mended {
            outln!("index: missing entries written: {mended}");
        }
        outln!("{report}");
    }
    Ok(Exit::done_if(!report.failed()))
}
