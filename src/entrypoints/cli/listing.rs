//! The output of the commands that list things: prints a filtered list, or says why the list is
//! empty.

use crate::app::Listed;
use crate::config::Config;
use crate::domain::SourceName;
use crate::entrypoints::outcome::Exit;
use crate::journal::JournalError;

use super::print::{errln, out, out_array};
use super::reading::{ReadJournal, warned};
use super::terminal::Screen;
use super::{Context, Failure};

/// Refuses a `--source` that is not configured, unless the journal has entries of it: the source
/// may have been removed from the configuration. Accepts any source if no configuration was read.
pub(super) async fn known_source(
    source: Option<&SourceName>,
    journal: &ReadJournal,
    has_entries: impl AsyncFnOnce() -> Result<bool, JournalError>,
) -> Result<(), Failure> {
    let (Some(source), Some(config)) = (source, &journal.config) else {
        return Ok(());
    };
    let known = config.sources.iter().any(|one| one.name == *source);
    if known || has_entries().await? {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "--source: no source has the name \"{source}\"; the configuration has {}",
        source_names(config)
    )))
}

/// Returns the names of the configured sources, for a message.
pub(super) fn source_names(config: &Config) -> String {
    let names: Vec<_> = config.sources.iter().map(|one| one.name.as_str()).collect();
    match names.as_slice() {
        [] => "no [[source]]".to_owned(),
        names => names.join(", "),
    }
}

/// Prints a list as JSON, or as the text that `table` returns. If the list is empty, prints the
/// reason. `what` names the entries in messages.
pub(super) fn print_list<T: serde::Serialize>(
    context: &Context,
    journal: &ReadJournal,
    what: &str,
    listed: &Listed<T>,
    table: impl FnOnce(&[T], Screen) -> String,
) -> Exit {
    let at_least = if listed.older { "at least " } else { "" };
    let why = || match (journal.why_empty(), listed.left_out) {
        (Some(why), _) => format!("no {what}: {why}"),
        (None, 0) => format!("no {what} in {}", journal.location),
        (None, others) => {
            format!("no {what} match; the filters leave out {at_least}{others}")
        }
    };
    if context.json {
        out_array(&listed.entries);
        if listed.entries.is_empty() {
            errln!("{}", why());
        }
    } else if listed.entries.is_empty() {
        out(why());
    } else {
        out(table(&listed.entries, Screen::of_stdout(&context.vars)));
    }
    warned(listed)
}
