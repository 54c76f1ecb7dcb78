//! Reads the `key: value` lines of a Markdown text. Takes the text and the known keys, and returns
//! the values of the keys as the rendered page shows them.
//!
//! It would be dangerous to overlook a line. For example, a share never ends if its `expires` line
//! is not found. Therefore a line that the page may show, and that names a field according to
//! `named`, is never ignored. Either the line can be read, or the whole text is refused.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use pulldown_cmark::{Event, Parser};
use strsim::generic_levenshtein;

use super::visible_text::{Line, visible_lines};
use crate::domain::{is_invisible, shown};

/// Maximum width of a run of blanks in a line, in columns. A code block does not wrap its lines, so
/// text after a wider gap may be beyond the right edge of the block, where it is not visible.
const MAX_GAP: usize = 24;
/// The colon of a field must be among this many characters after the field's name. So there may be
/// other words between the name and the colon, as in `Expires at:`.
const MAX_BEFORE_COLON: usize = 13;
/// Fields that every request has, except that a request for Lighthouse alone has no `accounts`. A
/// line that only resembles one of these fields, such as `Image size: 20 GB`, may be text for
/// people, so it does not count as the field.
const REQUIRED: [&str; 3] = ["image", "region", "accounts"];
/// Characters that count as a colon after the name of a field. Many of them look like a colon,
/// according to Unicode's `confusables.txt`. Full-width forms are not listed, because `plain`
/// replaces them with ordinary characters.
const COLONS: [char; 19] = [
    '→', '>', ':', '=', '\u{2d0}', '\u{2f8}', '\u{589}', '\u{5c3}', '\u{703}', '\u{704}',
    '\u{903}', '\u{a83}', '\u{16ec}', '\u{1803}', '\u{1809}', '\u{205a}', '\u{2236}', '\u{a4fd}',
    '\u{a789}',
];
/// Separators of a list. If a line ends with one of them, the list may continue on the next line.
const SEPARATORS: [char; 6] = [',', ';', '，', '；', '、', '､'];
const REMEDY: &str = "plain text in a line of its own, not struck out, folded, or behind an open \
                      `[`, `<` or `$`";

/// Returns those of the `keys` that the text has, with their values. `keys` must be in lower case.
///
/// # Errors
/// Returns a message if the text has two different values for one key, or if a line may be meant as
/// a field but cannot be read as one.
pub(super) fn ticket_fields<'k>(
    markdown: &str,
    keys: &[&'k str],
) -> Result<Vec<(&'k str, String)>, String> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    // The key whose value may continue on the next line, and whether a blank line ends the value.
    let mut open: Option<(&str, bool)> = None;
    for line in visible_lines(markdown) {
        if let Some(c) = line.possible.chars().find(|c| reorders(*c)) {
            let line = shown(line.possible.trim());
            return Err(format!(
                "the line {line} contains U+{:04X}, which changes the order of letters: remove it",
                u32::from(c)
            ));
        }
        if line.possible.trim().is_empty() {
            open = open.filter(|(_, blank_ends_it)| !blank_ends_it);
            continue;
        }
        let Some((key, value)) = read(&line.shown, keys) else {
            check_unread(&line, keys, open)?;
            continue;
        };
        check_read(&line, key)?;
        let label = |c: char| c.is_whitespace() || c == '>';
        let label = line.shown.trim_start_matches(label);
        open = match value.ends_with(SEPARATORS) {
            true => Some((key, false)),
            false if value.is_empty() => Some((key, !label.starts_with(['#', '*', '_', '`']))),
            false => None,
        };
        match fields.iter().find(|(known, _)| *known == key) {
            Some((_, known)) if known != value => {
                return Err(format!("the text has two values for {key}: keep one"));
            }
            Some(_) => {}
            None => fields.push((key, value.to_owned())),
        }
    }
    Ok(fields)
}

/// Returns the key and the value of a `key: value` line, or `None` if the line is not of this form
/// or its key is not known.
fn read<'k, 'l>(line: &'l str, keys: &[&'k str]) -> Option<(&'k str, &'l str)> {
    let is_mark = |c: char| c.is_whitespace() || "*_`".contains(c);
    let text = line.trim_start_matches(|c| is_mark(c) || ">#+-".contains(c));
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let key = text.strip_suffix(rest)?;
    let value = rest.trim_start_matches(is_mark).strip_prefix([':', '：'])?;
    let key = keys.iter().find(|known| known.eq_ignore_ascii_case(key))?;
    Some((key, value.trim_matches(is_mark)))
}

