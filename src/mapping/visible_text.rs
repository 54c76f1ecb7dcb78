//! Extracts from a Markdown text what the rendered page shows. An approver approves what they see.
//! Therefore hidden text must not count, and a field that they see must not be dropped silently.
//! Renderers differ, so each line has two texts: what every renderer shows, and what at least one
//! renderer may show.
//!
//! Each part of the text is shown, hidden or doubtful:
//!
//! - shown: what the CommonMark parser reports as text or code, together with the marks of lists,
//!   quotes, headings and emphasis in the same line
//! - hidden: HTML comments and tags, link definitions, the addresses and titles of links, and
//!   images
//! - doubtful: HTML elements that hide or strike out their content, struck-out text, footnotes,
//!   formulas, folded sections, code blocks that are drawn as diagrams, and everything that
//!   CommonMark 0.31, GitHub, GitLab and Linear's Markdown read differently

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{BrokenLink, CodeBlockKind, Event, LinkType, Options, Parser, Tag};

use super::formulas::{self, Formulas};
use super::hiding_html::{Html, Markup};

/// The languages of code blocks that are drawn as a diagram, so that the code is not visible. The
/// first line has the languages that GitHub or GitLab draws itself. The other lines have the
/// languages that GitLab draws with Kroki.
const DRAWN: &str = "mermaid math geojson topojson stl plantuml glql \
    actdiag blockdiag bpmn bytefield c4plantuml d2 dbml diagramsnet ditaa dot erd excalidraw \
    graphviz nomnoml nwdiag packetdiag pikchr rackdiag seqdiag structurizr svgbob symbolator tikz \
    umlet vega vegalite wavedrom wireviz";
const EXTENSIONS: Options = Options::ENABLE_FOOTNOTES
    .union(Options::ENABLE_MATH)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TABLES)
    .union(Options::ENABLE_TASKLISTS);
/// Lines that begin with `+++` open and close a folded section. Lines that begin with `$$` open and
/// close a formula.
const FENCES: [&str; 2] = ["+++", "$$"];
/// The characters that mark lists, quotes, tables, headings and emphasis. If a line shows any text,
/// these characters are kept in the line.
const MARKS: [char; 10] = [' ', '\t', '>', '*', '_', '+', '-', '#', '`', '|'];
/// Pieces of the syntax of links. If one of them is in the visible text of a line, the parser found
/// no link there, but another renderer may find one. Therefore the text from there on does not
/// count as visible.
const LEFT_OF_LINKS: [&str; 4] = ["](", "][", "]:", "!["];

pub(super) struct Line {
    /// What every renderer shows.
    pub(super) shown: String,
    /// What at least one renderer may show. In addition to `shown`, this has struck-out text, and
    /// text that some renderers may hide.
    pub(super) possible: String,
}

/// Returns what every renderer shows of a text.
pub(super) fn visible_text(markdown: &str) -> String {
    let lines = visible_lines(markdown);
    lines.into_iter().map(|line| line.shown + "\n").collect()
}

/// Returns the lines of the page. An HTML tag may split a line of the text into several lines.
pub(super) fn visible_lines(markdown: &str) -> Vec<Line> {
    let markdown = markdown.replace("\r\n", "\n").replace('\r', "\n");
    let page = Page::of(&markdown);
    let mut lines = Vec::new();
    let mut after_open_link = false;
    let (mut start, mut after_blank) = (0, false);
    for line in markdown.split('\n') {
        let blank = line.trim_matches([' ', '\t', '>']).is_empty();
        // If a link is not closed in its line, the text after it is doubtful up to the next blank
        // line. If an indented or quoted line follows the blank line, it may continue a footnote,
        // so it is doubtful too.
        if !blank && after_blank && !line.starts_with([' ', '\t', '>']) {
            after_open_link = false;
        }
        let mut shown = String::new();
        if !after_open_link {
            shown = page.line(start, line, &[Part::Shown]);
            let found = LEFT_OF_LINKS.iter().filter_map(|left| shown.find(left));
            // If the text of a link is not closed in this line, the link may continue on the next.
            let unclosed = shown.rfind('[').filter(|at| {
                let rest = shown.get(*at..).unwrap_or_default();
                !rest.contains(']')
            });
            let open = found.chain(unclosed).min();
            shown.truncate(open.unwrap_or(shown.len()));
            after_open_link = open.is_some();
        }
        let possible = page.line(start, line, &[Part::Shown, Part::Doubtful]);
        let mut shown = shown.split('\n');
        lines.extend(possible.split('\n').map(|possible| Line {
            shown: shown.next().unwrap_or_default().to_owned(),
            possible: possible.to_owned(),
        }));
        start += line.len() + 1;
        after_blank = blank;
    }
    lines
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// A part that no event of the parser marks as shown or hidden: the marks of blocks and of
    /// emphasis, and link definitions.
    Mark,
    Shown,
    /// Struck out, or hidden by one renderer and shown by another.
    Doubtful,
    Hidden,
}

