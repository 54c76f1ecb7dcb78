//! Formats what commands show to people: tables, lines that fit the screen, colours and progress.
//! In: texts and the screen. Out: text; progress goes to standard error.

mod progress;
mod screen;
mod table;
pub(super) mod text;

pub(super) use progress::{counting, during};
pub(super) use screen::{Screen, Tone};
pub(super) use table::{Cell, column, table, texts, texts_from};
