//! Prints lines. A closed pipe, as in `sharehook requests | head`, is no failure. Any other error
//! of standard output is kept, and makes the command fail at its end.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use serde::Serialize;

use crate::domain::Timestamp;

/// Like `println!`, but does not panic.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// Like `eprintln!`, but does not panic. Errors are ignored, because there is no place left to
/// report them.
macro_rules! errln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::error_line(format_args!($($arg)*)) };
}
pub(crate) use errln;

/// The first error of a write to standard output that was not caused by a closed pipe.
static FAILED: OnceLock<io::Error> = OnceLock::new();

pub(crate) fn line(text: fmt::Arguments<'_>) {
    note(writeln!(io::stdout().lock(), "{text}"));
}

pub(crate) fn error_line(text: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Keeps the error of a write to standard output, unless the pipe was closed.
pub(super) fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        drop(FAILED.set(error));
    }
}

/// Returns the first error that was kept. The caller need not flush standard output before, which
/// could block: every output ends with a newline, and standard output is flushed after each line.
pub(super) fn failed() -> Option<&'static io::Error> {
    FAILED.get()
}

/// Prints a value on a line of its own.
pub(crate) fn out(value: impl fmt::Display) {
    outln!("{value}");
}

/// Prints values as one JSON array. Converts one after another, because a copy of a long list would
/// need several times its memory.
pub(super) fn out_array(values: &[impl Serialize]) {
    out(fmt::from_fn(|f| {
        f.write_str("[")?;
        for (index, value) in values.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", serde_json::json!(value))?;
        }
        f.write_str("]")
    }));
}

/// Formats an instant to the second, for people.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}
