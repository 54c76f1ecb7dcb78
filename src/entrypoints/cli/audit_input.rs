//! Reads the input of the audit commands: the configured journal, public keys, files.

use std::path::Path;

use crate::app::{journal_to_read, open_journal, signer};
use crate::config::{Config, text_at_most};
use crate::journal::Journal;
use crate::journal::log::VerifierKey;

use super::reading::ReadJournal;
use super::{Context, Failure};

/// Size limit of a checkpoint or proof file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Loads the configuration and opens its journal, for commands that write.
pub(super) fn opened(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = context.load()?;
    let journal = open_journal(&config, &context.vars)?;
    Ok((config, journal))
}

/// Loads the configuration and opens its journal, for commands that need the key of seals and do
/// not change the journal. Needs the secrets of senders only if it finds no key of seals.
pub(super) fn opened_to_read(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = context.load_to_read(false)?;
    let journal = journal_to_read(&config.journal, config.index.as_ref(), &context.vars)?;
    // `load_to_read` also leaves `[seal]` out if its key in a variable or in AWS cannot be read.
    // `load` then reports why.
    let config = match config.seal {
        Some(_) => config,
        None => context.load()?,
    };
    Ok((config, journal))
}

/// Reads a file of at most `MAX_BYTES`.
pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    text_at_most(path, MAX_BYTES).map_err(Failure::file(path, "read"))
}

/// The public key that checks a journal's seals: `given`, or the public key of the configured
/// private key. `None` if there is neither.
pub(super) fn verifier(
    given: &Option<VerifierKey>,
    journal: &ReadJournal,
) -> Result<Option<VerifierKey>, Failure> {
    if given.is_some() {
        return Ok(given.clone());
    }
    let signer = journal.config.as_ref().map(signer).transpose()?.flatten();
    Ok(signer.map(|signer| signer.verifier().clone()))
}
