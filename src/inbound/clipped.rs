//! How errors and log lines quote what a stranger wrote.

/// A value as it may stand in an error or a log line: quoted, escaped, at most 60 characters.
pub(super) fn clipped(text: &str) -> String {
    const MOST: usize = 60;
    let mut cut: String = text.chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}
