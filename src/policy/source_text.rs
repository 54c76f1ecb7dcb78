//! Scans the texts of a policy directory: refuses deep nesting before Cedar parses a text, and
//! finds the places of policies, array elements and JSON errors. Does not interpret the texts.

use crate::domain::{Mark, Problem};

/// Maximum nesting depth of brackets. The limit is needed because Cedar's parser recurses, and a
/// stack overflow ends the process.
const MAX_NESTING: usize = 50;
/// Maximum number of operators in one policy. The limit is needed because a chain of `&&` becomes
/// an expression tree of the same depth.
const MAX_OPERATORS: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// `*.cedar`.
    Policy,
    /// `*.cedarschema`, where `<` is also a bracket.
    Schema,
    /// JSON, which has no comments.
    Json,
}

/// A token that the scan counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// Adds a level to an expression's tree.
    Operator,
    /// Ends a policy.
    Semicolon,
}

/// The tokens of `text`, outside strings and comments.
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    language: Language,
}

impl Tokens<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or_default()
    }

    /// Skips up to the first byte for which `stop` is true, or to the end of the text.
    fn skip(&mut self, stop: impl Fn(u8) -> bool) {
        while self.at < self.text.len() && !stop(self.byte(0)) {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while self.at < self.text.len() && self.byte(0) != b'"' {
            self.at += if self.byte(0) == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    fn word(&mut self) -> Option<Token> {
        let start = self.at;
        self.skip(|b| !(b.is_ascii_alphanumeric() || b == b'_'));
        let word = self.text.get(start..self.at).unwrap_or_default();
        let deepens = matches!(
            word,
            b"if" | b"in" | b"has" | b"like" | b"is" | b"when" | b"unless"
        );
        deepens.then_some(Token::Operator)
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<(usize, Token)> {
        while self.at < self.text.len() {
            let start = self.at;
            let token = match (self.byte(0), self.byte(1)) {
                (b'"', _) => {
                    self.skip_string();
                    continue;
                }
                (b'/', b'/') if self.language != Language::Json => {
                    self.skip(|b| b == b'\n' || b == b'\r');
                    continue;
                }
                (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => match self.word() {
                    Some(token) => return Some((start, token)),
                    None => continue,
                },
                (b'(' | b'[' | b'{', _) => Token::Open,
                (b')' | b']' | b'}', _) => Token::Close,
                (b'<', _) if self.language == Language::Schema => Token::Open,
                (b'>', _) if self.language == Language::Schema => Token::Close,
                (b';', _) => Token::Semicolon,
                (
                    b'&' | b'|' | b'=' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'.' | b'/'
                    | b'%',
                    _,
                ) => Token::Operator,
                _ => {
                    self.at += 1;
                    continue;
                }
            };
            // `&&`, `||`, `==` are one token.
            self.at += if token == Token::Operator && self.byte(0) == self.byte(1) {
                2
            } else {
                1
            };
            return Some((start, token));
        }
        None
    }
}

/// Refuses a text whose nesting or number of operators could overflow the parser's stack. The
/// problem names file and line.
pub(super) fn guard(file: &str, text: &str, language: Language) -> Result<(), Problem> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    for (offset, token) in (Tokens {
        text: text.as_bytes(),
        at: 0,
        language,
    }) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Operator => operators += 1,
            Token::Semicolon => operators = 0,
        }
        let problem = if depth > MAX_NESTING {
            format!("brackets nest more than {MAX_NESTING} deep")
        } else if language == Language::Policy && operators > MAX_OPERATORS {
            format!("one policy has more than {MAX_OPERATORS} operators")
        } else {
            continue;
        };
        let remedy = match language {
            Language::Policy => {
                "divide it into several policies, or put accounts and images in groups in entities.json"
            }
            Language::Schema => "declare the inner types by name, as in type Name = { … };",
            Language::Json => "nest its arrays and objects less deeply",
        };
        let mark = Mark::of(file, text, offset..offset + 1);
        return Err(Problem::at(mark, problem, remedy));
    }
    Ok(())
}

/// Returns the place of a JSON error: from its line and column to the end of the line.
pub(super) fn mark_of_line(file: &str, text: &str, line: usize, column: usize) -> Mark {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let offset = before + column.saturating_sub(1);
    Mark::of(file, text, offset..offset)
}

/// Returns the offsets at which the elements of a JSON array of objects begin.
pub(super) fn elements(json: &str) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut starts = Vec::new();
    for (offset, token) in (Tokens {
        text: json.as_bytes(),
        at: 0,
        language: Language::Json,
    }) {
        match token {
            Token::Open => {
                depth += 1;
                if depth == 2 {
                    starts.push(offset);
                }
            }
            Token::Close => depth = depth.saturating_sub(1),
            Token::Operator | Token::Semicolon => {}
        }
    }
    starts
}