/// Returns an error if a person may read something else in this line than the program did.
fn check_read(line: &Line, key: &str) -> Result<(), String> {
    let text = shown(line.possible.trim());
    if line.shown != line.possible {
        return Err(format!(
            "a part of the line {text} may be hidden or struck out: write {key} as {REMEDY}"
        ));
    }
    if widest_gap(&line.shown) > MAX_GAP {
        return Err(format!(
            "the line of {key} has a gap of more than {MAX_GAP} columns, which may hide what \
             follows it: remove the blanks"
        ));
    }
    Ok(())
}

/// Checks a line that is not a `key: value` line. Returns an error if the line names a field
/// nevertheless, or if it may continue the value of the field `open`.
fn check_unread(line: &Line, keys: &[&str], open: Option<(&str, bool)>) -> Result<(), String> {
    let text = shown(line.possible.trim());
    if let Some(key) = named(&line.possible, keys) {
        return Err(format!(
            "the line {text} names {key}, but cannot be read: write `{key}: …` as {REMEDY}, or \
             take the line out"
        ));
    }
    match open {
        None => Ok(()),
        Some((key, _)) => Err(format!(
            "the value of {key} may go on in the next line, {text}: write all of it in one line, \
             as in `{key}: …`"
        )),
    }
}

/// Whether this character changes the order in which a page shows the letters around it.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the width of the widest run of blanks in a line, in columns. Ignores blanks at the end.
fn widest_gap(line: &str) -> usize {
    let (mut widest, mut gap) = (0, 0);
    for c in line.trim_end().chars() {
        gap = match c {
            '\t' => gap + 8,
            '\u{3000}' => gap + 2,
            c if c.is_whitespace() => gap + 1,
            _ => 0,
        };
        widest = widest.max(gap);
    }
    widest
}

/// Returns the key that this line names in the eyes of a person. The key may be before a colon, at
/// the beginning of the line or of a table cell in it. Or it may be alone in the line, or alone in
/// the first of two cells.
fn named<'k>(line: &str, keys: &[&'k str]) -> Option<&'k str> {
    let in_line = |line: &str| {
        let plain = plain(line);
        let cells: Vec<&str> = plain.trim().trim_matches('|').split('|').collect();
        // The whole line if it is not a table row, or the first cell of a row with two columns.
        let label = match cells.as_slice() {
            [label] | [label, _] => label.trim_matches(|c: char| !c.is_alphanumeric()),
            _ => "",
        };
        let alone = keys.iter().find(|key| **key == label).copied();
        alone.or_else(|| cells.iter().find_map(|cell| begins_with_key(cell, keys)))
    };
    let has_reference = line.contains('&');
    in_line(line).or_else(|| in_line(&has_reference.then(|| decoded(line))?))
}

/// Converts a text to lower case, removes what a page does not show, and replaces variants of
/// letters with the plain letters. A line break becomes `|`, the end of a cell.
fn plain(line: &str) -> String {
    let seen = line.chars().filter_map(|c| match c {
        '\t' => Some(' '),
        '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('|'),
        // The lunate sigma looks like `c`, but its decomposition is an ordinary sigma.
        '\u{3f2}' | '\u{3f9}' => Some('c'),
        c if is_invisible(c) => None,
        c => Some(c),
    });
    let category = CodePointMapData::<GeneralCategory>::new();
    let is_accent = |c: &char| category.get(*c) == GeneralCategory::NonspacingMark;
    DecomposingNormalizerBorrowed::new_nfkd()
        .normalize_iter(seen)
        .flat_map(char::to_lowercase)
        .filter(|c| !is_accent(c))
        .collect()
}

/// Decodes character references such as `&#58;`, as a browser does.
fn decoded(line: &str) -> String {
    let mut closed = String::with_capacity(line.len());
    for (at, part) in line.split('&').enumerate() {
        let digits = |text: &str, radix| text.chars().take_while(|c| c.is_digit(radix)).count();
        // Browsers also decode `&shy` and numbers if the semicolon is missing.
        let length = match part.get(..2) {
            _ if at == 0 => 0,
            _ if part.starts_with("shy") => 3,
            Some("#x" | "#X") => 2 + digits(part.get(2..).unwrap_or_default(), 16),
            _ if part.starts_with('#') => 1 + digits(part.get(1..).unwrap_or_default(), 10),
            _ => 0,
        };
        let (reference, rest) = part.split_at_checked(length).unwrap_or((part, ""));
        closed.push_str(if at > 0 { "&" } else { "" });
        closed.push_str(reference);
        closed.push_str(if length > 0 && !rest.starts_with(';') {
            ";"
        } else {
            ""
        });
        closed.push_str(rest);
    }
    // Without this, the parser might read text that begins with `<` or `[` as markup.
    let text = closed.replace(['<', '['], " ");
    let texts = Parser::new(text.trim()).filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.replace('\n', " ")),
        _ => None,
    });
    texts.collect()
}

