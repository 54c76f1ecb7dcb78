//! Replaces invisible characters, and characters that change the direction of a text, with escapes
//! that a reader can see. Used only for display: the journal keeps the sender's text.

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether a reader cannot see this character, or cannot tell it from others. True for control,
/// format, private-use and unassigned characters, line separators, variation selectors and fillers.
pub(crate) fn is_invisible(c: char) -> bool {
    /// The blank braille pattern, and the placeholders for embedded objects and undecodable bytes.
    /// Unicode classifies them as symbols, so the check of the category does not find them.
    const SYMBOLS: [char; 3] = ['\u{2800}', '\u{FFFC}', '\u{FFFD}'];
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::Surrogate
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || SYMBOLS.contains(&c)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Replaces each invisible character in `text` with an escape such as `\u{202e}`. Characters in
/// `kept` are not replaced.
pub(crate) fn visible<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let hidden = |c: char| is_invisible(c) && !kept.contains(&c);
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            // Writing to a `String` cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_cannot_see_is_written_out() {
        for (text, shown) in [
            ("CHG-7 Zürich 東京 👍", "CHG-7 Zürich 東京 👍"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("a\u{200b}b\u{ad}\u{feff}", "a\\u{200b}b\\u{ad}\\u{feff}"),
            ("a\u{1b}[31m\u{9b}2J", "a\\u{1b}[31m\\u{9b}2J"),
            ("a\nb\tc\u{2028}", "a\nb\\u{9}c\\u{2028}"),
            ("\u{e0041}\u{3164}\u{2800}", "\\u{e0041}\\u{3164}\\u{2800}"),
        ] {
            assert_eq!(visible(text, &['\n']), shown);
        }
    }
}
