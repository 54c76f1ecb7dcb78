//! What a command prints: lines that a closed pipe does not turn into a panic, and plain tables for
//! people.

use std::fmt;
use std::io::Write as _;

/// `println!` that ends quietly when nobody reads any more, as behind `head`.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// Writes one line to standard output. A reader that has gone away is no failure of ours.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Columns aligned by the widest cell; the last one is not padded.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(header.get(column).map(|h| h.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(header.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = table(
            &["ID", "STATUS"],
            &[vec!["CHG0030192".into(), "completed".into()]],
        );
        assert_eq!(text, "ID          STATUS\nCHG0030192  completed");
    }
}
