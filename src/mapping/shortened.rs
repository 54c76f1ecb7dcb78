//! How errors quote what an event or a program says.

/// A value as it may stand in an error: quoted, escaped, at most 60 characters.
pub(super) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut cut: String = text.chars().take(MAX_CHARS).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}
