//! Lists Rust files, and reads Rust source as text: blanks comments and literals, finds test items
//! and functions. Understands only what the rules in `tidy.rs` need, and expects formatted code.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file. Comments, literals and test items are replaced by blanks, so that every
/// position and line number stays the same.
pub(super) struct Code {
    pub(super) text: String,
    /// The number of lines outside test items.
    pub(super) lines: usize,
    /// The modules that the file declares only for tests: `#[cfg(test)] mod tests;`.
    pub(super) test_modules: Vec<String>,
}

impl Code {
    pub(super) fn of(source: &str) -> Self {
        let mut bytes = without_comments_and_literals(source.as_bytes());
        let mut test_lines = 0;
        let mut test_modules = Vec::new();
        while let Some(start) = find(&bytes, b"#[cfg(test)]") {
            let end = end_of_item(&bytes, start);
            let item = String::from_utf8_lossy(&bytes[start..end]).into_owned();
            test_lines += item.lines().count();
            if let Some((_, name)) = item.trim_end_matches(';').rsplit_once("mod ") {
                test_modules.push(name.to_owned());
            }
            blank(&mut bytes[start..end]);
        }
        Self {
            text: String::from_utf8(bytes).unwrap(),
            lines: source.lines().count() - test_lines,
            test_modules,
        }
    }

    /// The name and the number of lines of each function, from `fn` to the closing brace.
    pub(super) fn functions(&self) -> Vec<(&str, usize)> {
        let bytes = self.text.as_bytes();
        let mut found = Vec::new();
        for (at, _) in self.text.match_indices("fn ") {
            let name = identifier(&self.text[at + 3..]);
            if name.is_empty() || at > 0 && is_name(bytes[at - 1]) {
                continue;
            }
            let end = end_of_item(bytes, at);
            found.push((name, self.text[at..end].lines().count()));
        }
        found
    }
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns the identifier at the start of `text`, or an empty string if there is none.
pub(super) fn identifier(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_name(byte));
    &text[..end.unwrap_or(text.len())]
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|part| part == pattern)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Returns the position after the item that starts at `start` with its attributes. An item ends
/// with `;` or with the closing brace of its body.
fn end_of_item(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let rest = &bytes[start..];
    let is_import =
        find(rest, b"use ").is_some_and(|at| rest[..at].iter().all(|byte| !b";{".contains(byte)));
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth == 0 && !is_import {
                    return start + at + 1;
                }
            }
            b';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    bytes.len()
}

fn without_comments_and_literals(source: &[u8]) -> Vec<u8> {
    let mut bytes = source.to_vec();
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        let length = comment(rest)
            .or_else(|| raw_string(source, at))
            .or_else(|| quoted(rest));
        match length {
            Some(length) => {
                let end = (at + length).min(source.len());
                blank(&mut bytes[at..end]);
                at = end;
            }
            None => at += 1,
        }
    }
    bytes
}

fn comment(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(find(rest, b"\n").unwrap_or(rest.len()));
    }
    rest.starts_with(b"/*")
        .then(|| find(rest, b"*/").map_or(rest.len(), |end| end + 2))
}

fn raw_string(source: &[u8], at: usize) -> Option<usize> {
    let rest = source[at..].strip_prefix(b"r")?;
    let before = at.checked_sub(1).map_or(b' ', |before| source[before]);
    if is_name(before) && before != b'b' {
        return None;
    }
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    let text = rest[hashes..].strip_prefix(b"\"")?;
    let closing = [b"\"".as_slice(), &rest[..hashes]].concat();
    let end = find(text, &closing).unwrap_or(text.len());
    Some(1 + hashes + 1 + end + closing.len())
}

/// Returns the length of the string or character literal at the start of `rest`. A lifetime is not
/// a literal.
fn quoted(rest: &[u8]) -> Option<usize> {
    let quote = *rest.first().filter(|byte| b"\"'".contains(byte))?;
    if quote == b'\'' && rest.get(1) != Some(&b'\\') {
        let character = String::from_utf8_lossy(&rest[1..rest.len().min(5)]);
        let length = character.chars().next()?.len_utf8();
        return (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2);
    }
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    Some(at + 1)
}