/// Returns the offset of each policy of `pieces` in `text`. The policies must be in the order in
/// which the text contains them. Ignores copies of a policy inside comments.
pub(super) fn offsets<'a>(text: &str, pieces: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut from = 0;
    let mut found = Vec::new();
    for piece in pieces {
        let start = loop {
            let Some(at) = text
                .get(from..)
                .and_then(|rest| rest.find(piece))
                .map(|at| from + at)
            else {
                break from;
            };
            if !commented(text, at) {
                break at;
            }
            from = text.ceil_char_boundary(at + 1);
        };
        found.push(start);
        from = (start + piece.len()).min(text.len());
    }
    found
}

/// Whether the line that contains `offset` begins with `//`, so that it is a comment.
fn commented(text: &str, offset: usize) -> bool {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    line.trim_start().starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!(
            "permit (principal, action, resource) when {{ {}true{} }};",
            "(".repeat(depth),
            ")".repeat(depth)
        )
    }

    #[test]
    fn deep_nesting_is_refused_with_its_line() {
        assert!(guard("a.cedar", &nested(MAX_NESTING - 1), Language::Policy).is_ok());
        let text = format!("// one\n{}", nested(MAX_NESTING));
        let problem = guard("a.cedar", &text, Language::Policy).unwrap_err();
        assert_eq!(problem.field, "a.cedar:2");
        assert!(problem.problem.contains("nest"), "{problem}");
        let schema = format!(
            "type A = {}Long{};",
            "Set<".repeat(5_000),
            ">".repeat(5_000)
        );
        for (text, language) in [
            (schema, Language::Schema),
            ("[".repeat(5_000), Language::Json),
        ] {
            let problem = guard("s", &text, language).unwrap_err();
            assert!(!problem.remedy.contains("policies"), "{problem}");
        }
    }

    #[test]
    fn chains_are_refused_and_counted_per_policy() {
        let policy = |n| {
            format!(
                "permit (principal, action, resource) when {{ true{} }};\n",
                " && true".repeat(n)
            )
        };
        assert!(guard("a", &policy(MAX_OPERATORS - 1), Language::Policy).is_ok());
        assert!(guard("a", &policy(MAX_OPERATORS), Language::Policy).is_err());
        assert!(guard("a", &policy(100).repeat(100), Language::Policy).is_ok());
        let ifs = format!(
            "permit (principal, action, resource) when {{ {} true }};",
            "if true then true else ".repeat(5_000)
        );
        assert!(guard("a", &ifs, Language::Policy).is_err());
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "(".repeat(500);
        for text in [
            format!("// {many}\n"),
            format!("@id(\"{many}\")"),
            format!("\"\\\"{many}\""),
            format!("\"{many}"),
        ] {
            assert!(guard("a", &text, Language::Policy).is_ok(), "{text:.20}");
        }
        let after = format!("\"\\\\\"{many}");
        assert!(
            guard("a", &after, Language::Policy).is_err(),
            "the string ends before the brackets"
        );
        assert!(
            guard("a", &format!("// c\r{many}"), Language::Policy).is_err(),
            "a comment ends at \\r, too"
        );
    }

    #[test]
    fn elements_of_an_array_are_found() {
        let json = r#"[ {"a": [{"b": "]}"}]}, {"c": {}} ]"#;
        assert_eq!(elements(json), [2, json.find(r#"{"c""#).unwrap()]);
        assert!(elements("{}").is_empty());
    }

    #[test]
    fn a_policy_in_a_comment_is_passed_over() {
        let text = "// permit;\n  permit;\npermit;";
        assert_eq!(offsets(text, ["permit;", "permit;"].into_iter()), [13, 21]);
        assert_eq!(offsets("ü// x", ["nowhere", "x"].into_iter()).len(), 2);
    }
}
