//! The input of the audit commands: the configured journal, and journals named on the
//! command line, and files.

use std::path::Path;

use crate::app::{http_client, open_journal};
use crate::config::Config;
use crate::journal::{Access, Journal, JournalLocation};

use super::{Context, Failure};

/// Size limit of a checkpoint or proof file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The configuration and its journal.
pub(super) fn opened(context: &Context) -> Result<(Config, Journal), Failure> {
    let config = context.load()?;
    let journal = open_journal(&config, &context.vars)?;
    Ok((config, journal))
}

/// Reads a file of limited size.
pub(super) fn text_of(path: &Path) -> Result<String, Failure> {
    let read = std::fs::metadata(path).and_then(|found| {
        if found.len() > MAX_BYTES {
            return Err(std::io::Error::other("the file is too large"));
        }
        std::fs::read_to_string(path)
    });
    read.map_err(|error| Failure::Failed(format!("{} cannot be read: {error}", path.display())))
}

/// A journal without a configuration: an auditor has neither the senders' secrets nor the cloud's.
pub(super) fn open_at(
    context: &Context,
    place: &str,
    index: Option<&str>,
) -> Result<Journal, Failure> {
    let http = http_client().map_err(Failure::failed)?;
    let access = Access::of(&context.vars, http);
    let journal = Journal::open(&existing("--journal", place)?, &access)?;
    Ok(match index {
        Some(index) => journal.with_index(&existing("--index", index)?, &access)?,
        None => journal,
    })
}

fn existing(option: &str, place: &str) -> Result<JournalLocation, Failure> {
    let location: JournalLocation = place
        .parse()
        .map_err(|problem| Failure::Usage(format!("{option}: {problem}")))?;
    if let JournalLocation::Directory(dir) = &location
        && !dir.is_dir()
    {
        return Err(Failure::Failed(format!(
            "{} is not a directory; name a directory that contains a journal",
            dir.display()
        )));
    }
    Ok(location)
}
