//! Replaces secrets in an untrusted text, such as the answer of another server. Also finds a secret
//! if the text writes some of its characters as escapes of JSON, URLs or HTML. For example, many
//! JSON libraries write the `=` at the end of a token as `\u003d`. Does not recognise escapes of
//! characters outside ASCII.

/// Maximum number of backslashes that are read as the escape of one character. JSON inside JSON
/// inside JSON needs up to eight. The limit keeps the search fast in a text that is full of
/// backslashes.
const MAX_BACKSLASHES: usize = 8;
/// Maximum length of the part after `#` in a character reference such as `&#x2F;`, with its `;`.
const MAX_NUMBER: usize = 6;

/// Maximum number of comparisons with one secret per byte of the text, on average. Only a hostile
/// text needs more: one in which the first characters of a secret begin again at most places.
const MAX_COMPARISONS: usize = 16;

/// Returns `text` with `mark` in place of each secret. Ignores empty secrets. If the search needs
/// more than [`MAX_COMPARISONS`], one `mark` replaces the rest of the text.
pub(crate) fn hide_secrets(text: &[u8], secrets: &[&str], mark: &str) -> Vec<u8> {
    search(text, secrets, mark).0
}

/// Does what [`hide_secrets`] does, and also returns the number of comparisons.
fn search(text: &[u8], secrets: &[&str], mark: &str) -> (Vec<u8>, usize) {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let secrets: Vec<&[u8]> = secrets.map(|secret| secret.as_bytes()).collect();
    let most = text.len().saturating_mul(MAX_COMPARISONS * secrets.len());
    let mut comparisons = 0;
    let mut shown = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after_first)) = rest.split_first() {
        if comparisons > most {
            shown.extend_from_slice(mark.as_bytes());
            break;
        }
        // Several secrets may begin here, if one is a prefix of another. Hide the longest.
        let found = secrets
            .iter()
            .filter_map(|secret| after(rest, secret, &mut comparisons));
        match found.min_by_key(|after| after.len()) {
            Some(after) => {
                shown.extend_from_slice(mark.as_bytes());
                rest = after;
            }
            None => {
                shown.push(*first);
                rest = after_first;
            }
        }
    }
    (shown, comparisons)
}

/// Returns the rest of `text` after `secret`, or `None` if `text` does not begin with `secret`.
/// Adds the number of comparisons to `comparisons`.
fn after<'t>(text: &'t [u8], secret: &[u8], comparisons: &mut usize) -> Option<&'t [u8]> {
    let pairs = text.iter().zip(secret);
    let same = pairs.take_while(|(one, other)| one == other).count();
    *comparisons += same;
    if same == secret.len() {
        return text.get(same..);
    }
    // `escaped` reads a run of backslashes in the text as one backslash, so do the same with the
    // secret.
    let mut last = 0;
    let mut bytes = secret.iter().filter(|byte| {
        let before = std::mem::replace(&mut last, **byte);
        before != b'\\' || **byte != b'\\'
    });
    bytes.try_fold(text, |text, byte| {
        *comparisons += 1;
        escaped(text, *byte).or_else(|| text.strip_prefix(&[*byte]))
    })
}

/// Returns the rest of `text` after an escape of `byte`, or `None` if `text` does not begin with
/// one.
fn escaped(text: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    let (found, rest) = match first {
        b'\\' => {
            let backslashes = rest.iter().take(MAX_BACKSLASHES - 1);
            let more = backslashes.take_while(|next| **next == b'\\').count();
            let rest = rest.get(more..)?;
            match rest.strip_prefix(b"u00").and_then(two_digits) {
                Some(found) if found.0 == byte => found,
                _ if byte == b'\\' => (byte, rest),
                _ => (byte, rest.strip_prefix(&[after_backslash(byte)])?),
            }
        }
        b'%' => two_digits(rest)?,
        b'&' => html_name(rest).or_else(|| html_number(rest))?,
        _ => return None,
    };
    (found == byte).then_some(rest)
}

/// Returns the character after the backslash in the JSON escape of `byte`, such as `n` for a line
/// feed.
fn after_backslash(byte: u8) -> u8 {
    match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => byte,
    }
}