/// Says for each byte of a text whether the page shows it.
struct Page {
    parts: Vec<Part>,
    /// What the page shows in place of a part of the text, for example of a character reference.
    /// Maps the beginning of the part to its end and to the shown text.
    replaced: BTreeMap<usize, (usize, String)>,
    /// Positions in the text at which the page begins a new line because of an HTML tag.
    breaks: BTreeSet<usize>,
}

impl Page {
    fn of(text: &str) -> Self {
        let mut page = Self {
            parts: vec![Part::Mark; text.len()],
            replaced: BTreeMap::new(),
            breaks: BTreeSet::new(),
        };
        // The parts that CommonMark reads as HTML. A renderer that ignores Markdown might read some
        // of them as a part of an HTML comment.
        let mut real_html = Vec::new();
        let mut doubtful = Vec::new();
        let mut formulas = Formulas::of(text);
        let mut left_out = 0;
        // Read `[text][name]` as a link even if the text does not define `name`, because another
        // renderer may find a definition.
        let unresolved = |link: BrokenLink<'_>| {
            (link.link_type == LinkType::Reference).then(|| ("".into(), "".into()))
        };
        let parser = Parser::new_with_broken_link_callback(text, EXTENSIONS, Some(unresolved));
        for (event, range) in parser.into_offset_iter() {
            formulas.see(&event, &range);
            if range.start < left_out {
                continue;
            }
            match event {
                Event::Start(Tag::Image { link_type, .. }) => {
                    left_out = range.end;
                    page.set(range, of_link(link_type));
                }
                Event::Start(Tag::FootnoteDefinition(_)) => {
                    left_out = range.end;
                    page.set(range, Part::Doubtful);
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) if is_drawn(&info) => {
                    left_out = range.end;
                    page.set(range, Part::Doubtful);
                }
                Event::Start(Tag::Strikethrough) => doubtful.push(range),
                Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => real_html.push(range),
                Event::InlineMath(_) if !formulas::is_hidden(text, &range) => {
                    page.set(range, Part::Shown);
                }
                // The text of the link is shown by later events.
                Event::Start(Tag::Link { link_type, .. }) => page.set(range, of_link(link_type)),
                Event::FootnoteReference(_) => page.set(range, Part::Hidden),
                Event::InlineMath(_) | Event::DisplayMath(_) => page.set(range, Part::Doubtful),
                // Code with several lines may be a formula, because some renderers read code
                // between dollar signs as a formula.
                Event::Code(_) if has_line_break(text, &range) => {
                    page.set(range, Part::Doubtful);
                }
                Event::Text(shown) => page.show(text, range, &shown),
                Event::Code(_) | Event::Html(_) | Event::TaskListMarker(_) => {
                    page.set(range, Part::Shown);
                }
                Event::Start(_)
                | Event::End(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::Rule => {}
            }
        }
        doubtful.extend(formulas.hidden());
        page.hide(text, doubtful, real_html);
        page
    }

    /// Marks the parts in `doubtful` as doubtful, and also what HTML and fences in the text hide.
    /// Then marks those tags and comments as hidden that are certain.
    fn hide(&mut self, text: &str, mut doubtful: Vec<Range<usize>>, real_html: Vec<Range<usize>>) {
        let html = Html::new(text, &real_html);
        doubtful.extend(html.hidden(0..text.len()));
        doubtful.extend(real_html.iter().flat_map(|part| html.hidden(part.clone())));
        doubtful.extend(FENCES.iter().filter_map(|fence| fenced(text, fence)));
        doubtful.sort_by_key(|range| range.start);
        let mut done = 0;
        for Range { start, end } in doubtful {
            self.set(start.max(done)..end.max(done), Part::Doubtful);
            done = done.max(end);
        }
        for markup in real_html.into_iter().flat_map(|part| html.markup(part)) {
            self.add(markup);
        }
    }

