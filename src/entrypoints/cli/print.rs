//! Prints lines and plain tables. Does not panic when the reader closes the pipe.

use std::fmt;
use std::io::Write as _;

use crate::domain::visible;

/// `println!` without the panic on a closed pipe, as with `| head`.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::entrypoints::cli::print::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// Writes one line to standard output. Ignores errors, because a closed pipe is no failure.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Aligns columns by their widest cell; does not pad the last column. Shows invisible characters,
/// because the cells come from tickets.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| -> Vec<String> {
        let cells = row.iter().map(|cell| visible(cell, &[]).into_owned());
        cells.collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
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
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text.truncate(text.trim_end().len());
    text
}

/// A text in lines of at most 80 columns, all but the first after `indent` blanks; the first has so
/// many already. A longer word gets a line alone.
pub(super) fn wrapped(indent: usize, text: &str) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in visible(text, &[]).split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > 80 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_eighty_columns() {
        let text = wrapped(4, &"word ".repeat(40));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].len() + 4 <= 80 && lines[0].len() > 70);
        assert!(lines[1].starts_with("    word") && lines[1].len() <= 80);
        assert_eq!(wrapped(2, &"x".repeat(100)), "x".repeat(100));
    }

    #[test]
    fn columns_line_up() {
        let text = table(
            &["ID", "STATUS"],
            &[vec!["CHG0030192".into(), "completed".into()]],
        );
        assert_eq!(text, "ID          STATUS\nCHG0030192  completed");
        let text = table(
            &["ID", "STATUS"],
            &[vec!["a\u{202e}\nb".into(), "x".into()]],
        );
        assert_eq!(text, "ID               STATUS\na\\u{202e}\\u{a}b  x");
    }
}
