//! `drift`: the cloud's actual shares against the journal, and on demand the cancel of what nobody
//! gave.

use serde_json::json;

use crate::app::Deadline;
use crate::domain::{ImageRef, Region, ServedRegions, SourceName, Status};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;

use super::args::DriftOptions;
use super::{Context, cannot_start, usage};

/// How long a comparison may take.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn run(context: &Context, options: DriftOptions) -> Exit {
    let app = match context.start().await {
        Ok(app) => app,
        Err(error) => return cannot_start(&error),
    };
    let also = match named(&options, &app.config().rules()) {
        Ok(also) => also,
        Err(problem) => return usage(&problem),
    };
    let requester = match options.requester.as_deref().map(split).transpose() {
        Ok(requester) => requester,
        Err(problem) => return usage(&problem),
    };
    let deadline = Deadline::after(BUDGET);
    let mut report = match Box::pin(app.drift(&also, deadline)).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("sharehook: {error}");
            return Exit::Failed;
        }
    };
    for flaw in &report.flaws {
        eprintln!("warning: {flaw}");
    }
    if let (true, Some((source, requester))) = (options.revoke_unknown, requester)
        && let Err(problem) = app
            .cancel_unknown(&mut report, &source, &requester, deadline)
            .await
    {
        return usage(&problem);
    }
    outln!(
        "{}",
        if context.json {
            json!(report).to_string()
        } else {
            report.to_string()
        }
    );
    if report
        .cancels
        .iter()
        .any(|answer| answer.status == Status::Denied)
    {
        return Exit::Refused;
    }
    if report.agrees() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// The images that are to be looked at although the journal does not name them.
fn named(options: &DriftOptions, rules: &ServedRegions) -> Result<Vec<(ImageRef, Region)>, String> {
    let Some(region) = &options.region else {
        return Ok(Vec::new());
    };
    let region: Region = region
        .parse()
        .map_err(|error| format!("--region: {error}"))?;
    if rules.check_cvm(&region).is_err()
        && let Err(problem) = rules.check_lighthouse(&region)
    {
        return Err(format!("--region: {problem}"));
    }
    let image = |text: &String| {
        let image = text
            .parse::<ImageRef>()
            .map_err(|error| format!("--image: {error}"))?;
        Ok((image, region.clone()))
    };
    options.images.iter().map(image).collect()
}

fn split(text: &str) -> Result<(SourceName, String), String> {
    let (source, requester) = text
        .split_once('/')
        .filter(|(_, requester)| !requester.is_empty())
        .ok_or_else(|| {
            format!("--as: {text:?} is not SOURCE/REQUESTER, as in invoke/alice@example.com")
        })?;
    let source = source.parse().map_err(|error| format!("--as: {error}"))?;
    Ok((source, requester.to_owned()))
}
