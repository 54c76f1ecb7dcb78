//! Finds the parts of a text that HTML hides: comments, declarations, tags, and elements that hide
//! their content. Takes a text and returns ranges of its bytes. If browsers and Markdown renderers
//! disagree about the end of such a part, the range reaches to the end of the text.

use std::collections::BTreeMap;
use std::ops::Range;

/// Elements whose content is not shown, is shown only after a click, is struck out, or looks
/// different. For example, `bdo` can reverse the order of letters.
const HIDING: [&str; 26] = [
    "details",
    "template",
    "script",
    "style",
    "title",
    "textarea",
    "select",
    "object",
    "iframe",
    "noscript",
    "svg",
    "math",
    "head",
    "audio",
    "video",
    "canvas",
    "dialog",
    "rp",
    "bdo",
    "del",
    "s",
    "strike",
    "xmp",
    "noembed",
    "noframes",
    "plaintext",
];
/// The elements of [`HIDING`] inside which a browser reads `<!--` as text.
const LITERAL: [&str; 10] = [
    "script",
    "style",
    "title",
    "textarea",
    "iframe",
    "noscript",
    "xmp",
    "noembed",
    "noframes",
    "plaintext",
];
/// Elements that do not begin a new line. All other elements do.
const PHRASES: [&str; 30] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u",
    "var", "wbr", "big",
];
/// Elements inside which a browser ignores closing tags of outer elements.
const SCOPES: [&str; 6] = ["applet", "caption", "marquee", "table", "td", "th"];
const HIDING_ATTRIBUTES: [&str; 4] = ["hidden", "style", "class", "open"];

pub(super) struct Html<'a> {
    text: &'a str,
    tags: BTreeMap<String, Tags>,
    /// Whether all renderers agree where the tags and comments begin and end.
    clear: bool,
    /// Where the first tag or comment begins that is unclosed, or about whose end renderers
    /// disagree. All text from this position on counts as hidden and is not searched further. If
    /// there is no such tag or comment, this is the end of the text.
    unclear: usize,
}

pub(super) struct Markup {
    pub(super) range: Range<usize>,
    /// Whether the markup counts as hidden: every renderer recognises it as markup, or it is a tag
    /// that contains neither a colon nor `=`. Other markup is only doubtful.
    pub(super) is_certain: bool,
    /// Whether the rendered page begins a new line before and after the markup.
    pub(super) breaks_line: bool,
}

/// The number of opening and closing tags with one name, outside comments and code.
#[derive(Default)]
struct Tags {
    opened: usize,
    closed: usize,
    /// Where the last closing tag ends.
    end: usize,
}

