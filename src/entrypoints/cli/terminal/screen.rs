//! Finds out how wide standard output is, and whether it shows colours. In: the environment
//! variables. Out: a [`Screen`].

use std::io::{IsTerminal as _, stdout};

use crate::config::Vars;

/// The width of an output that is not a terminal, or whose width is unknown.
const DEFAULT_WIDTH: usize = 80;
const MIN_WIDTH: usize = 40;
const MAX_WIDTH: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Screen {
    pub(in super::super) width: usize,
    colours: bool,
}

/// The meaning of a text. A terminal shows it as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Tone {
    #[default]
    Plain,
    /// All is as it should be.
    Good,
    /// Unfinished, or a person should look at it soon.
    Open,
    /// Wrong: a person must act.
    Bad,
    Heading,
    /// Less important than the rest.
    Quiet,
}

impl Tone {
    /// Returns the parameter of the escape sequence (ECMA-48, SGR), or `None` for plain text.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Open => Some("33"),
            Self::Bad => Some("31"),
            Self::Heading => Some("1"),
            Self::Quiet => Some("2"),
        }
    }
}

impl Screen {
    /// Returns the screen of standard output. The variable `COLUMNS` sets the width. `NO_COLOR`
    /// (<https://no-color.org>) and `TERM=dumb` switch the colours off.
    pub(in super::super) fn of_stdout(vars: &Vars) -> Self {
        let terminal = stdout().is_terminal();
        let given = vars.get("COLUMNS").and_then(|text| text.parse().ok());
        let measured = || terminal.then(terminal_width).flatten();
        let width = given.or_else(measured).unwrap_or(DEFAULT_WIDTH);
        let unwanted = vars.get("NO_COLOR").is_some_and(|text| !text.is_empty())
            || vars.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
            colours: terminal && !unwanted,
        }
    }

    /// Returns the text in the colour of `tone`, or unchanged if the screen has no colours.
    pub(in super::super) fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code().filter(|_| self.colours && !text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }

    #[cfg(test)]
    pub(in super::super) fn of_width(width: usize, colours: bool) -> Self {
        Self { width, colours }
    }
}

/// Returns the width of the terminal. Returns `None` if the width is unknown, or if the build lacks
/// the feature `cli`.
fn terminal_width() -> Option<usize> {
    #[cfg(feature = "cli")]
    let width = terminal_size::terminal_size_of(stdout()).map(|(width, _)| width.0.into());
    #[cfg(not(feature = "cli"))]
    let width = None;
    width
}
