//! Finds the parts of a Markdown text that formulas may hide. Takes a text and the events of the
//! Markdown parser, and returns ranges of the text's bytes.
//!
//! Renderers disagree about formulas. The parser used here finds a formula only if its braces are
//! balanced, and also reads the text between two amounts as a formula, as in `$100 and US$200`.
//! GitLab ignores braces and does not end a formula before a digit, like Pandoc's
//! `tex_math_dollars`. GitHub does not publish its rules. So if it is not clear where the formulas
//! of a paragraph begin and end, the returned range reaches from the first possible beginning to
//! the last possible end. If that part of the text contains neither a command nor a comment of TeX,
//! no range is returned, because a formula without them shows all of its text.

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

/// Texts with which TeX may hide something. `%` begins a comment. The others are character
/// references, or the beginning of one, that may stand for `%` or a backslash.
const MAY_HIDE: [&str; 4] = ["%", "&#", "&bsol;", "&percnt;"];

/// Collects the ranges that formulas may hide while the caller passes it the parser's events.
pub(super) struct Formulas<'a> {
    text: &'a str,
    hidden: Vec<Range<usize>>,
    /// Where the last event ends that was seen in the current paragraph.
    end: usize,
    /// The first dollar sign in the current paragraph at which renderers may disagree about a
    /// formula. `None` if there was no such dollar sign yet.
    begin: Option<usize>,
    /// Whether the parser is inside a code block.
    in_code: bool,
}

impl<'a> Formulas<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            hidden: Vec::new(),
            end: 0,
            begin: None,
            in_code: false,
        }
    }

    pub(super) fn see(&mut self, event: &Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) if is_inline(&tag.to_end()) => {}
            Event::End(tag) if is_inline(tag) => self.end = range.end,
            Event::Start(tag) => {
                self.end_paragraph();
                self.in_code = matches!(tag, Tag::CodeBlock(_));
            }
            Event::End(_) => {
                self.end_paragraph();
                self.in_code = false;
            }
            Event::Text(_) if self.in_code => {}
            Event::Text(_) | Event::Html(_) => {
                self.end = range.end;
                let opening = |at: &usize| self.opens(*at);
                let begin = self.dollars(range.clone()).find(opening);
                self.begin = self.begin.or(begin);
            }
            Event::InlineMath(_) => {
                self.end = range.end;
                if !self.is_clear(range) {
                    self.begin = self.begin.or(Some(range.start));
                }
            }
            _ => self.end = range.end,
        }
    }

    /// Returns the ranges that formulas may hide. Call this after the last event.
    pub(super) fn hidden(mut self) -> Vec<Range<usize>> {
        self.end_paragraph();
        self.hidden
    }

    fn end_paragraph(&mut self) {
        let Some(begin) = self.begin.take() else {
            return;
        };
        let closing = |at: &usize| self.closes(*at);
        let last = self.dollars(begin + 1..self.end).filter(closing).last();
        let Some(last) = last else {
            return;
        };
        if may_hide(self.slice(&(begin..last + 1))) {
            self.hidden.push(begin..last + 1);
        }
    }

    /// Whether every renderer reads this range as exactly one formula, if no earlier formula
    /// reaches into the range.
    fn is_clear(&self, range: &Range<usize>) -> bool {
        let ends = |c: char| c.is_ascii_whitespace() || ".,;:!?)".contains(c);
        let formula = self.slice(range);
        let content = formula.trim_matches('$');
        let quoted = content.strip_prefix('`').and_then(|c| c.strip_suffix('`'));
        let before = self.slice(&(0..range.start)).chars().next_back();
        let after = self.slice(&(range.end..self.text.len())).chars().next();
        !quoted.unwrap_or(content).contains('`')
            && !formula.contains('\n')
            && before.is_none_or(|c| c.is_ascii_whitespace() || c == '(')
            && after.is_none_or(ends)
    }

    fn dollars(&self, part: Range<usize>) -> impl Iterator<Item = usize> {
        let found = self.slice(&part).match_indices('$');
        found.map(move |(at, _)| part.start + at)
    }

    fn opens(&self, at: usize) -> bool {
        let after = self.slice(&(at + 1..self.text.len())).chars().next();
        after.is_some_and(|c| !c.is_whitespace())
    }

    fn closes(&self, at: usize) -> bool {
        let before = self.slice(&(0..at)).chars().next_back();
        before.is_some_and(|c| !c.is_whitespace())
    }

    fn slice(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

/// Whether a formula that the parser found at `range` counts as hidden. If a digit follows, the
/// range may only be the text between two amounts, as in `$100 and US$200`. Then it counts as
/// hidden only if TeX may hide a part of it.
pub(super) fn is_hidden(text: &str, range: &Range<usize>) -> bool {
    let rest = text.get(range.end..).unwrap_or_default();
    let formula = text.get(range.clone()).unwrap_or_default();
    !rest.starts_with(|c: char| c.is_ascii_digit()) || may_hide(formula)
}

/// Whether TeX may hide a part of this text. A backslash counts unless it escapes a dollar sign.
fn may_hide(formula: &str) -> bool {
    let command =
        |(at, _): (usize, &str)| !formula.get(at + 1..).unwrap_or_default().starts_with('$');
    MAY_HIDE.iter().any(|begin| formula.contains(begin)) || formula.match_indices('\\').any(command)
}

fn is_inline(tag: &TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image
    )
}
