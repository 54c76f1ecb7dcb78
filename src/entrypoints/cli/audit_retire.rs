//! `audit retire`: removes the records of old finished requests from `requests/`, except record 0
//! of each request. The log's segments keep the removed records.

use serde_json::json;

use crate::app::{Age, Retention, retirable, retire, signer};
use crate::clock;
use crate::entrypoints::cli::print::{errln, out, outln};
use crate::entrypoints::outcome::Exit;
use crate::journal::log::NoteSigner;

use super::audit_args::AuditRetireOptions;
use super::audit_input::{opened, opened_to_read};
use super::terminal::during;
use super::{Context, Failure};

/// Maximum number of failures that are printed. Further failures are only counted.
const MAX_SHOWN: usize = 20;

pub(super) async fn run(context: &Context, options: &AuditRetireOptions) -> Result<Exit, Failure> {
    let age: Age = options.older_than.parse().map_err(Failure::usage)?;
    let (config, journal) = match options.dry_run {
        true => opened_to_read(context)?,
        false => opened(context)?,
    };
    let now = clock::system_now();
    let rules = config.notice_rules();
    let signer = signer(&config)?;
    let done = if options.dry_run {
        let key = signer.as_ref().map(NoteSigner::verifier);
        let checking = retirable(&journal, &age, key, now, &rules);
        during("reading", checking).await?
    } else {
        let signer = signer.ok_or_else(|| {
            Failure::failed(
                "the seal's key is missing, so nothing is retired: `sharehook audit seal` makes the key, or says why it cannot",
            )
        })?;
        let retiring = retire(&journal, &age, signer.verifier(), now, &rules);
        during("retiring", retiring).await?
    };
    if context.json {
        out(json!(done));
    } else {
        show(options, &done);
    }
    for failure in done.failures.iter().take(MAX_SHOWN) {
        errln!("sharehook: {failure}");
    }
    if done.failures.len() > MAX_SHOWN {
        let more = done.failures.len() - MAX_SHOWN;
        errln!("sharehook: further failures: {more}");
    }
    Ok(Exit::done_if(done.failures.is_empty()))
}

fn show(options: &AuditRetireOptions, done: &Retention) {
    let Retention {
        retired,
        removed,
        unsealed,
        kept,
        ..
    } = done;
    if options.dry_run {
        outln!("requests that would be retired: {retired}; nothing was removed");
    } else {
        outln!(
            "requests retired: {retired}, records removed: {removed}; the segments keep the records"
        );
    }
    if *unsealed > 0 {
        outln!(
            "not retired because of unsealed records: {unsealed}; run `sharehook audit seal`,\n  \
             then `sharehook audit retire` again"
        );
    }
    outln!(
        "requests kept: {kept}; each is unfinished, reopened or younger than {},\n  has an active share, or owes a notification",
        options.older_than
    );
}
