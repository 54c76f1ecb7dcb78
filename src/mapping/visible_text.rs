//! Extracts from a Markdown text what the rendered page shows. An approver approves what they see,
//! so hidden text must not count. A part that any renderer hides is dropped, even if another
//! renderer shows it: a dropped line only makes a request incomplete.
//!
//! Dropped are HTML comments, declarations and tags with their attributes, elements that hide their
//! content, link definitions, the addresses and titles of links, images, folded sections, and code
//! blocks that are drawn as diagrams or formulas (CommonMark 0.31, GitHub and GitLab Markdown).

/// Elements whose content is not shown, or shown only after a click.
const HIDING: [&str; 17] = [
    "details", "template", "script", "style", "title", "textarea", "select", "object", "iframe",
    "noscript", "svg", "math", "head", "audio", "video", "canvas", "dialog",
];
/// Attributes that may hide an element.
const HIDING_ATTRIBUTES: [&str; 4] = ["hidden", "style", "class", "open"];
/// Code blocks that are rendered as a drawing.
const DRAWN: [&str; 6] = ["mermaid", "math", "geojson", "topojson", "stl", "plantuml"];

/// Returns the visible text, line by line.
pub(super) fn visible_text(markdown: &str) -> String {
    let markdown = markdown.replace("\r\n", "\n").replace('\r', "\n");
    let without_html = without_html(&markdown);
    let mut shown = String::with_capacity(without_html.len());
    let mut hidden = Hidden::Nothing;
    for line in without_html.split('\n') {
        hidden = hidden.before(line);
        if hidden == Hidden::Nothing {
            let (text, open) = without_links(line);
            shown.push_str(&text);
            if open {
                hidden = Hidden::Paragraph;
            }
        }
        shown.push('\n');
        hidden = hidden.after(line);
    }
    shown
}

/// The hidden part of the page to which the current line belongs, if any.
#[derive(Clone, Copy, PartialEq)]
enum Hidden {
    Nothing,
    /// The rest of a paragraph, after a link definition or an unfinished link.
    Paragraph,
    /// A block that is rendered as a drawing, up to the closing fence.
    Drawing,
    /// A folded section, up to the next `+++`.
    Fold,
    /// Only this line.
    Line,
}

impl Hidden {
    fn before(self, line: &str) -> Self {
        let text = line.trim_start_matches([' ', '\t', '>']);
        match self {
            Self::Paragraph | Self::Line if text.trim().is_empty() => Self::Nothing,
            Self::Nothing | Self::Line if text.starts_with("+++") => Self::Fold,
            Self::Nothing | Self::Line if is_drawing(text) => Self::Drawing,
            Self::Nothing | Self::Line if is_definition(text) => Self::Paragraph,
            Self::Line => Self::Nothing,
            other => other,
        }
    }

    fn after(self, line: &str) -> Self {
        let text = line.trim_start_matches([' ', '\t', '>']).trim_end();
        let fence = text.starts_with("```") || text.starts_with("~~~");
        match self {
            Self::Drawing if fence && !is_drawing(text) => Self::Line,
            Self::Fold if text == "+++" => Self::Line,
            other => other,
        }
    }
}

fn is_drawing(text: &str) -> bool {
    let info = text
        .strip_prefix("```")
        .or_else(|| text.strip_prefix("~~~"))
        .map(|rest| rest.trim_start_matches(['`', '~', ' ']));
    let language = info.and_then(|info| info.split([' ', '{', ',']).next());
    language.is_some_and(|language| DRAWN.contains(&language.to_ascii_lowercase().as_str()))
        || text.starts_with("$$")
}

/// Whether a line begins a link definition, `[label]: address "title"`, which the page does not
/// show. Its title may continue to the paragraph's end. A label that is not closed on its line
/// counts as a definition too.
fn is_definition(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('[') else {
        return false;
    };
    match rest.split_once(']') {
        Some((label, after)) => after.starts_with(':') && label != " " && label != "x",
        None => true,
    }
}

/// Removes images, and the addresses and titles of links, from a line. Also returns whether a link
/// continues in the next line.
fn without_links(line: &str) -> (String, bool) {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("](").into_iter().chain(rest.find("![")).min() {
        let (before, from) = rest.split_at(at);
        shown.push_str(before);
        let image = from.starts_with("![");
        let after = from.get(2..).unwrap_or_default();
        let inside = match image {
            // Skip the alternative text of an image. Its address follows like that of a link.
            true => after.split_once(']').map(|(_, rest)| rest.len() + 1),
            false => after
                .split_once(')')
                .filter(|(address, _)| !address.contains(['"', '\'', '(', '<']))
                .map(|(_, rest)| rest.len()),
        };
        let Some(length) = inside else {
            return (shown, true);
        };
        rest = after.get(after.len() - length..).unwrap_or_default();
    }
    shown.push_str(rest);
    (shown, false)
}

