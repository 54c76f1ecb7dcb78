//! `doctor`: examines whether this deployment can work, and prints a line for each check. Exits 1
//! if a check finds something broken.

use serde_json::json;

use crate::app::{Finding, Health, StartError};
use crate::domain::Problems;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;

use super::terminal::Screen;
use super::terminal::during;
use super::terminal::text::indented;
use super::{Context, Failure};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let (app, unreadable) = match context.start().await {
        Ok(app) => (app, Vec::new()),
        // Examine what can be examined without the secrets of senders and targets.
        Err(StartError::Invalid(Problems(found))) => match context.start_to_operate().await {
            Ok(app) => (app, found),
            Err(_) => return Err(StartError::Invalid(Problems(found)).into()),
        },
        Err(error) => return Err(error.into()),
    };
    let mut findings: Vec<Finding> = unreadable.iter().map(Finding::unreadable).collect();
    findings.extend(during("examining", app.examine()).await);
    let screen = Screen::of_stdout(&context.vars);
    if context.json {
        out(json!(findings));
    } else {
        for Finding {
            check,
            health,
            text,
        } in &findings
        {
            outln!(
                "{health:<8} {check:<8} {}",
                indented(18, text, screen.width)
            );
        }
    }
    let broken = findings.iter().any(|found| found.health == Health::Broken);
    Ok(Exit::done_if(!broken))
}
