//! What a reader returns: entries, and the errors of the streams that it could not read.

/// The entries that were read, and the streams that could not be read.
#[derive(Debug)]
pub struct Listed<T> {
    /// The entries. Requests are sorted by the time of approval, latest first. Grants are sorted by
    /// the time when they began, oldest first.
    pub entries: Vec<T>,
    /// Which streams could not be read, and why.
    pub flaws: Vec<String>,
    /// How many of the entries that were read were excluded by the filter.
    pub left_out: usize,
    /// Whether reading stopped because the remaining entries are older than the filter's `since`.
    pub older: bool,
}

impl<T> Listed<T> {
    /// Builds a list from which no filter excluded entries.
    pub(in crate::app) fn of(entries: Vec<T>, flaws: Vec<String>) -> Self {
        Self {
            entries,
            flaws,
            left_out: 0,
            older: false,
        }
    }

    /// Keeps the entries for which `takes` returns true, and counts the others as left out.
    pub fn retain(&mut self, takes: impl Fn(&T) -> bool) {
        let before = self.entries.len();
        self.entries.retain(takes);
        self.left_out += before.saturating_sub(self.entries.len());
    }

    /// Replaces the entries and keeps everything else.
    pub fn with<U>(self, entries: Vec<U>) -> Listed<U> {
        Listed {
            entries,
            flaws: self.flaws,
            left_out: self.left_out,
            older: self.older,
        }
    }
}