fn without_html(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        shown.push_str(before);
        let end = |mark: &str| from.find(mark).map(|at| at + mark.len());
        let skipped = if from.starts_with("<!--") {
            end("-->")
        } else if from.starts_with("<?") {
            end("?>")
        } else if from.starts_with("<![CDATA[") {
            end("]]>")
        } else if from.starts_with("<!") {
            end(">")
        } else if let Some(tag) = Tag::read(from) {
            tag.end.and_then(|end| match tag.hides {
                true => closing(from, tag.name),
                false => Some(end),
            })
        } else {
            shown.push('<');
            Some(1)
        };
        // An unclosed tag or comment hides the rest.
        let Some(skipped) = skipped else {
            return shown;
        };
        rest = from.get(skipped..).unwrap_or_default();
    }
    shown.push_str(rest);
    shown
}

struct Tag<'a> {
    name: &'a str,
    /// The position of the tag's end; `None` if it is unclosed.
    end: Option<usize>,
    hides: bool,
}

impl<'a> Tag<'a> {
    /// Reads the tag at the beginning of `text`; `None` if its `<` begins no tag.
    fn read(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix('<')?;
        let closes = inner.starts_with('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        let length = inner
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(inner.len());
        let name = inner.get(..length)?;
        let follows = inner.get(length..)?.chars().next();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        // A colon after the name makes it an address in angle brackets.
        if !is_name || !follows.is_none_or(|c| c.is_whitespace() || "/>:".contains(c)) {
            return None;
        }
        let end = end_of_tag(text);
        let tag = text.get(..end.unwrap_or(text.len()))?.to_ascii_lowercase();
        let attribute = tag
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .skip(2)
            .any(|word| HIDING_ATTRIBUTES.contains(&word));
        let hides = !closes
            && (attribute
                || HIDING
                    .iter()
                    .any(|hiding| name.eq_ignore_ascii_case(hiding)));
        Some(Self { name, end, hides })
    }
}

/// Returns where a tag ends: after a `>` outside quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return Some(at + 1),
            None => {}
        }
    }
    None
}

/// Returns where the last closing tag of this name ends.
fn closing(text: &str, name: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let at = lower.rfind(&format!("</{}", name.to_ascii_lowercase()))?;
    Some(at + end_of_tag(text.get(at..)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(markdown: &str) -> Vec<String> {
        let shown = visible_text(markdown);
        shown
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn what_the_page_does_not_show_is_dropped() {
        for hidden in [
            "<!-- h -->",
            "<!--\nh\n-->",
            "<!-- a --> <!--\nh\n-->",
            "a <!--\nh\n--> b",
            "<details><summary>s</summary>\n\nh\n\n</details>",
            "<DETAILS>\nh\n</DETAILS>",
            "<details>\n<details>\na\n</details>\nh\n</details>",
            "<div hidden>\nh\n</div>",
            "<div style=\"display:none\">\nh\n</div>",
            "<img alt=\"\nh\n\">",
            "<img alt='a > \nh\n'>",
            "<script>\nh\n</script>",
            "<?php\nh\n?>",
            "<![CDATA[\nh\n]]>",
            "<!DOCTYPE\nh\n>",
            "[//]: # (\nh\n)",
            "[a]: # \"b\nh\"",
            "[a\nb]: # \"\nh\"",
            "> [a]: # \"\n> h\"",
            "[t](u \"\nh\n\")",
            "[t](u \"a)\nh\n\")",
            "[t](u (a (b)\nh\n))",
            "![a\nh\nb](u)",
            "![a](u \"\nh\")",
            "```mermaid\n%%\nh\n```",
            "$$\nh\n$$",
            "+++ more\nh\n+++",
        ] {
            let text = format!("x: 1\n\n{hidden}\n\ny: 2\n");
            let shown = lines(&text);
            assert!(
                !shown.iter().any(|line| line == "h"),
                "{hidden:?}: {shown:?}"
            );
            assert_eq!(
                shown.first().map(String::as_str),
                Some("x: 1"),
                "{hidden:?}"
            );
        }
        for unclosed in ["<!-- a\nh", "<details>\nh", "<img alt=\"\nh", "<script>\nh"] {
            assert_eq!(lines(&format!("x\n{unclosed}")), ["x"], "{unclosed:?}");
        }
    }

    #[test]
    fn what_the_page_shows_stays() {
        for (text, shown) in [
            ("a\r\nb\rc", vec!["a", "b", "c"]),
            ("**image:** x<br>", vec!["**image:** x"]),
            ("a < b and c > d", vec!["a < b and c > d"]),
            ("x <- y, 3 <3", vec!["x <- y, 3 <3"]),
            ("see [t](https://a.example/) now", vec!["see [t now"]),
            ("![shot](u)\nb", vec!["b"]),
            ("- [ ] a\n- [x] b", vec!["- [ ] a", "- [x] b"]),
            ("```yaml\nimage: x\n```", vec!["```yaml", "image: x", "```"]),
            ("<!-- hint -->\na\n\n<!-- b -->\nc", vec!["a", "c"]),
            ("[a]: # (b)\n\nc", vec!["c"]),
            ("```mermaid\na\n```\nb", vec!["b"]),
            ("+++ more\na\n+++\nb", vec!["b"]),
            ("a <img src=u> b", vec!["a  b"]),
            ("<p align=center>a</p>", vec!["a"]),
        ] {
            assert_eq!(lines(text), shown, "{text:?}");
        }
    }
}
