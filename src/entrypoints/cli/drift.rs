//! `drift`: compares the cloud's shares with the journal, and on demand cancels shares that the
//! journal does not have.

use serde_json::json;

use crate::app::{Answer, Deadline};
use crate::domain::{ImageRef, Region, ServedRegions, Status};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::args::DriftOptions;
use super::operator::operator;
use super::{Context, Failure};

/// Time limit of a comparison.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn run(context: &Context, options: DriftOptions) -> Result<Exit, Failure> {
    let app = context.start().await?;
    let also = named(&options, &app.config().rules())?;
    let requester = options.requester.as_deref().map(operator).transpose()?;
    let deadline = Deadline::after(BUDGET);
    let mut report = Box::pin(app.drift(&also, deadline)).await?;
    for flaw in &report.flaws {
        eprintln!("warning: {flaw}");
    }
    if let (true, Some(by)) = (options.revoke_unknown, requester) {
        app.cancel_unknown(&mut report, &by.source, &by.requester, deadline)
            .await
            .map_err(Failure::usage)?;
    }
    if context.json {
        outln!("{}", json!(report));
    } else {
        outln!("{report}");
    }
    let denied = |answer: &Answer| answer.status == Status::Denied;
    Ok(if report.cancels.iter().any(denied) {
        Exit::Refused
    } else if report.agrees() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The images to compare in addition to those in the journal.
fn named(
    options: &DriftOptions,
    rules: &ServedRegions,
) -> Result<Vec<(ImageRef, Region)>, Failure> {
    let Some(region) = &options.region else {
        return Ok(Vec::new());
    };
    let wrong = |option: &str, problem| Failure::Usage(format!("{option}: {problem}"));
    let region: Region = region
        .parse()
        .map_err(|problem| wrong("--region", problem))?;
    if rules.check_cvm(&region).is_err()
        && let Err(problem) = rules.check_lighthouse(&region)
    {
        return Err(wrong("--region", problem));
    }
    let image = |text: &String| {
        let image = text.parse().map_err(|problem| wrong("--image", problem))?;
        Ok((image, region.clone()))
    };
    options.images.iter().map(image).collect()
}
