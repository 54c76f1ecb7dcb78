//! Measures texts in columns of a terminal, and breaks them into lines. An East Asian character
//! takes two columns. Does not access a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::domain::visible;

/// Returns the number of columns that a text takes.
pub(in super::super) fn width(text: &str) -> usize {
    text.width()
}

/// Breaks a text between words into lines of at most `width` columns. Breaks a word only if it is
/// longer than a line. Makes invisible characters visible, because the text may come from a ticket.
pub(in super::super) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut column, width) = (0, width.max(2));
    for word in visible(text, &[]).split_whitespace() {
        let length = word.width();
        let gap = usize::from(column > 0);
        if column > 0 && column + gap + length > width {
            lines.push(String::new());
            column = 0;
        }
        let mut rest = word;
        while column == 0 && rest.width() > width {
            let (head, tail) = rest.split_at(fitting(rest, width));
            push(&mut lines, head);
            lines.push(String::new());
            rest = tail;
        }
        if column > 0 {
            push(&mut lines, " ");
            column += 1;
        }
        push(&mut lines, rest);
        column += rest.width();
    }
    lines
}

/// Breaks a text into lines, and indents every line except the first by `indent` blanks. The caller
/// prints the first line after a label that is `indent` columns wide.
pub(in super::super) fn indented(indent: usize, text: &str, width: usize) -> String {
    let lines = lines(text, width.saturating_sub(indent));
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// [`indented`] at 80 columns, for messages that also go to files and logs.
pub(in super::super) fn wrapped(indent: usize, text: &str) -> String {
    indented(indent, text, 80)
}

/// Returns how many bytes at the beginning of a text fit into `width` columns. Includes the first
/// character even if it is wider than that.
fn fitting(text: &str, width: usize) -> usize {
    let mut column = 0;
    let over = text.char_indices().skip(1).find(|(at, _)| {
        let before = text.get(..*at).and_then(|head| head.chars().next_back());
        column += before.and_then(|c| c.width()).unwrap_or(0);
        let next = text.get(*at..).and_then(|tail| tail.chars().next());
        column + next.and_then(|c| c.width()).unwrap_or(0) > width
    });
    over.map_or(text.len(), |(at, _)| at)
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked_and_no_character_is_lost() {
        let long = format!("record {} sha256:{}", "r".repeat(54), "f".repeat(64));
        let cjk = "镜像共享申请：预发布环境需要七月的基础镜像".repeat(3);
        for text in [
            "",
            "short",
            &long,
            &cjk,
            &"x".repeat(200),
            &"word ".repeat(40),
        ] {
            for width in [7, 20, 68, 500] {
                let lines = lines(text, width);
                for line in &lines {
                    assert!(super::width(line) <= width, "{line:?}");
                }
                let kept = |text: &str| text.replace(' ', "");
                assert_eq!(kept(&lines.concat()), kept(text));
            }
        }
        assert_eq!(lines("镜像共享", 5), ["镜像", "共享"]);
        assert_eq!(lines("two words", 5), ["two", "words"]);
        assert_eq!(lines("a\u{202e}b", 20), ["a\\u{202e}b"]);
    }

    #[test]
    fn later_lines_are_indented() {
        let text = indented(4, &"word ".repeat(40), 80);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].len() + 4 <= 80 && lines[0].len() > 70);
        assert!(lines[1].starts_with("    word") && lines[1].len() <= 80);
    }
}
