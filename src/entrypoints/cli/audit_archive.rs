//! `audit archive`: copies the records of old finished requests to an archive. The journal keeps
//! one record of each request.

use serde_json::json;

use crate::app::{
    Age, ArchiveOrder, Archiving, archivable, archive, archive_place, http_client, signer,
};
use crate::clock;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;
use crate::journal::{Access, Journal, JournalLocation};

use super::args::AuditArchiveOptions;
use super::audit_input::opened;
use super::{Context, Failure};

/// Maximum number of failures to print. The command counts the others.
const MAX_SHOWN: usize = 20;

pub(super) async fn run(context: &Context, options: &AuditArchiveOptions) -> Result<Exit, Failure> {
    let age: Age = options.older_than.parse().map_err(Failure::usage)?;
    let (config, journal) = opened(context)?;
    let place = archive_place(&config.journal, &options.to).map_err(Failure::usage)?;
    let now = clock::system_now();
    let stopped = |error| Failure::Failed(format!("archiving stopped: {error}"));
    let done = if options.dry_run {
        archivable(&journal, &age, now).await.map_err(stopped)?
    } else {
        let to = opened_at(context, &place)?;
        let key = signer(&config)?.map(|signer| signer.verifier().clone());
        let order = ArchiveOrder {
            age,
            delete: options.delete,
            key,
        };
        archive(&journal, &to, &order, now).await.map_err(stopped)?
    };
    if context.json {
        outln!("{}", json!(done));
    } else {
        show(options, &done, &place.to_string());
    }
    for failure in done.failures.iter().take(MAX_SHOWN) {
        eprintln!("sharehook: {failure}");
    }
    if done.failures.len() > MAX_SHOWN {
        eprintln!(
            "sharehook: {} more failures",
            done.failures.len() - MAX_SHOWN
        );
    }
    let seals = config.seal.is_some();
    if options.delete && !seals {
        eprintln!(
            "sharehook: no records were removed, because the journal is not sealed: add [seal] with a key to the configuration, run `sharehook audit seal`, then repeat this command"
        );
    } else if done.unsealed > 0 {
        eprintln!(
            "{} archived requests keep their records until they are sealed: run `sharehook audit seal`, then repeat this command",
            done.unsealed
        );
    }
    let whole = done.failures.is_empty() && (seals || !options.delete);
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn opened_at(context: &Context, place: &JournalLocation) -> Result<Journal, Failure> {
    let http = http_client().map_err(Failure::failed)?;
    Journal::open(place, &Access::of(&context.vars, http))
        .map_err(|error| Failure::Failed(format!("the archive: {error}")))
}

fn show(options: &AuditArchiveOptions, done: &Archiving, place: &str) {
    let Archiving {
        archived,
        copied,
        before,
        kept,
        removed,
        ..
    } = done;
    if options.dry_run {
        outln!("would be archived to {place}: {archived} requests; nothing was written");
    } else {
        outln!("archived: {archived} requests, {copied} records copied to {place}");
    }
    if options.delete {
        outln!("removed from the journal: {removed} records");
    }
    outln!("archived before: {before} requests");
    outln!(
        "not archived: {kept} requests: unfinished, younger than {}, or with active grants",
        options.older_than
    );
}