    fn set(&mut self, range: Range<usize>, part: Part) {
        if let Some(parts) = self.parts.get_mut(range) {
            parts.fill(part);
        }
    }

    /// Marks a part of the text as shown. `shown` is the part as the parser read it. A page shows a
    /// line break in the part as a blank.
    fn show(&mut self, text: &str, range: Range<usize>, shown: &str) {
        if !range.is_empty() && text.get(range.clone()) != Some(shown) {
            let shown = shown.replace('\n', " ");
            self.replaced.insert(range.start, (range.end, shown));
        }
        self.set(range, Part::Shown);
    }

    fn add(&mut self, markup: Markup) {
        if markup.breaks_line {
            self.breaks.insert(markup.range.start);
            self.breaks.insert(markup.range.end);
        }
        if markup.is_certain {
            self.set(markup.range, Part::Hidden);
        }
    }

    /// Returns what the page shows of `line`, which begins at `start`. Includes only parts of the
    /// kinds in `parts`, and the marks around them. Returns an empty text if there are no such
    /// parts.
    fn line(&self, start: usize, line: &str, parts: &[Part]) -> String {
        let of_line = self.parts.get(start..start + line.len());
        let of_line = of_line.unwrap_or_default();
        let mut text = String::new();
        if !of_line.iter().any(|part| parts.contains(part)) {
            return text;
        }
        let mut done = start;
        for (at, c) in line.char_indices() {
            let part = of_line.get(at).copied().unwrap_or(Part::Hidden);
            let at = start + at;
            if self.breaks.contains(&at) {
                text.push('\n');
            }
            let is_mark = part == Part::Mark && MARKS.contains(&c);
            if at < done || !is_mark && !parts.contains(&part) {
                continue;
            }
            match self.replaced.get(&at) {
                None => text.push(c),
                Some((end, shown)) => {
                    text.push_str(shown);
                    done = *end;
                }
            }
        }
        text
    }
}

/// Returns how to mark the parts of a link other than its text. They are hidden. But if the link's
/// name is not defined, they are doubtful, because a page may then show all of the link.
fn of_link(link_type: LinkType) -> Part {
    match link_type {
        LinkType::ReferenceUnknown => Part::Doubtful,
        _ => Part::Hidden,
    }
}

fn has_line_break(text: &str, range: &Range<usize>) -> bool {
    text.get(range.clone())
        .is_none_or(|part| part.contains('\n'))
}

fn is_drawn(info: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "{,:".contains(c);
    let language = info.trim_start().split(ends).next();
    let mut drawn = DRAWN.split(' ');
    language.is_some_and(|language| drawn.any(|drawn| drawn.eq_ignore_ascii_case(language)))
}

