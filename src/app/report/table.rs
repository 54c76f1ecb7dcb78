//! The parts of the page that the template renders: notes, tables, rows, cells and bars.

use crate::domain::{shell_quoted, visible};

use super::texts::Texts;

/// Maximum number of rows of a table. The page also states the total number.
pub(super) const MAX_ROWS: usize = 1_000;

/// A text with its invisible characters made visible. The template escapes it for HTML.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(String);

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(visible(text.as_ref(), &[]).into_owned())
    }
}

impl Text {
    /// Splits the text at its backticks. Returns the pieces in order, each with a flag that is true
    /// if the piece is code. If a backtick is unpaired, the whole text is one piece without code.
    pub(super) fn pieces(&self) -> Vec<(bool, &str)> {
        let pieces: Vec<&str> = self.0.split('`').collect();
        if pieces.len().is_multiple_of(2) {
            return vec![(false, self.0.as_str())];
        }
        let pieces = pieces.into_iter().enumerate();
        pieces
            .map(|(number, text)| (number % 2 == 1, text))
            .collect()
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The meaning of a text or a bar. The page shows it as a colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    /// Unfinished, or needs a look soon.
    Open,
    /// Wrong: a person must act.
    Bad,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Open => "open",
            Self::Bad => "bad",
        }
    }
}

/// A sentence about a problem, and its remedy.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) tone: Tone,
    pub(super) text: Text,
    /// A command that corrects the problem, to copy into a shell. The page shows the command before
    /// `remedy`, as the beginning of the same sentence.
    pub(super) command: Option<Text>,
    pub(super) remedy: Option<Text>,
}

impl Note {
    pub(super) fn new(tone: Tone, text: impl Into<Text>) -> Self {
        Self {
            tone,
            text: text.into(),
            command: None,
            remedy: None,
        }
    }

    /// Adds `command` with `request` as its argument. `request` is quoted for the shell, because
    /// the sender chose its text.
    pub(super) fn with_command(self, command: &str, request: &str) -> Self {
        let command = format!("{command} {}", shell_quoted(request));
        Self {
            command: Some(command.into()),
            ..self
        }
    }

    pub(super) fn with_remedy(self, remedy: impl Into<Text>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Sentences above the table.
    pub(super) about: Vec<Text>,
    pub(super) columns: Vec<&'static str>,
    /// The first [`MAX_ROWS`] rows.
    pub(super) rows: Vec<Row>,
    /// The number of rows in the form that the heading shows.
    pub(super) count: String,
}

impl Table {
    pub(super) fn new(
        texts: Texts,
        (id, title): (&'static str, &'static str),
        columns: impl Into<Vec<&'static str>>,
        rows: impl IntoIterator<Item = Row>,
    ) -> Self {
        let mut rows = rows.into_iter();
        let kept: Vec<Row> = rows.by_ref().take(MAX_ROWS).collect();
        let all = kept.len() + rows.count();
        Self {
            id,
            title,
            about: Vec::new(),
            columns: columns.into(),
            count: match kept.len() {
                0 => texts.none().to_owned(),
                shown if shown < all => texts.first_of(shown, all),
                _ => all.to_string(),
            },
            rows: kept,
        }
    }

    pub(super) fn about(mut self, line: impl Into<Text>) -> Self {
        self.about.push(line.into());
        self
    }
}

/// A row. The page filters rows by `source` and `state`.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) source: Text,
    pub(super) state: &'static str,
    /// Words that the page's search finds although no cell shows them.
    pub(super) search_words: Text,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    /// Builds a row about a request, which is given as `source/id`.
    pub(super) fn of(request: &str, cells: Vec<Cell>) -> Self {
        let source = request.split_once('/').map_or("", |(source, _)| source);
        Self {
            source: source.into(),
            cells,
            ..Self::default()
        }
    }

    pub(super) fn with_state(self, state: &'static str) -> Self {
        Self { state, ..self }
    }
}

#[derive(Debug, Default)]
pub(super) struct Cell {
    /// The text by which the column is sorted. If `None`, the cell's own text is used.
    pub(super) key: Option<String>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug)]
pub(super) enum Part {
    Text(Text),
    /// An id, which is never broken into lines.
    Id(Text),
    /// A less important text, shown below the other parts.
    More(Text),
    State(Tone, &'static str),
    Bar(Bar),
}

impl Cell {
    pub(super) fn id(id: &str) -> Self {
        Self::from(Part::Id(id.into()))
    }

    pub(super) fn state(tone: Tone, name: &'static str) -> Self {
        Self::from(Part::State(tone, name))
    }

    pub(super) fn more(mut self, text: impl Into<Text>) -> Self {
        let text = text.into();
        if text != Text::default() {
            self.parts.push(Part::More(text));
        }
        self
    }

    pub(super) fn sorted_by(self, key: impl ToString) -> Self {
        Self {
            key: Some(key.to_string()),
            ..self
        }
    }
}

impl From<Part> for Cell {
    fn from(part: Part) -> Self {
        Self {
            key: None,
            parts: vec![part],
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        match text {
            "" => Self::default(),
            text => Self::from(Part::Text(text.into())),
        }
    }
}

/// A bar that is a thousand units long. On the timeline, the bar has a mark at the current time,
/// `now`.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) spans: Vec<Span>,
    pub(super) now: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) tone: Tone,
    pub(super) from: i64,
    pub(super) length: i64,
}
