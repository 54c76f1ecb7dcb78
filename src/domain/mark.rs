//! A place in a text file, for problems that point at it. Converts a range of bytes in the file's
//! text to line, column and length in characters. Does not keep the text, which may contain
//! secrets.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

/// A piece of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The path under which the operator can open the file.
    pub file: String,
    /// The line. The first line is 1.
    pub line: usize,
    /// The position of the first marked character in its line. The first position is 1.
    pub column: usize,
    /// The length in characters. 0 means the file as a whole.
    pub length: usize,
}

impl Mark {
    /// Marks the bytes `span` of `text`. If `span` has several lines, only the first is marked. If
    /// `span` is empty, the rest of its line is marked.
    pub fn of(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let (before, rest) = text.split_at(start);
        let length = span.end.checked_sub(start).filter(|length| *length > 0);
        let end = rest.ceil_char_boundary(length.unwrap_or(rest.len()));
        let piece = rest.get(..end).unwrap_or_default();
        let shown = piece.lines().next().unwrap_or_default().trim_end();
        let line_start = before.rsplit('\n').next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + line_start.chars().count(),
            length: shown.chars().count().max(1),
        }
    }

    /// Marks the file as a whole, at its first line.
    pub fn whole(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            column: 1,
            length: 0,
        }
    }

    /// Returns the mark with `folder` put before the name of the file.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        Self {
            file: folder.join(&self.file).display().to_string(),
            ..self
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_in_characters() {
        let text = "a = 1\nname = \"é\" # ü\n";
        let at = text.find("\"é").unwrap();
        let mark = Mark::of("c.toml", text, at..at + 4);
        assert_eq!((mark.line, mark.column, mark.length), (2, 8, 3));
        assert_eq!(mark.to_string(), "c.toml:2");
        let rest = Mark::of("c.toml", text, at..at);
        assert_eq!(rest.length, "\"é\" # ü".chars().count());
        let two_lines = Mark::of("c.toml", text, 0..text.len());
        assert_eq!((two_lines.line, two_lines.length), (1, 5));
        // The first span begins inside a character, and the second after the end of the text.
        assert_eq!(Mark::of("c.toml", text, at + 2..at + 2).column, 9);
        assert_eq!(Mark::of("c.toml", text, 900..901).length, 1);
    }
}