/// Returns the range from the first line that begins with `fence` to the last such line. If a
/// section may be unclosed, the range reaches to the end of the text. There is only one range for
/// all sections, because renderers disagree about sections inside other sections.
fn fenced(text: &str, fence: &str) -> Option<Range<usize>> {
    let (mut at, mut found, mut lines) = (0, text.len()..text.len(), 0);
    let mut last_is_bare = false;
    for line in text.split_inclusive('\n') {
        let inside = |c: char| c.is_ascii_digit() || " \t>-*.)".contains(c);
        let text = line.trim_start_matches(inside);
        let text = text.strip_prefix("+ ").map_or(text, str::trim_start);
        if text.starts_with(fence) {
            found.start = found.start.min(at);
            found.end = at + line.len();
            last_is_bare = text.trim_end() == fence;
            lines += 1;
        }
        at += line.len();
    }
    match lines {
        0 => None,
        _ if last_is_bare && lines % 2 == 0 => Some(found),
        _ => Some(found.start..at),
    }
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
            "[x]: # \"\nh\n\"",
            "[ ]: # \"\nh\n\"",
            "- [a]: # \"\n  h\n  \"",
            "* [a]: # \"\n  h\n  \"",
            "1. [a]: # \"\n   h\n   \"",
            "[a]:\n<x>\n\"\nh\n\"",
            "[t][n\nh\n]\n\n[n h]: #",
            "[t][n\nh\n]",
            "![t][n\nh\n]\n\n[n h]: #",
            "[^1]: note\n\n    h",
            "[^a[b]: note\n\n    h",
            "> [^1]: note\n>\n>     h",
            "- ```mermaid\n  %%\n  h\n  ```",
            "```wavedrom\nh\n```",
            "- $$\n  h\n  $$",
            "$\\phantom{\nh\n}$",
            "$`\\phantom{\nh\n}`$",
            // The parser does not recognise these formulas.
            "$x%{\nh\ny$",
            "$x &percnt;{\nh\ny$",
            "a $\\phantom{\nh\nUS$2}$",
            "$`a$ \\phantom{\nh\n}`$",
            "`a` $\\phantom{\nh\n*b*}$",
            "> $\\phantom{\n> h\n> US$2}$",
            "a $$ {\\phantom{\nh\n} $$ b",
            "costs $5 (50% off)\nh\nUS$6",
            "<p>\n$x%{\nh\ny$\n</p>",
            "- +++ more\n  h\n  +++",
            "+++ a\n+++ b\n+++\nh\n+++",
            "a | b\n--|--\nc | d | <b title=\"\nh\n\">",
            // Some renderers read these as HTML, and others as text.
            "`<!--` <details> `-->`\nh\n</details>",
            "<!-- --!><details> -->\nh\n</details>",
            "<!-->\nh\n-->",
            "<p></ \nh\n></p>",
            "<p><x.y\nh\n></p>",
            "<p><a b\"> <details> \">\nh\n</details></p>",
            "<p><a b\"c=\">\nh\n\"></p>",
            "<p><a b=c=\"\nd=\">\nh\n\"></p>",
            "<p><a b= c=\"\nd=\">\nh\n\"></p>",
            "<p><a =\"\nd=\">\nh\n\"></p>",
            "<p><? > <details> ?>\nh\n</details></p>",
            "<p><![CDATA[ > <details> ]]>\nh\n</details></p>",
            "> <p a\n> h\n> >",
            "<details><div hidden></details>\nh\n</div>",
            "<details>\n<details>\n</details>\n\nh",
            "<details>\n<!-- </details> -->\n\nh",
            "<details>\n\n`</details>`\n\nh",
            "<details><table><tr><td>\n</details>\n\nh\n\n</td></tr></table>",
            "<details><style></details></style>\n\nh",
            "<ruby>a<rp>\nh\n</rp></ruby>",
            "[[see|x\nh\n]]",
            "```mermaid\tx\n%%\nh\n```",
            "```mermaid:x\n%%\nh\n```",
            "```glql\nh\n```",
            "+++ a\n+++\n+++ b\nh",
            "+++ a\n+++ b\nh",
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
            ("see [t](https://a.example/) now", vec!["see t now"]),
            ("![shot](u)\nb", vec!["b"]),
            ("- [ ] a\n- [x] b", vec!["- [ ] a", "- [x] b"]),
            ("```yaml\nimage: x\n```", vec!["image: x"]),
            ("<!-- hint -->\na\n\n<!-- b -->\nc", vec!["a", "c"]),
            ("[a]: # (b)\n\nc", vec!["c"]),
            ("```mermaid\na\n```\nb", vec!["b"]),
            ("+++ more\na\n+++\nb", vec!["b"]),
            ("a <img src=u> b", vec!["a  b"]),
            ("<p align=center>a</p>", vec!["a"]),
            ("by <a@b.example>\n> *b*: c", vec!["by", "> *b*: c"]),
            (
                "- a: [t][1]\n- `b`: c\n\n[1]: u-v",
                vec!["- a: t", "- `b`: c"],
            ),
            (
                "| a | b |\n|---|---|\n| c | d |",
                vec!["| a | b |", "| c | d |"],
            ),
            (
                "<b>a</b> <img\n  src=\"u\" alt='v'> b\nc",
                vec!["a", "b", "c"],
            ),
            ("costs $5 and US$6: c", vec!["costs $5 and US$6: c"]),
            ("costs $5\na: b\nUS$6", vec!["costs $5", "a: b", "US$6"]),
            (
                "costs \\$5 and\na: b\n\\$6",
                vec!["costs $5 and", "a: b", "$6"],
            ),
            ("$\\pi$ a\nb: c\n$\\pi$ d", vec!["a", "b: c", "d"]),
            (
                "- $5 and 10%\n- a: b\n- US$6",
                vec!["- $5 and 10%", "- a: b", "- US$6"],
            ),
            (
                "```sh\necho $A\\\na: b\n$C$\n```",
                vec!["echo $A\\", "a: b", "$C$"],
            ),
            (
                "costs $5\n\n    a: b\n\nC:\\d e&amp;f",
                vec!["costs $5", "a: b", "C:\\d e&f"],
            ),
        ] {
            assert_eq!(lines(text), shown, "{text:?}");
        }
    }
}