impl<'a> Html<'a> {
    /// Counts the tags in a text. `html` has the parts of the text that CommonMark reads as HTML.
    pub(super) fn new(text: &'a str, html: &[Range<usize>]) -> Self {
        let mut tags: BTreeMap<String, Tags> = BTreeMap::new();
        let mut unclear = text.len();
        'parts: for part in html {
            let mut at = part.start;
            while let Some(found) = text.get(at..part.end).and_then(|text| text.find('<')) {
                at += found;
                let tag = text.get(at..).unwrap_or_default();
                if !begins_html(tag) {
                    at += 1;
                    continue;
                }
                let Some(length) = length(tag).filter(|length| at + length <= part.end) else {
                    unclear = at;
                    break 'parts;
                };
                at += length;
                let inside = tag.get(1..).unwrap_or_default();
                match inside.strip_prefix('/') {
                    Some(closing) => {
                        let tags = tags.entry(name(closing)).or_default();
                        (tags.closed, tags.end) = (tags.closed + 1, at);
                    }
                    None => tags.entry(name(inside)).or_default().opened += 1,
                }
            }
        }
        let opened = |name: &str| tags.get(name).is_some_and(|tags| tags.opened > 0);
        let clear = unclear == text.len() && !LITERAL.into_iter().any(opened);
        Self {
            text,
            tags,
            clear,
            unclear,
        }
    }

    /// Returns the tags and comments in `part`, which must be a part of the text that CommonMark
    /// reads as HTML.
    pub(super) fn markup(&self, part: Range<usize>) -> Vec<Markup> {
        let (mut found, mut at) = (Vec::new(), part.start);
        while let Some(next) = self.text.get(at..part.end).and_then(|text| text.find('<')) {
            at += next;
            if at >= self.unclear {
                break;
            }
            let html = self.text.get(at..).unwrap_or_default();
            let Some(length) = begins_html(html).then(|| length(html)).flatten() else {
                at += 1;
                continue;
            };
            let range = at..at + length;
            at = range.end;
            let is_comment = html.starts_with("<!--");
            if is_comment || !html.starts_with("<!") && !html.starts_with("<?") {
                let tag = html.get(1..length).unwrap_or_default();
                let name = name(tag.strip_prefix('/').unwrap_or(tag));
                found.push(Markup {
                    range,
                    is_certain: self.clear || !is_comment && !tag.contains([':', '：', '=']),
                    breaks_line: !is_comment && !PHRASES.contains(&name.as_str()),
                });
            }
        }
        found
    }

    /// Returns the ranges that are hidden by tags and comments that begin in this part of the text.
    pub(super) fn hidden(&self, part: Range<usize>) -> Vec<Range<usize>> {
        let (mut hidden, mut at) = (Vec::new(), part.start);
        while let Some(found) = self.text.get(at..part.end).and_then(|text| text.find('<')) {
            at += found;
            let html = self.text.get(at..).unwrap_or_default();
            if !begins_html(html) {
                at += 1;
                continue;
            }
            let length = (at < self.unclear).then(|| length(html)).flatten();
            let Some(length) = length else {
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

    /// Returns where the element `name` that begins at `after` ends at the latest. This is the end
    /// of the last closing tag with this name, provided that it lies after `after`, that all
    /// elements with this name are closed, and that no other element in the text can hide a closing
    /// tag. Otherwise browsers may disagree about the end, so the end of the text is returned.
    fn end_of(&self, name: &str, after: usize) -> usize {
        let hides_tags = |other: &str| HIDING.contains(&other) || SCOPES.contains(&other);
        let mut opened = self.tags.iter().filter(|(_, tags)| tags.opened > 0);
        let alone = opened.all(|(other, _)| other == name || !hides_tags(other));
        let tags = self.tags.get(name).filter(|_| alone);
        let closed = tags.filter(|tags| tags.opened == tags.closed && tags.end > after);
        closed.map_or(self.text.len(), |tags| tags.end)
    }
}

fn begins_html(text: &str) -> bool {
    let follows = text.strip_prefix('<').and_then(|rest| rest.chars().next());
    follows.is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c))
}

/// Returns the length of the comment, declaration or tag at the beginning of `html`. Returns `None`
/// if it is unclosed, or if renderers disagree about its end.
fn length(html: &str) -> Option<usize> {
    // Returns `None` if `sooner` comes before `end`, because a browser then ends the markup at
    // `sooner`, but a Markdown renderer at `end`.
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
    // A `>` at the beginning of a line may be the mark of a block quote, which does not end a tag.
    let (_, line) = html
        .get(..length - 1)?
        .rsplit_once('\n')
        .unwrap_or_default();
    let is_mark = html.get(..length)?.contains('\n') && line.trim().is_empty();
    (!is_mark).then_some(length)
}

/// Returns the text after the tag at the beginning of `html`, or `None` if renderers may read this
/// tag in different ways.
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
    // These elements have no content that an attribute could hide.
    if matches!(element, Some("img" | "br" | "hr" | "wbr" | "input")) {
        return false;
    }
    element.is_some_and(|element| HIDING.contains(&element))
        || words.any(|word| HIDING_ATTRIBUTES.contains(&word))
}

/// Returns the tag's name in lower case. `inside` is the text of the tag after `<` or `</`.
fn name(inside: &str) -> String {
    let end = |c: char| c.is_whitespace() || "/>".contains(c);
    let name = inside.split(end).next().unwrap_or_default();
    name.to_ascii_lowercase()
}
