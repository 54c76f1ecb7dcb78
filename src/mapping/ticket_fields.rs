//! Reads the `key: value` lines of a Markdown text. In: the text and the known keys. Out: their
//! values as the rendered page shows them.
//!
//! An absent line has a meaning: a share without `expires` never ends. So a line that the page may
//! show and that names a field (`named`) is not ignored: it is read, or the text is refused.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use pulldown_cmark::{Event, Parser};
use strsim::generic_levenshtein;

use super::visible_text::{Line, visible_lines};
use crate::domain::{is_invisible, shown};

/// The widest gap that a line may have, in columns. A code block does not wrap its lines, so what
/// follows a wider gap may lie beyond its right edge.
const MAX_GAP: usize = 24;
/// A colon among this many characters after the name of a field makes the line a field, as in
/// `Expires at:`.
const MAX_BEFORE_COLON: usize = 13;
/// The fields that every request has, except that a request for Lighthouse alone has no `accounts`.
/// A line that only resembles one of them, such as `Image size: 20 GB`, may be text for people.
const REQUIRED: [&str; 3] = ["image", "region", "accounts"];
/// The signs after the name of a field, and those that look like a colon (Unicode's
/// `confusables.txt`). Full-width forms are decomposed before.
const COLONS: [char; 19] = [
    '→', '>', ':', '=', '\u{2d0}', '\u{2f8}', '\u{589}', '\u{5c3}', '\u{703}', '\u{704}',
    '\u{903}', '\u{a83}', '\u{16ec}', '\u{1803}', '\u{1809}', '\u{205a}', '\u{2236}', '\u{a4fd}',
    '\u{a789}',
];
/// Separators of a list. After one of them, the list may go on in the next line.
const SEPARATORS: [char; 6] = [',', ';', '，', '；', '、', '､'];
const REMEDY: &str = "plain text in a line of its own, not struck out, folded, or behind an open \
                      `[`, `<` or `$`";

/// Returns the values of the known keys, which are in lower case.
///
/// # Errors
/// The text has a key with two different values, or a line that may be meant as a field and that
/// cannot be read as one.
pub(super) fn ticket_fields<'k>(
    markdown: &str,
    keys: &[&'k str],
) -> Result<Vec<(&'k str, String)>, String> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    // The field whose value may go on in the next line, and whether a blank line ends it.
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

/// Returns the known key and the value of a `key: value` line.
fn read<'k, 'l>(line: &'l str, keys: &[&'k str]) -> Option<(&'k str, &'l str)> {
    let is_mark = |c: char| c.is_whitespace() || "*_`".contains(c);
    let text = line.trim_start_matches(|c| is_mark(c) || ">#+-".contains(c));
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let key = text.strip_suffix(rest)?;
    let value = rest.trim_start_matches(is_mark).strip_prefix([':', '：'])?;
    let key = keys.iter().find(|known| known.eq_ignore_ascii_case(key))?;
    Some((key, value.trim_matches(is_mark)))
}

/// Refuses a line that was read if a person may read something else.
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

/// Refuses a line that was not read if it names a field, or if it may belong to the open field.
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

/// Whether this character changes the order in which a page shows letters.
fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the columns of the widest gap before the end of the text.
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

/// Returns the key that a person may see at the beginning of this line, or of a cell in it, before
/// a colon or alone.
fn named<'k>(line: &str, keys: &[&'k str]) -> Option<&'k str> {
    let in_line = |line: &str| {
        let plain = plain(line);
        let cells: Vec<&str> = plain.trim().trim_matches('|').split('|').collect();
        // A heading, or the first cell of a table with two columns.
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

/// Returns the text in lower case, without what a page does not show, and with plain letters in
/// place of their variants. A line break becomes the end of a cell.
fn plain(line: &str) -> String {
    let seen = line.chars().filter_map(|c| match c {
        '\t' => Some(' '),
        '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('|'),
        // The lunate sigma looks like a Latin letter, but its decomposition does not.
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

/// Replaces character references, as a browser does in HTML.
fn decoded(line: &str) -> String {
    let mut closed = String::with_capacity(line.len());
    for (at, part) in line.split('&').enumerate() {
        let digits = |text: &str, radix| text.chars().take_while(|c| c.is_digit(radix)).count();
        // Browsers also decode these without a semicolon.
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
    // The parser may read what begins with these as markup.
    let text = closed.replace(['<', '['], " ");
    let texts = Parser::new(text.trim()).filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.replace('\n', " ")),
        _ => None,
    });
    texts.collect()
}

/// Returns the key at the beginning of a cell, if a colon follows it. Numbers, single letters and
/// emoji may precede the key, as in `- [x]` or `:warning:`.
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
            // A Chinese label before the key, as in `操作 action: cancel`.
            None if word.chars().all(is_han) && !rest.trim_start().starts_with(COLONS) => rest,
            None => return None,
        };
    }
}

/// Splits a text after its first word. A Chinese word ends before an ASCII letter or digit.
fn first_word(text: &str) -> (&str, &str) {
    let chinese = text.starts_with(is_han);
    let ends = |c: char| {
        !c.is_alphanumeric() || COLONS.contains(&c) || chinese && c.is_ascii_alphanumeric()
    };
    let end = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Whether this is a Chinese character or Japanese kana.
fn is_han(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether a word is another form of the key `expires`, such as `expiration` in `Expiration date:`.
fn is_expiry(word: &str, key: &str) -> bool {
    key == "expires" && word.starts_with("expir")
}

/// Returns the key that a word is or resembles, if a colon follows directly. After the exact key,
/// or a form of `expires`, the colon may follow a few words later. A key of [`REQUIRED`] must be
/// exact and directly before the colon.
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

/// A character that a person may have written or seen in place of another.
struct Seen(char);

impl PartialEq<char> for Seen {
    fn eq(&self, other: &char) -> bool {
        // Scripts whose letters look like Latin ones have lower-case letters, except Lisu.
        let foreign = !self.0.is_ascii() && self.0.is_lowercase();
        let lisu = matches!(self.0, '\u{a4d0}'..='\u{a4f7}');
        let digit = matches!((self.0, *other), ('0', 'o') | ('1', 'i' | 'l') | ('5', 's'));
        self.0 == *other || foreign || lisu || digit
    }
}

/// Whether a word is the key, or may be taken for it: misspelt by a letter or two, or with letters
/// of other alphabets in it. A word that is all Greek, Cyrillic or the like resembles no key.
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