fn two_digits(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(2)?;
    let digits = str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

/// Reads the name and the semicolon of a reference such as `&amp;`.
fn html_name(text: &[u8]) -> Option<(u8, &[u8])> {
    const NAMES: [(&[u8], u8); 5] = [
        (b"amp;", b'&'),
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
    ];
    let read = |(name, byte): (&[u8], u8)| Some((byte, text.strip_prefix(name)?));
    NAMES.into_iter().find_map(read)
}

/// Reads the number of a reference such as `&#47;` or `&#x2F;`.
fn html_number(text: &[u8]) -> Option<(u8, &[u8])> {
    let text = text.strip_prefix(b"#")?;
    let end = text
        .iter()
        .take(MAX_NUMBER)
        .position(|byte| *byte == b';')?;
    let (digits, rest) = text.split_at_checked(end)?;
    let digits = str::from_utf8(digits).ok()?;
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    Some((number.ok()?, rest.strip_prefix(b";")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "HUSH/token+0123456789\\abcdef==";

    #[test]
    fn a_secret_is_hidden_in_every_spelling() {
        for spelled in [
            TOKEN,
            r"HUSH\/token+0123456789\\abcdef==",
            r"HUSH/token\u002b0123456789\\abcdef\u003d\u003D",
            // JSON inside a JSON string.
            r"HUSH\\\/token\\u002b0123456789\\\\abcdef\\u003d=",
            "HUSH%2Ftoken%2b0123456789%5Cabcdef%3D%3d",
            "HUSH&#x2F;token&#43;0123456789&#92;abcdef&#61;&#x3d;",
        ] {
            let text = format!("<{spelled}> {spelled}");
            let shown = hide_secrets(text.as_bytes(), &[TOKEN], "***");
            assert_eq!(String::from_utf8(shown).unwrap(), "<***> ***", "{spelled}");
        }
    }

    #[test]
    fn a_secret_with_escapes_of_its_own_is_hidden() {
        for secret in [r"pa\\ss\word", "pa%25ss%41", "pa&#38;ss&amp;"] {
            let json = serde_json::Value::from(secret).to_string();
            for spelled in [secret, &json] {
                let shown = hide_secrets(spelled.as_bytes(), &[secret], "*");
                let shown = String::from_utf8(shown).unwrap();
                assert_eq!(shown.trim_matches('"'), "*", "{spelled}");
            }
        }
        let shown = hide_secrets(b"<b>a&amp;b&quot;</b>", &["a&b\""], "*");
        assert_eq!(String::from_utf8(shown).unwrap(), "<b>*</b>");
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "HUSH/token+0123456789",
            r#"{"a":"\u003d\\\n%zz&#;&#99999;&","b":"\\"}"#,
            r"\",
            "%2",
            "&#1",
            "",
        ] {
            assert_eq!(
                hide_secrets(text.as_bytes(), &[TOKEN, ""], "***"),
                text.as_bytes()
            );
        }
    }

    #[test]
    fn the_longest_secret_and_line_ends_are_hidden() {
        let secrets = ["one", "one\ntwo"];
        let shown = hide_secrets(br"one one\ntwo one\u000atwo", &secrets, "*");
        assert_eq!(String::from_utf8(shown).unwrap(), "* * *");
    }

    /// A peer that knows the secret can write an answer that nearly has it at every place.
    #[test]
    fn a_hostile_answer_takes_a_bounded_search() {
        let secret = format!("{}b", "a".repeat(4_000));
        for (part, bytes) in [
            ("a", 1_000_000),
            (r"\u0061", 100_000),
            ("%61", 100_000),
            ("&#97;", 100_000),
        ] {
            let hostile = part.repeat(bytes / part.len());
            let (shown, comparisons) = search(hostile.as_bytes(), &[&secret], "***");
            assert!(shown.ends_with(b"***"), "{part}");
            assert!(shown.len() < hostile.len(), "{part}");
            let most = MAX_COMPARISONS * hostile.len() + 2 * secret.len();
            assert!(comparisons <= most, "{part}: {comparisons}");
        }
        // An answer that has the secret itself at every place is honest.
        let honest = secret.repeat(250);
        let (shown, comparisons) = search(honest.as_bytes(), &[&secret], "*");
        assert_eq!(shown, "*".repeat(250).into_bytes());
        assert_eq!(comparisons, honest.len());
    }

    /// Answers can be as large as 4 MiB, so the search must not be quadratic.
    #[test]
    fn an_answer_of_escapes_takes_no_long_search() {
        for text in ["\\", "&#", "%2", "HUSH"] {
            let large = text.repeat(250_000);
            assert_eq!(
                hide_secrets(large.as_bytes(), &[TOKEN], "***"),
                large.as_bytes()
            );
        }
    }
}
