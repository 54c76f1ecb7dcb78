//! Prints lines. A closed pipe, as in `sharehook requests | head`, is no failure. Any other error of
//! standard output is kept, and makes the command fail at its end.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use crate::domain::Timestamp;

/// As `println!`, but does not panic.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// As `eprintln!`, but does not panic. Ignores errors: there is no place left to report them.
macro_rules! errln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::error_line(format_args!($($arg)*)) };
}
pub(crate) use errln;

/// The first error of standard output, except a closed pipe.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes one line to standard output.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    note(writeln!(io::stdout().lock(), "{text}"));
}

/// Writes one line to standard error.
pub(crate) fn error_line(text: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Keeps the error of a write to standard output.
pub(super) fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        drop(FAILED.set(error));
    }
}

/// Returns the first error of all writes. Needs no flush, which could block: standard output is
/// flushed after each line, and every output ends with a newline.
pub(super) fn failed() -> Option<&'static io::Error> {
    FAILED.get()
}

/// Prints a value on a line of its own.
pub(crate) fn out(value: impl fmt::Display) {
    outln!("{value}");
}

/// Formats an instant to the second, for people.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}
