//! Reads the input of the audit commands: the configured journal, public keys, files.

use std::path::Path;

use crate::app::{journal_to_read, open_journal, signer};
use crate::config::{Config, text_at_most};
use crate::journal::Journal;
use crate::journal::log::VerifierKey;

use super::reading::ReadJournal;
use super::{Context, Failure};

/// Maximum size of a file with a checkpoint or a proof.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Loads the configuration and opens its journal, for commands that write.
pub(super) fn opened(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = with_seal_key(context)?;
    let journal = open_journal(&config, &context.vars)?;
    Ok((config, journal))
}

/// Loads the configuration and opens its journal, for commands that need the key of the seals but
/// do not change the journal.
pub(super) fn opened_to_read(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = with_seal_key(context)?;
    let journal = journal_to_read(&config.journal, config.index.as_ref(), &context.vars)?;
    Ok((config, journal))
}

/// Loads the configuration with the key of the seals. The commands that use it need no other secret.
fn with_seal_key(context: &Context) -> Result<Config, Failure> {
    let config = context.load_to_read(false)?;
    // `load_to_read` also leaves out `[seal]` if the key is in a variable or in AWS and cannot be
    // read. Then the other way to load reports the reason.
    match config.seal {
        Some(_) => Ok(config),
        None => Ok(context.load_to_operate()?),
    }
}

pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    text_at_most(path, MAX_BYTES).map_err(Failure::file(path, "read"))
}

/// Reads a signed checkpoint. `jq -r` and editors change the line ends, and a log has it as one line
/// with `\n` in it.
pub(super) fn checkpoint_of(path: &Path) -> Result<String, Failure> {
    let text = text_of(path)?.replace("\r\n", "\n").replace("\\n", "\n");
    Ok(format!("{}\n", text.trim_matches('"').trim_end()))
}

/// Returns the public key that checks the seals of a journal. This is `given`, or else the public
/// key of the configured private key. Returns `None` if there is neither.
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
