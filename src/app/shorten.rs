//! Shortens the lists of a report for a log line or a function's error. Takes a list and its name, and
//! notes how many entries it removes.

use std::collections::BTreeMap;

/// The number of entries that were removed from each list.
pub(super) type More = BTreeMap<&'static str, usize>;

/// Keeps the first `most` entries of a list, and adds the number of the others to `more`.
pub(super) fn cut<T>(more: &mut More, name: &'static str, list: &mut Vec<T>, most: usize) {
    let rest = list.len().saturating_sub(most);
    if rest > 0 {
        list.truncate(most);
        more.insert(name, rest);
    }
}
