//! Reads the `@id` and the scope of each policy in a file of a validated package, with a hundredth
//! of the work of Cedar's parser. Returns `None` if a policy is written in a way that only Cedar's
//! parser can read. `bundle` compares the result with what Cedar's parser reads.

use super::scope::{Entity, Scope};

/// A policy of which only the id and the scope are parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    /// The policy's text, from the first annotation to the semicolon.
    pub(super) text: &'a str,
    pub(super) scope: Scope,
}

/// Returns the policies of a file in their order, and every string in the file. The strings include
/// the ids of all entities that the policies name.
pub(super) fn read(text: &str) -> Option<(Vec<Head<'_>>, Vec<&str>)> {
    let mut reader = Reader {
        text,
        at: 0,
        next: None,
        strings: Vec::new(),
    };
    reader.step()?;
    let mut heads = Vec::new();
    while reader.next.is_some() {
        heads.push(reader.policy()?);
    }
    Some((heads, reader.strings))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// An identifier, a keyword or a number.
    Word(&'a str),
    /// The content of a string that has no escapes.
    Text(&'a str),
    /// `::`, `==` or any other punctuation character.
    Sign(&'a str),
}

struct Reader<'a> {
    text: &'a str,
    /// The offset of the text after `next`.
    at: usize,
    /// The next token and its offset. `None` at the end of the text.
    next: Option<(usize, Token<'a>)>,
    strings: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    /// Advances to the next token. Returns `None` if the text does not continue with a token that
    /// this reader knows.
    fn step(&mut self) -> Option<()> {
        self.skip_blanks();
        let start = self.at;
        let rest = self.text.get(start..)?;
        let Some(first) = rest.bytes().next() else {
            self.next = None;
            return Some(());
        };
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let (token, length) = match first {
            b'"' => {
                let end = rest
                    .bytes()
                    .skip(1)
                    .position(|b| matches!(b, b'"' | b'\\'))?
                    + 1;
                if rest.as_bytes().get(end) != Some(&b'"') {
                    return None;
                }
                let content = rest.get(1..end)?;
                self.strings.push(content);
                (Token::Text(content), end + 1)
            }
            first if is_word(first) => {
                let length = rest.bytes().take_while(|b| is_word(*b)).count();
                (Token::Word(rest.get(..length)?), length)
            }
            first if first.is_ascii_punctuation() => {
                let double = rest.starts_with("::") || rest.starts_with("==");
                let length = if double { 2 } else { 1 };
                (Token::Sign(rest.get(..length)?), length)
            }
            _ => return None,
        };
        self.at = start + length;
        self.next = Some((start, token));
        Some(())
    }

    fn skip_blanks(&mut self) {
        let text = self.text.as_bytes();
        loop {
            let rest = text.get(self.at..).unwrap_or_default();
            let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
            let blank = rest.iter().take_while(|b| is_blank(b)).count();
            let rest = rest.get(blank..).unwrap_or_default();
            self.at += blank;
            if !rest.starts_with(b"//") {
                return;
            }
            let is_end = |b: &u8| matches!(b, b'\n' | b'\r');
            self.at += rest.iter().position(is_end).unwrap_or(rest.len());
        }
    }

    /// Returns the next token and steps to the one after it.
    fn take(&mut self) -> Option<Token<'a>> {
        let (_, token) = self.next?;
        self.step()?;
        Some(token)
    }

    /// Reads `token` if it is the next token, and returns whether it was.
    fn takes(&mut self, token: Token<'_>) -> Option<bool> {
        let is = self.next.is_some_and(|(_, next)| next == token);
        if is {
            self.step()?;
        }
        Some(is)
    }

    /// Reads `token`, or returns `None` if it is not the next token.
    fn needs(&mut self, token: Token<'_>) -> Option<()> {
        self.takes(token)?.then_some(())
    }

    /// Reads a policy: `@id("…") permit (principal …, action …, resource …) … ;`
    fn policy(&mut self) -> Option<Head<'a>> {
        let (start, _) = self.next?;
        let id = self.annotations()?;
        let effect = self.take()?;
        if ![Token::Word("permit"), Token::Word("forbid")].contains(&effect) {
            return None;
        }
        self.needs(Token::Sign("("))?;
        let principal = self.principal_or_resource("principal")?;
        self.needs(Token::Sign(","))?;
        let actions = self.actions()?;
        self.needs(Token::Sign(","))?;
        let resource = self.principal_or_resource("resource")?;
        self.needs(Token::Sign(")"))?;
        let scope = Scope {
            principal,
            actions,
            resource,
        };
        loop {
            let (end, token) = self.next?;
            self.step()?;
            if token == Token::Sign(";") {
                let text = self.text.get(start..=end)?;
                return Some(Head { id, text, scope });
            }
        }
    }

    /// Reads all annotations of a policy and returns the value of `@id`.
    fn annotations(&mut self) -> Option<&'a str> {
        let mut id = None;
        while self.takes(Token::Sign("@"))? {
            let key = self.take()?;
            if self.takes(Token::Sign("("))? {
                let Token::Text(value) = self.take()? else {
                    return None;
                };
                self.needs(Token::Sign(")"))?;
                if key == Token::Word("id") {
                    id = Some(value);
                }
            }
        }
        id
    }

    /// Reads `principal`, `principal == E`, `principal in E`, `principal is T` or
    /// `principal is T in E`, or the same forms with `resource`. Returns `E`, if there is one.
    fn principal_or_resource(&mut self, variable: &str) -> Option<Option<Entity>> {
        self.needs(Token::Word(variable))?;
        if self.takes(Token::Word("is"))? {
            self.path()?;
        } else if self.takes(Token::Sign("=="))? {
            return self.entity().map(Some);
        }
        match self.takes(Token::Word("in"))? {
            true => self.entity().map(Some),
            false => Some(None),
        }
    }

    /// Reads `action`, `action == E`, `action in E` or `action in [E, …]`. Returns every `E`.
    fn actions(&mut self) -> Option<Option<Vec<Entity>>> {
        self.needs(Token::Word("action"))?;
        if self.takes(Token::Sign("=="))? {
            return Some(Some(vec![self.entity()?]));
        }
        if !self.takes(Token::Word("in"))? {
            return Some(None);
        }
        if !self.takes(Token::Sign("["))? {
            return Some(Some(vec![self.entity()?]));
        }
        let mut actions = Vec::new();
        while !self.takes(Token::Sign("]"))? {
            actions.push(self.entity()?);
            if !self.takes(Token::Sign(","))? {
                self.needs(Token::Sign("]"))?;
                break;
            }
        }
        Some(Some(actions))
    }

    /// Reads an entity, as in `Share::Team::"platform"`.
    fn entity(&mut self) -> Option<Entity> {
        let mut kind = self.word()?.to_owned();
        loop {
            self.needs(Token::Sign("::"))?;
            match self.take()? {
                Token::Word(part) => {
                    kind.push_str("::");
                    kind.push_str(part);
                }
                Token::Text(id) => return Some((kind, id.to_owned())),
                Token::Sign(_) => return None,
            }
        }
    }

    /// Reads the name of a type, as in `Share::Team`.
    fn path(&mut self) -> Option<()> {
        self.word()?;
        while self.takes(Token::Sign("::"))? {
            self.word()?;
        }
        Some(())
    }

    fn word(&mut self) -> Option<&'a str> {
        match self.take()? {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Sign(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    fn scope_of(head: &str) -> Option<Scope> {
        let text = format!("@id(\"x\") permit ({head});");
        let (mut heads, _) = read(&text)?;
        assert_eq!((heads.len(), heads[0].text), (1, text.as_str()));
        heads.pop().map(|head| head.scope)
    }

    #[test]
    fn a_scope_is_what_cedar_says_it_is() {
        let team = "Share::Team::\"a b,)(;\"";
        let share = "Share::Action::\"share\"";
        for head in [
            "principal, action, resource".to_owned(),
            format!("principal in {team}, action == {share}, resource == Share::Image::\"img-1\""),
            format!(
                "principal is Share::Requester in {team}, action in {share}, resource is Image"
            ),
            format!("principal == Requester::\"é\", action in [], resource in {team}"),
            format!("principal is R, action in [{share}, {share}], resource is A::B in {team}"),
            format!(
                "principal in // principal ==\n Share :: Team::\"x\" , action in [{share}] , resource"
            ),
        ] {
            let text = format!("permit ({head});");
            let cedars = cedar_policy::Policy::parse(None, &text).expect(&text);
            assert_eq!(scope_of(&head), Some(Scope::of(&cedars)), "{head}");
        }
    }

    #[test]
    fn policies_end_at_their_own_semicolon() {
        let first = "@reason(\"a;b\")\n@id(\"one\") @odd forbid(principal,action,resource) when { resource.id == \";\" // ;\n};";
        let second = "@id(\"two\")permit(principal,action,resource);";
        let text = format!("// @id(\"no\") permit;\n{first}{second} // the end");
        let (heads, strings) = read(&text).unwrap();
        let found: Vec<_> = heads.iter().map(|head| (head.id, head.text)).collect();
        assert_eq!(found, [("one", first), ("two", second)]);
        assert_eq!(strings, ["a;b", "one", ";", "two"]);
        assert_eq!(read(" \n// nothing").unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_cedar() {
        for head in [
            "principal, action, resource,",
            "principal in (Share::Team::\"x\"), action, resource",
            "principal in Share::Team::\"\\x41\", action, resource",
            "principal in ?principal, action, resource",
            "principal\u{a0}, action, resource",
            "principal, resource, action",
            "principal, action, resource) when { \"",
        ] {
            assert_eq!(scope_of(head), None, "{head}");
        }
        for text in [
            "permit(principal, action, resource);",
            "@id permit(principal, action, resource);",
            "@id(\"x\") deny(principal, action, resource);",
            "@id(\"x\") permit(principal, action, resource)",
            "@id(\"x\") permit(principal, action, resource) when { \"\\n\" == \"\" };",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
