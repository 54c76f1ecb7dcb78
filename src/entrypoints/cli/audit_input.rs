//! Reads the input of the audit commands: the configured journal, public keys, files.

use std::path::Path;

use crate::app::{open_journal, signer};
use crate::config::Config;
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

/// Reads a file of at most `MAX_BYTES`.
pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    let read = std::fs::metadata(path).and_then(|found| {
        if found.len() > MAX_BYTES {
            return Err(std::io::Error::other("the file is too large"));
        }
        std::fs::read_to_string(path)
    });
    read.map_err(Failure::file(path, "read"))
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
