//! Prints lines. Does not panic when the reader closes the pipe.

use std::fmt;
use std::io::Write as _;

use crate::domain::Timestamp;

/// As `println!`, but does not panic if the pipe is closed, as in `sharehook requests | head`.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// Writes one line to standard output. Ignores errors, because a closed pipe is no failure.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints a value on a line of its own.
pub(crate) fn out(value: impl fmt::Display) {
    outln!("{value}");
}

/// Formats an instant to the second. The text of every command shows instants in this way.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}
