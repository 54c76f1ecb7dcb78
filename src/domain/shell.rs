//! Quotes the texts of senders for commands that the program prints and a reader copies into a POSIX
//! shell. Takes a text and returns one word.

use super::visible::visible;

/// Quotes a text as one word.
pub(crate) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether a text is one word as it is, has only characters that a reader sees, and is no option.
pub(crate) fn is_plain_word(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "@%+=:,./#_-".contains(c);
    let starts = text.chars().next().is_some_and(char::is_alphanumeric);
    starts && text.chars().all(plain) && visible(text, &[]) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_text_is_one_word_of_a_shell() {
        for (text, quoted, plain) in [
            ("jira/CHG1", "'jira/CHG1'", true),
            ("invoke/变更-2026", "'invoke/变更-2026'", true),
            ("jira/a; rm -rf ~", "'jira/a; rm -rf ~'", false),
            ("jira/$(id)`id`\"\\", "'jira/$(id)`id`\"\\'", false),
            ("jira/it's", r"'jira/it'\''s'", false),
            ("'; id; '", r"''\''; id; '\'''", false),
            ("jira/a\u{200d}b", "'jira/a\u{200d}b'", false),
            ("jira/a\u{3164}", "'jira/a\u{3164}'", false),
            ("-x/1", "'-x/1'", false),
            ("", "''", false),
        ] {
            assert_eq!(shell_quoted(text), quoted);
            assert_eq!(is_plain_word(text), plain, "{text:?}");
            let words = [quoted, text].map(str::to_owned);
            for word in words.iter().take(if plain { 2 } else { 1 }) {
                let script = format!("printf %s {word}");
                let shell = std::process::Command::new("sh")
                    .args(["-c", &script])
                    .output();
                assert_eq!(shell.unwrap().stdout, text.as_bytes());
            }
        }
    }
}