/// Returns the key at the beginning of a cell if a colon follows it. There may be numbers, single
/// letters and emoji before the key, such as `- [x]` or `:warning:`.
fn begins_with_key<'k>(cell: &str, keys: &[&'k str]) -> Option<&'k str> {
    let mut text = cell;
    loop {
        let begin = text.trim_start_matches(|c: char| !c.is_alphanumeric());
        let before = text.get(..text.len() - begin.len())?;
        let (word, rest) = first_word(begin);
        if let Some(key) = key_at(word, rest, keys) {
            return Some(key);
        }
        let in_emoji = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
        let after_emoji = match before.ends_with(':') {
            true => begin.trim_start_matches(in_emoji).strip_prefix(':'),
            false => None,
        };
        text = match after_emoji {
            Some(rest) => rest,
            None if word.is_empty() => return None,
            None if word.chars().nth(1).is_none() => rest,
            None if word.chars().all(|c| c.is_ascii_digit()) => rest,
            // There may be a Chinese label before the key, as in `操作 action: cancel`.
            None if word.chars().all(is_han) && !rest.trim_start().starts_with(COLONS) => rest,
            None => return None,
        };
    }
}

/// Splits a text after its first word. If the word is Chinese, it also ends before an ASCII letter
/// or digit.
fn first_word(text: &str) -> (&str, &str) {
    let chinese = text.starts_with(is_han);
    let ends = |c: char| {
        !c.is_alphanumeric() || COLONS.contains(&c) || chinese && c.is_ascii_alphanumeric()
    };
    let end = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Whether this is a Chinese character. Japanese kana count as Chinese too.
fn is_han(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether `key` is `expires` and the word is a form of it, such as `expiration` in
/// `Expiration date:`.
fn is_expiry(word: &str, key: &str) -> bool {
    key == "expires" && word.starts_with("expir")
}

/// Returns the key that `word` names. `rest` is the text after the word.
///
/// If a colon follows directly, the word may be the key itself, a misspelt key, or a form of
/// `expires`. If the colon is only among the next [`MAX_BEFORE_COLON`] characters, the word must be
/// the key itself or a form of `expires`. For a key in [`REQUIRED`], the word must be the key
/// itself, and the colon must follow directly.
fn key_at<'k>(word: &str, rest: &str, keys: &[&'k str]) -> Option<&'k str> {
    let is_colon = |text: &str| text.starts_with(COLONS) && !text.starts_with("://");
    let is_gap = |c: char| !c.is_alphanumeric() && !COLONS.contains(&c);
    if is_colon(rest.trim_start_matches(is_gap)) {
        let similar = |key: &str| resembles(word, key) || is_expiry(word, key);
        let means = |key: &&&str| **key == word || !REQUIRED.contains(*key) && similar(key);
        return keys.iter().find(means).copied();
    }
    let compound = rest.strip_prefix(['-', '.', '_']);
    if compound.is_some_and(|rest| rest.starts_with(char::is_alphanumeric)) {
        return None;
    }
    let near = rest.char_indices().take(MAX_BEFORE_COLON);
    let mut near = near.filter_map(|(at, _)| rest.get(at..));
    let is_named =
        |key: &&&str| !REQUIRED.contains(*key) && (**key == word || is_expiry(word, key));
    let key = keys.iter().find(is_named).copied()?;
    near.any(is_colon).then_some(key)
}

/// A character of a word. It equals every character that a person may mistake it for.
struct Seen(char);

impl PartialEq<char> for Seen {
    fn eq(&self, other: &char) -> bool {
        // Letters that look like Latin ones belong to scripts with lower-case letters, or to Lisu.
        let foreign = !self.0.is_ascii() && self.0.is_lowercase();
        let lisu = matches!(self.0, '\u{a4d0}'..='\u{a4f7}');
        let digit = matches!((self.0, *other), ('0', 'o') | ('1', 'i' | 'l') | ('5', 's'));
        self.0 == *other || foreign || lisu || digit
    }
}

/// Whether a person may read a word as the key, although one or two letters are wrong or some
/// letters belong to other alphabets. A word that is entirely Greek or Cyrillic, for example, does
/// not resemble any key.
fn resembles(word: &str, key: &str) -> bool {
    let most = match key.len() {
        0..5 => 0,
        5..7 => 1,
        _ => 2,
    };
    let close = word.chars().take(key.len() + 3).count().abs_diff(key.len()) <= most;
    if !close || word.chars().all(|c| matches!(c, '\u{370}'..='\u{10ff}')) {
        return false;
    }
    let seen: Vec<Seen> = word.chars().map(Seen).collect();
    let key: Vec<char> = key.chars().collect();
    generic_levenshtein(&seen, &key) <= most
}
