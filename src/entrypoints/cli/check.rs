//! `check`: checks configuration, maps, policies and secrets. Opens no journal and makes no cloud
//! call.

use serde_json::json;

use crate::app::StartError;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;

use super::{Context, Failure};

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let prepared = match context.prepare() {
        Ok(prepared) => prepared,
        Err(StartError::Invalid(problems)) if context.json => {
            outln!("{}", json!({ "problems": problems.0 }));
            return Ok(Exit::BadConfiguration);
        }
        Err(error) => return Err(error.into()),
    };
    let config = prepared.config();
    let warnings = prepared.warnings();
    if context.json {
        outln!(
            "{}",
            json!({
                "problems": [],
                "warnings": warnings,
                "policy_digest": prepared.policy_digest(),
                "approvals": config.approvals,
                "sources": prepared.sources(),
                "notify": config.notify.iter().map(|one| &one.subscription.name).collect::<Vec<_>>(),
            })
        );
        return Ok(Exit::Done);
    }
    outln!("{}: valid", config.file);
    outln!("  journal  {}", config.journal);
    outln!(
        "  policy   {} (approvals {}, digest {})",
        config.policy.display(),
        config.approvals,
        prepared.policy_digest().get(..12).unwrap_or_default()
    );
    for source in prepared.sources() {
        outln!("  source   {source}");
    }
    for one in &config.notify {
        outln!("  notify   {} ({})", one.subscription.name, one.preset);
    }
    for warning in warnings {
        outln!("  warning  {warning}");
    }
    Ok(Exit::Done)
}
