//! Finds which parts of a text HTML hides: comments, declarations, tags, and elements that hide
//! their content. In: a text. Out: ranges of its bytes. Where browsers and Markdown renderers
//! disagree about the end of such a part, the rest of the text is hidden.

use std::collections::BTreeMap;
use std::ops::Range;

/// Elements whose content is not shown, or shown only after a click.
const HIDING: [&str; 17] = [
    "details", "template", "script", "style", "title", "textarea", "select", "object", "iframe",
    "noscript", "svg", "math", "head", "audio", "video", "canvas", "dialog",
];
/// Attributes that may hide an element.
const HIDING_ATTRIBUTES: [&str; 4] = ["hidden", "style", "class", "open"];

/// A text, and where it closes elements.
pub(super) struct Html<'a> {
    text: &'a str,
    /// Where the last closing tag of each name begins.
    closing: BTreeMap<String, usize>,
}

impl<'a> Html<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let tags = text.match_indices("</");
        let named = tags.filter_map(|(at, _)| Some((name(text.get(at + 2..)?), at)));
        Self {
            text,
            closing: named.collect(),
        }
    }

    /// Returns what the HTML that begins in this part of the text hides.
    pub(super) fn hidden(&self, part: Range<usize>) -> Vec<Range<usize>> {
        let (mut hidden, mut at) = (Vec::new(), part.start);
        while let Some(found) = self.text.get(at..part.end).and_then(|text| text.find('<')) {
            at += found;
            let html = self.text.get(at..).unwrap_or_default();
            if !begins_html(html) {
                at += 1;
                continue;
            }
            let Some(length) = length(html) else {
                hidden.push(at..self.text.len());
                break;
            };
            let hides = html.get(..length).is_some_and(hides_content);
            let end = match hides {
                true => self.end_of(&name(html.get(1..).unwrap_or_default()), at),
                false => at + length,
            };
            hidden.push(at..end);
            at += length;
        }
        hidden
    }

    /// Returns where the last closing tag of this name ends. It must follow the position `after`;
    /// otherwise the element lasts to the end of the text.
    fn end_of(&self, name: &str, after: usize) -> usize {
        let last = self.closing.get(name).filter(|at| **at > after);
        let end = last.and_then(|at| Some(at + length(self.text.get(*at..)?)?));
        end.unwrap_or(self.text.len())
    }
}

fn begins_html(text: &str) -> bool {
    let follows = text.strip_prefix('<').and_then(|rest| rest.chars().next());
    follows.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c))
}

/// Returns the length of the comment, declaration or tag at the beginning of `html`; `None` if it
/// is unclosed, or if renderers disagree about its end.
fn length(html: &str) -> Option<usize> {
    // Where `sooner` precedes `end`, a browser ends it there.
    let until = |begin: usize, end: &str, sooner: &str| {
        let (inside, _) = html.get(begin..)?.split_once(end)?;
        (!inside.contains(sooner)).then_some(begin + inside.len() + end.len())
    };
    if html.starts_with("<!-->") || html.starts_with("<!--->") {
        None
    } else if html.starts_with("<!--") {
        until(4, "-->", "--!>")
    } else if html.starts_with("<?") {
        until(2, "?>", ">")
    } else if html.starts_with("<![CDATA[") {
        until(9, "]]>", ">")
    } else {
        length_of_tag(html)
    }
}

fn length_of_tag(html: &str) -> Option<usize> {
    let rest = well_formed(html).or_else(|| {
        let (inside, rest) = html.split_once('>')?;
        (!inside.contains(['"', '\''])).then_some(rest)
    })?;
    let length = html.len() - rest.len();
    // The mark of a block quote ends no tag.
    let (_, line) = html
        .get(..length - 1)?
        .rsplit_once('\n')
        .unwrap_or_default();
    let is_mark = html.get(..length)?.contains('\n') && line.trim().is_empty();
    (!is_mark).then_some(length)
}

/// Returns what follows a tag that every renderer reads in the same way.
fn well_formed(html: &str) -> Option<&str> {
    let ends_value = |c: char| " \t\n\"'=<>`".contains(c);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    let mut rest = html.strip_prefix('<')?;
    rest = rest.strip_prefix('/').unwrap_or(rest);
    rest = rest.trim_start_matches(is_name);
    loop {
        let attribute = rest.trim_start_matches([' ', '\t', '\n']);
        let after = attribute.trim_start_matches(is_name);
        if attribute.len() == rest.len() || after.len() == attribute.len() {
            let end = attribute.strip_prefix('/').unwrap_or(attribute);
            return end.strip_prefix('>');
        }
        rest = match after.strip_prefix('=') {
            None => after,
            Some(value) => match value.chars().next()? {
                quote @ ('"' | '\'') => value.get(1..)?.split_once(quote)?.1,
                c if ends_value(c) => return None,
                _ => value.trim_start_matches(|c| !ends_value(c)),
            },
        };
    }
}

/// Whether a tag begins an element that may hide its content.
fn hides_content(tag: &str) -> bool {
    let Some(inside) = tag
        .strip_prefix('<')
        .filter(|tag| !tag.starts_with(['/', '!', '?']))
    else {
        return false;
    };
    let tag = inside.to_ascii_lowercase();
    let mut words = tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let element = words.next();
    element.is_some_and(|element| HIDING.contains(&element))
        || words.any(|word| HIDING_ATTRIBUTES.contains(&word))
}

/// Returns the name at the beginning of a tag's inside, in lower case.
fn name(inside: &str) -> String {
    let end = |c: char| c.is_whitespace() || "/>".contains(c);
    let name = inside.split(end).next().unwrap_or_default();
    name.to_ascii_lowercase()
}
